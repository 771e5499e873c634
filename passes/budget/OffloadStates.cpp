//===- OffloadStates.cpp - Model states in host memory --------------------===//
#include "dialects/dist/DistDialect.h"
#include "passes/budget/Passes.h"
#include "passes/layout/MemorySpaces.h"
#include "passes/shard/ShardTables.h"

#include "mlir/IR/Remarks.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/MapVector.h"

namespace regimen::passes {
#define GEN_PASS_DEF_OFFLOADSTATESPASS
#include "passes/budget/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using namespace regimen::train;

namespace {

/// The storage symbol whose segment, or all, `symbol` is.
StringRef wholeName(StringRef symbol) {
  symbol.consume_back(dist::segmentName(""));
  return symbol;
}

/// Makes the fused kernel of each optimizer group one a bucket, each with its writes right behind
/// it: while one runs, the next one's operands and the last one's results can move. It computes
/// tensor by tensor, so no bit changes.
class FusedSplitter {
public:
  FusedSplitter(ProgramOp program, const ShardTables &tables) : program(program), tables(tables) {}

  void run() {
    for (auto fused : llvm::to_vector(program.getBody().getOps<FusedAdamWOp>())) {
      llvm::MapVector<dist::BucketOp, SmallVector<unsigned>> members;
      for (auto [index, result] : llvm::enumerate(fused.getNewParameters())) {
        auto write = cast<WriteOp>(*result.user_begin());
        members[tables.bucketOf(wholeName(write.getSymbol()))].push_back(index);
      }
      OpBuilder builder(fused);
      for (auto &[bucket, indices] : members)
        placeWrites(split(fused, indices, builder));
      fused.erase();
    }
    startGathers();
  }

private:
  static FusedAdamWOp split(FusedAdamWOp fused, ArrayRef<unsigned> indices, OpBuilder &builder) {
    auto pick = [&](auto values) {
      return llvm::map_to_vector(indices, [&](unsigned index) -> Value { return values[index]; });
    };
    SmallVector<Value> parameters = pick(fused.getParameters());
    SmallVector<Type> types =
        llvm::map_to_vector(parameters, [](Value value) { return value.getType(); });
    auto part = FusedAdamWOp::create(builder, fused.getLoc(), types, types, types, parameters,
                                     pick(fused.getGradients()), pick(fused.getExpAvgs()),
                                     pick(fused.getExpAvgSqs()), fused.getGroup());
    for (auto [position, index] : llvm::enumerate(indices)) {
      fused.getNewParameters()[index].replaceAllUsesWith(part.getNewParameters()[position]);
      fused.getNewExpAvgs()[index].replaceAllUsesWith(part.getNewExpAvgs()[position]);
      fused.getNewExpAvgSqs()[index].replaceAllUsesWith(part.getNewExpAvgSqs()[position]);
    }
    return part;
  }

  static void placeWrites(FusedAdamWOp fused) {
    Operation *last = fused;
    for (Value result : fused.getResults())
      for (Operation *user : llvm::make_early_inc_range(result.getUsers())) {
        user->moveAfter(last);
        last = user;
      }
  }

  /// Gathers of updated parameters start behind the last write of their bucket.
  void startGathers() {
    llvm::DenseMap<dist::BucketOp, WriteOp> last;
    for (auto write : program.getBody().getOps<WriteOp>())
      if (StringRef name = wholeName(write.getSymbol()); tables.isParameter(name))
        last[tables.bucketOf(name)] = write;
    auto module = program->getParentOfType<ModuleOp>();
    for (auto start : llvm::to_vector(program.getBody().getOps<dist::StartOp>()))
      start->moveAfter(last.lookup(module.lookupSymbol<dist::BucketOp>(start.getBucketAttr())));
  }

  ProgramOp program;
  const ShardTables &tables;
};

/// Moves what an update needs of the other memory to where it runs, and back what it makes.
class UpdateMover {
public:
  UpdateMover(ProgramOp program, const ShardTables &tables, dist::Space where)
      : program(program), tables(tables), where(where) {}

  void run() {
    if (where == dist::Space::Device)
      bringStorage();
    MemorySpaces spaces(program);
    for (Operation &op : llvm::make_early_inc_range(program.getBody().front())) {
      if (auto write = dyn_cast<WriteOp>(op)) {
        dist::Space storage = spaces.ofStorage(write.getSymbol());
        if (spaces.of(write.getValue()) != storage)
          write.getValueMutable().assign(moved(write.getValue(), storage, write));
      } else if (!isa<dist::MoveOp, ReturnOp>(op) && isOnHost(&op, spaces)) {
        for (OpOperand &operand : op.getOpOperands())
          if (isa<RankedTensorType>(operand.get().getType()) &&
              spaces.of(operand.get()) == dist::Space::Device)
            operand.set(moved(operand.get(), dist::Space::Host, &op));
      }
    }
    moveAhead();
    report();
  }

private:
  /// Where the update runs on the device, what it reads of the host comes there.
  void bringStorage() {
    MemorySpaces spaces(program);
    for (auto read : llvm::to_vector(program.getBody().getOps<ReadOp>()))
      if (spaces.ofStorage(read.getSymbol()) == dist::Space::Host) {
        OpBuilder builder(read->getNextNode());
        auto move = dist::MoveOp::create(builder, read.getLoc(), read.getType(), read.getResult(),
                                         dist::Space::Device);
        read.getResult().replaceAllUsesExcept(move.getResult(), move);
      }
  }

