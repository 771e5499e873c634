//===- VerifyAutodiff.cpp - What autodiff promises of the module ----------===//
#include "passes/autodiff/ActivityAnalysis.h"
#include "passes/autodiff/Passes.h"
#include "passes/autodiff/Vjp.h"

#include "llvm/ADT/StringSet.h"

namespace regimen::passes {
#define GEN_PASS_DEF_VERIFYAUTODIFFPASS
#include "passes/autodiff/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using namespace regimen::train;

namespace {

/// Counts, for every value of a program, how many seeds are factors of it. Addition needs equal
/// counts, multiplication adds them up, and anything that is not linear must not see a seed.
class SeedFactors {
public:
  explicit SeedFactors(SymbolTable &symbols) : symbols(symbols) {}

  LogicalResult run(ProgramOp program) {
    for (auto [index, argument] : llvm::enumerate(program.getBody().front().getArguments()))
      if (program.getTakes() &&
          cast<PortAttr>((*program.getTakes())[index]).getKind() == PortKind::OutputGradient)
        factors[argument] = 1;
    for (Operation &op : program.getBody().front())
      if (failed(visit(&op)))
        return failure();
    return success();
  }

private:
  LogicalResult visit(Operation *op) {
    if (isa<SeedOp>(op)) {
      if (op->getParentOfType<ProgramOp>().getSegment() != Segment::Whole)
        return op->emitError() << "is in a program whose caller brings the gradients";
      factors[op->getResult(0)] = 1;
      return success();
    }
    if (auto read = dyn_cast<ReadOp>(op)) {
      if (symbols.lookup<GradientOp>(read.getSymbol()))
        factors[op->getResult(0)] = 1;
      return success();
    }
    if (auto write = dyn_cast<WriteOp>(op)) {
      int count = factors.lookup(write.getValue());
      if (zeros.contains(write.getValue()))
        return success();
      if (symbols.lookup<GradientOp>(write.getSymbol()) ? count != 1 : count != 0)
        return op->emitError() << "writes to " << write.getSymbolAttr() << " a value that carries "
                               << count << " seeds instead of "
                               << (symbols.lookup<GradientOp>(write.getSymbol()) ? 1 : 0);
      return success();
    }
    if (auto accumulate = dyn_cast<AccumulateOp>(op)) {
      if (int count = factors.lookup(accumulate.getValue());
          count != 1 && !zeros.contains(accumulate.getValue()))
        return op->emitError() << "adds to " << accumulate.getSymbolAttr()
                               << " a value that carries " << count << " seeds instead of 1";
      return success();
    }
    if (isa<ReturnOp>(op))
      return visitReturn(op);
    if (isZero(op)) {
      zeros.insert(op->result_begin(), op->result_end());
      return success();
    }
    if (llvm::none_of(op->getOperands(), [&](Value v) { return factors.lookup(v) != 0; }))
      return success();
    FailureOr<int> count = combine(op);
    if (failed(count))
      return failure();
    for (Value result : op->getResults())
      factors[result] = *count;
    return success();
  }

  /// What a backward hands out is linear in the gradients that it was given, and outputs are not.
  LogicalResult visitReturn(Operation *op) {
    auto program = op->getParentOfType<ProgramOp>();
    for (auto [index, value] : llvm::enumerate(op->getOperands())) {
      bool gradient = program.getGives() &&
                      cast<PortAttr>((*program.getGives())[index]).getKind() != PortKind::Output;
      if (int count = factors.lookup(value);
          count != int(gradient) && !(gradient && zeros.contains(value)))
        return op->emitError() << "output " << index << " carries " << count << " seeds instead of "
                               << int(gradient);
    }
    return success();
  }

  FailureOr<int> combine(Operation *op) {
    const passes::Linearity *linearity =
        isa<aten::AtenOpInterface>(op) ? lookupLinearity(op) : nullptr;
    if (!linearity)
      return op->emitError() << op->getName()
                             << " uses the loss's gradient, but is not known to be linear in it";
    int sum = 0;
    std::optional<int> common;
    for (OpOperand &operand : op->getOpOperands()) {
      int count = factors.lookup(operand.get());
      bool linear =
          llvm::is_contained(linearity->operands, argumentOf(op, operand.getOperandNumber()));
      if (!linear && count)
        return op->emitError() << "operand " << operand.getOperandNumber() << " of "
                               << op->getName()
                               << " carries a seed, but the op is not linear in it";
      if (!linear || (linearity->kind == LinearityKind::Additive && zeros.contains(operand.get())))
        continue;
      sum += count;
      if (linearity->kind == LinearityKind::Additive && common.value_or(count) != count)
        return op->emitError() << op->getName() << " adds values that carry " << *common << " and "
                               << count << " seeds";
      common = count;
    }
    return linearity->kind == LinearityKind::Additive ? common.value_or(0) : sum;
  }

