//===- SplitAtSuspension.cpp - A suspended micro-step as segments ---------===//
#include "passes/autodiff/Backward.h"
#include "passes/autodiff/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

namespace regimen::passes {
#define GEN_PASS_DEF_SPLITATSUSPENSIONPASS
#include "passes/autodiff/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using namespace regimen::train;

namespace {

/// How the backward of a micro-step comes by the values of its forward.
enum class Route {
  Argument, // the caller's argument
  Output,   // the model's output, which the caller holds
  Remake,   // by the op that made it: it costs nothing
  Saved,    // from the frame
};

/// The value that `value` is a window of, as far as view ops say.
Value baseOf(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!op->hasTrait<aten::ViewLike>())
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// Outputs of `program`, by index, whose storage is not theirs alone: a window of an argument, a
/// parameter or a constant, of what is written to storage, of an output before them, or of more
/// than they show. Only ops before `end` count.
llvm::SmallSetVector<int64_t, 4> sharedOutputs(ProgramOp program, Operation *end) {
  Block &block = program.getBody().front();
  llvm::DenseSet<Value> taken;
  for (Operation &op : block) {
    if (&op == end)
      break;
    if (auto write = dyn_cast<WriteOp>(op))
      taken.insert(baseOf(write.getValue()));
  }
  llvm::SmallSetVector<int64_t, 4> shared;
  for (auto [index, value] : llvm::enumerate(block.getTerminator()->getOperands())) {
    Value base = baseOf(value);
    Operation *maker = base.getDefiningOp();
    if (!maker || isa<ReadOp>(maker) || maker->hasTrait<OpTrait::ConstantLike>() ||
        !taken.insert(base).second ||
        typeOf(base).getNumElements() != typeOf(value).getNumElements())
      shared.insert(index);
  }
  return shared;
}

/// A micro-step with one train.suspend.
class Suspended {
public:
  explicit Suspended(ProgramOp program)
      : program(program), suspend(*program.getBody().getOps<SuspendOp>().begin()) {
    for (Operation &op : program.getBody().front()) {
      if (&op == suspend)
        break;
      positions.try_emplace(&op, positions.size());
      if (auto write = dyn_cast<WriteOp>(op))
        written.insert(write.getSymbol());
    }
    llvm::SmallSetVector<int64_t, 4> shared = sharedOutputs(program, suspend);
    OperandRange results = program.getBody().front().getTerminator()->getOperands();
    for (auto [index, port] : llvm::enumerate(program.getGives()->getAsRange<PortAttr>()))
      if (port.getKind() == PortKind::Output && !shared.contains(index))
        outputs.try_emplace(results[index], index);
  }

  /// Whether `value` is made before the suspension.
  bool isForward(Value value) const {
    Operation *op = value.getDefiningOp();
    return !op || positions.contains(op);
  }

  Route routeOf(Value value) const {
    if (isa<BlockArgument>(value))
      return Route::Argument;
    Operation *op = value.getDefiningOp();
    if (auto read = dyn_cast<ReadOp>(op))
      return written.contains(read.getSymbol()) ? Route::Saved : Route::Remake;
    if (outputs.contains(value))
      return Route::Output;
    bool free = op->hasTrait<aten::ViewLike>() || op->hasTrait<OpTrait::ConstantLike>() ||
                llvm::none_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>);
    return free ? Route::Remake : Route::Saved;
  }

  /// Index of the output that `value` is.
  int64_t outputOf(Value value) const { return outputs.lookup(value); }

  /// Identifies a forward value in every copy of the micro-step.
  std::pair<size_t, unsigned> keyOf(Value value) const {
    return {positions.lookup(value.getDefiningOp()), cast<OpResult>(value).getResultNumber()};
  }

  ProgramOp program;
  SuspendOp suspend;

private:
  llvm::DenseMap<Operation *, size_t> positions;
  llvm::StringSet<> written;
  llvm::DenseMap<Value, int64_t> outputs;
};

class Splitter {
public:
  explicit Splitter(ModuleOp module) : module(module) {}

  LogicalResult run() {
    SmallVector<ProgramOp> backwards;
    ProgramOp forward;
    for (auto program : module.getOps<ProgramOp>())
      if (!program.getBody().getOps<SuspendOp>().empty())
        program.getSegment() == Segment::Forward ? void(forward = program)
                                                 : backwards.push_back(program);
    if (!forward)
      return success();
    Suspended fullest(forward);
    collectSaved(fullest);
    for (ProgramOp program : backwards)
      if (failed(splitBackward(Suspended(program))))
        return failure();
    splitForward(fullest);
    return success();
  }

private:
  using Key = std::pair<size_t, unsigned>;

