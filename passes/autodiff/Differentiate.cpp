//===- Differentiate.cpp - The backward and the micro-steps ---------------===//
//
// The order of everything is that of autograd's engine: nodes run from the latest forward op to the
// earliest, and the contributions to one value are added as existing + new in order of arrival.
//
//===----------------------------------------------------------------------===//
#include "passes/autodiff/ActivityAnalysis.h"
#include "passes/autodiff/Passes.h"
#include "passes/autodiff/Vjp.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"

namespace regimen::passes {
#define GEN_PASS_DEF_DIFFERENTIATEPASS
#include "passes/autodiff/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using namespace regimen::train;

namespace {

/// Appends the backward to a program.
class Backward {
public:
  Backward(ProgramOp program, const ActivityAnalysis &activity)
      : block(program.getBody().front()), activity(activity), builder(block.getTerminator()) {
    for (auto read : block.getOps<ReadOp>())
      reads.try_emplace(read.getSymbol(), read.getResult());
  }

  /// Differentiates `loss`, whose own gradient is 1 / `accumulate`.
  LogicalResult run(Value loss, int64_t accumulate) {
    SmallVector<Operation *> forward;
    for (Operation &op : block.without_terminator())
      forward.push_back(&op);
    Location loc = loss.getLoc();
    gradients[loss] = SeedOp::create(builder, loc, loss.getType(), accumulate);
    for (Operation *op : llvm::reverse(forward))
      if (isa<aten::AtenOpInterface>(op) && failed(differentiate(op)))
        return failure();
    return success();
  }

  /// The gradient of parameter `name`, or null.
  Value gradientOf(StringRef name) const {
    auto read = reads.find(name);
    return read == reads.end() ? Value() : gradients.lookup(read->second);
  }

private:
  LogicalResult differentiate(Operation *op) {
    SmallVector<Value> arrived = llvm::map_to_vector(
        op->getResults(), [&](Value result) { return gradients.lookup(result); });
    SmallVector<bool> wanted = llvm::map_to_vector(
        op->getOperands(), [&](Value operand) { return activity.isActive(operand); });
    if (llvm::none_of(arrived, [](Value v) { return bool(v); }) ||
        !llvm::is_contained(wanted, true))
      return success();
    const VjpRule *rule = lookupVjp(op);
    if (!rule)
      return op->emitError()
             << op->getName()
             << " has no derivative: detach its operands, or write it with other ops";
    if (rule->kind == VjpKind::Composite)
      return op->emitError() << op->getName()
                             << " is composite: run regimen-decompose-composites first";
    if (rule->kind == VjpKind::NoGradient)
      return success();
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      wanted[i] = wanted[i] && isDifferentiable(*rule, op, i);
    if (failed(checkResults(op, arrived)))
      return failure();

    VjpContext context(builder, op, arrived, wanted);
    rule->function(context);
    return propagate(op, wanted, context.cotangents());
  }

  /// Only ops that give pieces have rules for the gradients of further results.
  LogicalResult checkResults(Operation *op, ArrayRef<Value> arrived) {
    if (op->hasTrait<aten::ViewLike>())
      return success();
    for (size_t i = 1; i < arrived.size(); ++i)
      if (arrived[i])
        return op->emitError() << op->getName() << " has no derivative of its result " << i;
    return success();
  }

  LogicalResult propagate(Operation *op, ArrayRef<bool> wanted, ArrayRef<Value> cotangents) {
    // All are reduced to their operand's type before any is added, as the engine does.
    AtenBuilder aten(builder, op->getLoc());
    SmallVector<Value> reduced(cotangents);
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      if (!wanted[i])
        continue;
      RankedTensorType type = typeOf(operand);
      if (!reduced[i] && type.getNumElements() == 0)
        continue;
      if (!reduced[i])
        return op->emitError() << op->getName() << " has no derivative of operand " << i;
      reduced[i] = aten.to(aten.sumTo(reduced[i], type.getShape()), type.getElementType());
      if (reduced[i].getType() != type)
        return op->emitError() << "the gradient of operand " << i << " of " << op->getName()
                               << " has type " << reduced[i].getType() << " instead of " << type;
    }
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      if (wanted[i] && reduced[i])
        accumulate(aten, operand, reduced[i]);
    return success();
  }