  /// Zeros, and what is linear in them: the gradient of a step such as floor.
  bool isZero(Operation *op) {
    if (!isa<aten::AtenOpInterface>(op))
      return false;
    if (llvm::is_contained({"aten.zeros", "aten.new_zeros", "aten.zeros_like"},
                           op->getName().getStringRef()))
      return true;
    const passes::Linearity *linearity = lookupLinearity(op);
    if (!linearity)
      return false;
    SmallVector<bool> zero;
    for (OpOperand &operand : op->getOpOperands())
      if (llvm::is_contained(linearity->operands, argumentOf(op, operand.getOperandNumber())))
        zero.push_back(zeros.contains(operand.get()));
    return linearity->kind == LinearityKind::Additive
               ? !zero.empty() && llvm::all_of(zero, [](bool one) { return one; })
               : llvm::is_contained(zero, true);
  }

  SymbolTable &symbols;
  llvm::DenseMap<Value, int> factors;
  /// They carry any factor.
  llvm::DenseSet<Value> zeros;
};

struct VerifyAutodiffPass : passes::impl::VerifyAutodiffPassBase<VerifyAutodiffPass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    for (auto program : module.getOps<ProgramOp>()) {
      if (program.getRole() != Role::MicroStep)
        continue;
      LogicalResult gradients = program.getSegment() == Segment::Whole
                                    ? verifyDriven(module, program, symbols)
                                    : verifySegment(module, program);
      if (failed(gradients) || failed(SeedFactors(symbols).run(program)))
        return signalPassFailure();
    }
    markAllAnalysesPreserved();
  }

private:
  /// How often a program reads and changes each symbol.
  struct Uses {
    explicit Uses(ProgramOp program) {
      for (Operation &op : program.getBody().front())
        if (auto read = dyn_cast<ReadOp>(op))
          ++reads[read.getSymbol()];
        else if (auto write = dyn_cast<WriteOp>(op))
          ++writes[write.getSymbol()];
        else if (auto accumulate = dyn_cast<AccumulateOp>(op))
          ++additions[accumulate.getSymbol()];
    }
    llvm::StringMap<int> reads, writes, additions;
  };

  /// The program writes the gradient of each parameter that the loss depends on once, and no other.
  LogicalResult verifyDriven(ModuleOp module, ProgramOp program, SymbolTable &symbols) {
    if (!program.getLoss())
      return program.emitError() << "names no loss";
    ActivityAnalysis activity(program, symbols);
    llvm::StringSet<> wanted;
    for (auto read : program.getBody().getOps<ReadOp>())
      if (activity.isActive(read.getResult()))
        wanted.insert(read.getSymbol());
    Uses uses(program);
    for (auto gradient : module.getOps<GradientOp>()) {
      StringRef name = gradient.getSymName();
      if (!wanted.contains(gradient.getParameter()))
        return gradient.emitError()
               << "parameter " << gradient.getParameterAttr()
               << " has a gradient, but the loss does not depend on it or it is "
                  "not trainable";
      if (uses.writes.lookup(name) != 1)
        return program.emitError()
               << "writes @" << name << " " << uses.writes.lookup(name) << " times instead of once";
      int expected = program.getContribution() == Contribution::Later ? 1 : 0;
      if (uses.reads.lookup(name) != expected)
        return program.emitError() << "reads @" << name << " " << uses.reads.lookup(name)
                                   << " times instead of " << expected;
    }
    for (const auto &parameter : wanted)
      if (!symbols.lookup<GradientOp>(gradientName(parameter.getKey())))
        return program.emitError() << "the loss depends on parameter @" << parameter.getKey()
                                   << ", but it has no gradient";
    return success();
  }

  /// A forward touches no gradient; a backward changes those of its variant once, each in the way
  /// of its contribution, and no other.
  LogicalResult verifySegment(ModuleOp module, ProgramOp program) {
    Uses uses(program);
    llvm::DenseSet<int64_t> changed;
    if (program.getVariant() && program.getContribution() != Contribution::None)
      changed.insert_range(program.getVariant()->getGradients());
    for (auto [index, parameter] : llvm::enumerate(module.getOps<ParameterOp>())) {
      std::string name = gradientName(parameter.getSymName());
      bool mine = changed.contains(index);
      bool later = program.getContribution() == Contribution::Later;
      for (auto [what, found, expected] :
           {std::tuple("reads", uses.reads.lookup(name), 0),
            std::tuple("writes", uses.writes.lookup(name), int(mine && !later)),
            std::tuple("adds to", uses.additions.lookup(name), int(mine && later))})
        if (found != expected)
          return program.emitError()
                 << what << " @" << name << " " << found << " times instead of " << expected;
    }
    return success();
  }
};

} // namespace
