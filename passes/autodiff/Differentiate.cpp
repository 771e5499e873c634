//===- Differentiate.cpp - The backward and the micro-steps ---------------===//
#include "passes/autodiff/Backward.h"
#include "passes/autodiff/Passes.h"

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
    if (activity.isActive(loss)) {
      backward.seed(loss,
                    SeedOp::create(backward.builder(), loss.getLoc(), loss.getType(), accumulate));
      if (failed(backward.run()))
        return signalPassFailure();
    }

    OpBuilder builder(program);
    llvm::MapVector<GradientOp, Value> gradients;
    for (auto parameter : module.getOps<ParameterOp>()) {
      Value value = backward.gradientOf(parameter.getSymName());
      std::string name = gradientName(parameter.getSymName());
      auto gradient = symbols.lookup<GradientOp>(name);
      if (gradient && !value) {
        parameter.emitError() << "parameter " << parameter.getSymNameAttr()
                              << " gets a gradient from an output that is not the loss, so "
                                 "regimen-run cannot train it: compile with driver=run and "
                                 "driver=python apart";
        return signalPassFailure();
      }
      if (value && !gradient)
        gradient = GradientOp::create(builder, parameter.getLoc(), name, parameter.getSymName(),
                                      parameter.getType());
      if (value)
        gradients[gradient] = value;
    }

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