  static bool isOnHost(Operation *op, MemorySpaces &spaces) {
    return llvm::any_of(op->getOperands(), [&](Value operand) {
      return isa<RankedTensorType>(operand.getType()) && spaces.of(operand) == dist::Space::Host;
    });
  }

  Value moved(Value value, dist::Space to, Operation *before) {
    Value &copy = copies[value];
    if (!copy) {
      OpBuilder builder(before);
      copy = dist::MoveOp::create(builder, before->getLoc(), value.getType(), value, to);
    }
    return copy;
  }

  /// An update is a chain of stretches, each of which ends with new parameters: a fused kernel, or
  /// the ops of one parameter. Moves for a stretch start before the one ahead of it begins.
  void moveAhead() {
    /// By stretch: the moves for it, in the order of their uses.
    llvm::MapVector<size_t, SmallVector<dist::MoveOp>> needs;
    llvm::DenseMap<size_t, Operation *> firstUses;
    llvm::DenseSet<Operation *> seen;
    size_t stretch = 0;
    for (Operation &op : program.getBody().front()) {
      for (Value operand : op.getOperands())
        if (auto move = operand.getDefiningOp<dist::MoveOp>();
            move && move.getTo() == where && seen.insert(move).second) {
          needs[stretch].push_back(move);
          firstUses.try_emplace(stretch, &op);
        }
      auto write = dyn_cast<WriteOp>(op);
      if (isa<FusedAdamWOp>(op) || (write && tables.isParameter(wholeName(write.getSymbol()))))
        ++stretch;
    }
    Operation *previous = nullptr;
    for (auto &[index, moves] : needs) {
      Operation *use = firstUses.lookup(index);
      for (dist::MoveOp move : moves)
        start(move, previous ? previous : use);
      previous = use;
    }
  }

  /// Starts a move at `at`, or as soon behind it as there is something to move.
  static void start(dist::MoveOp move, Operation *at) {
    Operation *source = move.getValue().getDefiningOp();
    if (auto read = dyn_cast<ReadOp>(source); read && at->isBeforeInBlock(read)) {
      bool overtakes = false;
      for (Operation *op = at; op != read; op = op->getNextNode())
        if (auto write = dyn_cast<WriteOp>(op))
          overtakes |= write.getSymbolAttr() == read.getSymbolAttr();
      if (!overtakes)
        read->moveBefore(at);
    }
    if (source->isBeforeInBlock(at))
      move->moveBefore(at);
    else
      move->moveAfter(source);
  }

  void report() {
    int64_t count = 0, bytes = 0;
    for (auto move : program.getBody().getOps<dist::MoveOp>()) {
      auto type = cast<RankedTensorType>(move.getType());
      ++count;
      bytes += type.getNumElements() * type.getElementTypeBitWidth() / 8;
    }
    remark::analysis(program.getLoc(),
                     remark::RemarkOpts::name("offload states").category("budget"))
        << remark::metric("program", program.getSymName().str()) << remark::metric("moves", count)
        << remark::metric("movedBytes", bytes);
  }

  ProgramOp program;
  const ShardTables &tables;
  const dist::Space where;
  llvm::DenseMap<Value, Value> copies;
};

struct OffloadStatesPass : passes::impl::OffloadStatesPassBase<OffloadStatesPass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    ShardTables tables(module);
    for (auto bucket : module.getOps<dist::BucketOp>()) {
      bucket.setHostStates(optimizer);
      bucket.setHostParameters(parameters && bucket.shardsParameters());
    }
    for (auto program : module.getOps<ProgramOp>())
      if (program.getRole() == Role::Update) {
        FusedSplitter(program, tables).run();
        UpdateMover(program, tables, optimizer ? dist::Space::Host : dist::Space::Device).run();
      }
  }
};

} // namespace

void passes::addOffload(OpPassManager &passes, const CompileConfig &config) {
  const MemoryConfig &memory = config.memory;
  if (memory.offloadOptimizer || memory.offloadParameters)
    passes.addPass(createOffloadStatesPass({memory.offloadOptimizer, memory.offloadParameters}));
  if (memory.offloadActivations)
    passes.nest<ProgramOp>().addPass(createOffloadActivationsPass());
}