  /// The values that the backward of the fullest variant takes from the frame, in the order in
  /// which it needs them.
  void collectSaved(Suspended &fullest) {
    llvm::DenseSet<Value> seen;
    SmallVector<std::pair<PortKind, int64_t>> kept;
    auto keep = [&](PortKind kind, int64_t index) { kept.push_back({kind, index}); };
    std::function<void(Value)> visit = [&](Value value) {
      if (!fullest.isForward(value) || !seen.insert(value).second)
        return;
      switch (fullest.routeOf(value)) {
      case Route::Argument:
        keep(PortKind::Argument, cast<BlockArgument>(value).getArgNumber());
        return;
      case Route::Output:
        keep(PortKind::Output, fullest.outputOf(value));
        return;
      case Route::Remake:
        llvm::for_each(value.getDefiningOp()->getOperands(), visit);
        return;
      case Route::Saved:
        saved.insert({fullest.keyOf(value), {value, {}}});
      }
    };
    for (Operation *op = fullest.suspend->getNextNode(); op; op = op->getNextNode())
      if (!op->hasTrait<OpTrait::IsTerminator>())
        llvm::for_each(op->getOperands(), visit);

    OpBuilder builder(fullest.program);
    llvm::sort(kept);
    fullest.program.setKeepsAttr(
        builder.getArrayAttr(llvm::map_to_vector(kept, [&](auto port) -> Attribute {
          return PortAttr::get(module.getContext(), port.first, port.second);
        })));
    int64_t bytes = 0, count = 0;
    SymbolTable symbols(module);
    for (auto &[key, entry] : saved) {
      RankedTensorType type = typeOf(entry.first);
      auto op =
          SavedOp::create(builder, entry.first.getLoc(), "saved" + std::to_string(count++), type);
      entry.second = FlatSymbolRefAttr::get(symbols.insert(op, builder.getInsertionPoint()));
      bytes += type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8);
    }
    remark::analysis(fullest.program.getLoc(),
                     remark::RemarkOpts::name("frame").category("autodiff"))
        << remark::metric("values", saved.size()) << remark::metric("bytes", bytes);
  }

  /// Leaves the forward: it writes what is saved and gives the model's outputs.
  void splitForward(Suspended &fullest) {
    ProgramOp program = fullest.program;
    Operation *terminator = program.getBody().front().getTerminator();
    SmallVector<Value> results;
    SmallVector<Attribute> names, gives, dependences;
    for (auto [index, port] : llvm::enumerate(program.getGives()->getAsRange<PortAttr>()))
      if (port.getKind() == PortKind::Output) {
        results.push_back(terminator->getOperand(index));
        names.push_back(program.getOutputs()[index]);
        gives.push_back(port);
        dependences.push_back((*program.getDependences())[index]);
      }
    terminator->setOperands(results);
    Operation *op = terminator->getPrevNode();
    while (op != fullest.suspend)
      std::exchange(op, op->getPrevNode())->erase();
    fullest.suspend.erase();
    for (auto &[key, entry] : saved) {
      OpBuilder builder(program.getContext());
      builder.setInsertionPointAfterValue(entry.first);
      WriteOp::create(builder, entry.first.getLoc(), entry.first, entry.second);
    }
    Builder builder(program.getContext());
    program.setOutputsAttr(builder.getArrayAttr(names));
    program.setGivesAttr(builder.getArrayAttr(gives));
    program.setDependencesAttr(builder.getArrayAttr(dependences));
  }