  void accumulate(AtenBuilder &aten, Value value, Value contribution) {
    // A parameter has one gradient however often it is read.
    if (auto read = value.getDefiningOp<ReadOp>())
      value = reads.lookup(read.getSymbol());
    Value &gradient = gradients[value];
    gradient = gradient ? aten.add(gradient, contribution) : contribution;
  }

  Block &block;
  const ActivityAnalysis &activity;
  OpBuilder builder;
  llvm::DenseMap<Value, Value> gradients;
  /// The first read of each symbol.
  llvm::StringMap<Value> reads;
};

struct DifferentiatePass : passes::impl::DifferentiatePassBase<DifferentiatePass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    ProgramOp program = findForward(module);
    if (!program || failed(checkLoss(program)))
      return signalPassFailure();

    ActivityAnalysis activity(program, symbols);
    Value loss = program.getBody().front().getTerminator()->getOperand(*program.getLoss());
    Backward backward(program, activity);
    if (activity.isActive(loss) && failed(backward.run(loss, accumulate)))
      return signalPassFailure();

    OpBuilder builder(program);
    llvm::MapVector<GradientOp, Value> gradients;
    for (auto parameter : module.getOps<ParameterOp>())
      if (Value value = backward.gradientOf(parameter.getSymName()))
        gradients[GradientOp::create(builder, parameter.getLoc(),
                                     gradientName(parameter.getSymName()), parameter.getSymName(),
                                     parameter.getType())] = value;

    program.setRole(Role::MicroStep);
    if (accumulate > 1) {
      builder.setInsertionPointAfter(program);
      IRMapping mapping;
      auto later = cast<ProgramOp>(builder.clone(*program, mapping));
      later.setSymName("micro_step_later");
      later.setContribution(Contribution::Later);
      for (auto [gradient, value] : gradients)
        writeGradient(gradient, mapping.lookup(value), true);
    }
    program.setSymName("micro_step_first");
    program.setContribution(Contribution::First);
    for (auto [gradient, value] : gradients)
      writeGradient(gradient, value, false);
  }

private:
  ProgramOp findForward(ModuleOp module) {
    ProgramOp forward;
    for (auto program : module.getOps<ProgramOp>()) {
      if (program.getRole() != Role::Forward)
        continue;
      if (forward) {
        program.emitError() << "is a second forward program; a module has one";
        return {};
      }
      forward = program;
    }
    if (!forward)
      emitError(module.getLoc()) << "the module has no forward program to differentiate";
    return forward;
  }

  LogicalResult checkLoss(ProgramOp program) {
    if (!program.getLoss())
      return program.emitError() << "names no loss among its outputs";
    Value loss = program.getBody().front().getTerminator()->getOperand(*program.getLoss());
    RankedTensorType type = typeOf(loss);
    if (type.getNumElements() != 1 || !isa<FloatType>(type.getElementType()))
      return program.emitError()
             << "the loss, output " << *program.getLoss() << ", has type " << type
             << "; it must be one floating-point number. Reduce it in the model, "
                "or choose another output with the key 'loss'";
    return success();
  }

  /// Writes `value`, or the sum of the old gradient and it, as soon as it is complete.
  static void writeGradient(GradientOp gradient, Value value, bool add) {
    OpBuilder builder(value.getContext());
    builder.setInsertionPointAfterValue(value);
    Location loc = value.getLoc();
    if (add) {
      Value old = ReadOp::create(builder, loc, gradient.getTensorType(), gradient.getSymName());
      value = AtenBuilder(builder, loc).add(old, value);
    }
    WriteOp::create(builder, loc, value, gradient.getSymName());
  }
};

} // namespace