  /// Moves what follows the suspension to a program of its own in the place of the micro-step.
  LogicalResult splitBackward(Suspended micro) {
    ProgramOp program = micro.program;
    OpBuilder builder(program);
    auto backward = cast<ProgramOp>(builder.cloneWithoutRegions(*program));
    Block *block = builder.createBlock(&backward.getBody());
    IRMapping mapping;
    SmallVector<Attribute> takes, inputs;
    auto take = [&](Value value, PortKind kind, int64_t index, const Twine &name) {
      takes.push_back(PortAttr::get(module.getContext(), kind, index));
      inputs.push_back(builder.getStringAttr(name));
      mapping.map(value, block->addArgument(value.getType(), value.getLoc()));
    };
    auto outputName = [&](int64_t index) {
      return cast<StringAttr>(program.getOutputs()[index]).getValue();
    };
    for (auto [index, gradient] :
         llvm::zip_equal(micro.suspend.getIndices(), micro.suspend.getGradients()))
      take(gradient, PortKind::OutputGradient, index, outputName(index) + ":grad");

    std::function<LogicalResult(Value)> bring = [&](Value value) -> LogicalResult {
      if (mapping.contains(value) || !micro.isForward(value))
        return success();
      switch (micro.routeOf(value)) {
      case Route::Argument: {
        unsigned index = cast<BlockArgument>(value).getArgNumber();
        take(value, PortKind::Argument, index,
             cast<StringAttr>(program.getInputs()[index]).getValue());
        return success();
      }
      case Route::Output:
        take(value, PortKind::Output, micro.outputOf(value), outputName(micro.outputOf(value)));
        return success();
      case Route::Remake: {
        Operation *op = value.getDefiningOp();
        for (Value operand : op->getOperands())
          if (failed(bring(operand)))
            return failure();
        builder.clone(*op, mapping);
        return success();
      }
      case Route::Saved:
        break;
      }
      auto it = saved.find(micro.keyOf(value));
      if (it == saved.end())
        return value.getDefiningOp()->emitError()
               << "is needed by " << backward.getSymNameAttr()
               << ", but the fullest backward does not need it, so no frame holds it";
      mapping.map(value,
                  ReadOp::create(builder, value.getLoc(), value.getType(), it->second.second));
      return success();
    };

    for (Operation *op = micro.suspend->getNextNode(); op; op = op->getNextNode()) {
      if (op->hasTrait<OpTrait::IsTerminator>())
        break;
      for (Value operand : op->getOperands())
        if (failed(bring(operand)))
          return failure();
      builder.clone(*op, mapping);
    }
    SmallVector<Value> results;
    SmallVector<Attribute> names, gives;
    Operation *terminator = program.getBody().front().getTerminator();
    for (auto [index, port] : llvm::enumerate(program.getGives()->getAsRange<PortAttr>()))
      if (port.getKind() != PortKind::Output) {
        Value value = terminator->getOperand(index);
        if (failed(bring(value)))
          return failure();
        results.push_back(mapping.lookup(value));
        names.push_back(program.getOutputs()[index]);
        gives.push_back(port);
      }
    ReturnOp::create(builder, terminator->getLoc(), results);
    sortInputs(*block, takes, inputs);
    backward.setInputsAttr(builder.getArrayAttr(inputs));
    backward.setTakesAttr(builder.getArrayAttr(takes));
    backward.setOutputsAttr(builder.getArrayAttr(names));
    backward.setGivesAttr(builder.getArrayAttr(gives));
    program.erase();
    return success();
  }

  /// Puts gradients first, then the rest by kind and index, rather than in the order of their use.
  static void sortInputs(Block &block, SmallVectorImpl<Attribute> &takes,
                         SmallVectorImpl<Attribute> &inputs) {
    auto order = llvm::to_vector(llvm::seq<size_t>(0, takes.size()));
    llvm::sort(order, [&](size_t a, size_t b) {
      auto key = [&](size_t i) {
        auto port = cast<PortAttr>(takes[i]);
        return std::tuple(port.getKind() != PortKind::OutputGradient, port.getKind(),
                          port.getIndex());
      };
      return key(a) < key(b);
    });
    auto oldTakes = llvm::to_vector(takes), oldInputs = llvm::to_vector(inputs);
    size_t count = order.size();
    for (auto [to, from] : llvm::enumerate(order)) {
      takes[to] = oldTakes[from];
      inputs[to] = oldInputs[from];
      Value old = block.getArgument(from);
      old.replaceAllUsesWith(block.addArgument(old.getType(), old.getLoc()));
    }
    block.eraseArguments(0, count);
  }

  ModuleOp module;
  /// By key: the value in the forward, and its symbol.
  llvm::MapVector<Key, std::pair<Value, FlatSymbolRefAttr>> saved;
};

struct SplitAtSuspensionPass : passes::impl::SplitAtSuspensionPassBase<SplitAtSuspensionPass> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(Splitter(getOperation()).run()))
      signalPassFailure();
  }
};

} // namespace
