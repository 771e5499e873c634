//===- DecomposeComposites.cpp - To the ops that autograd runs ------------===//
#include "passes/autodiff/ActivityAnalysis.h"
#include "passes/autodiff/Passes.h"
#include "passes/autodiff/Vjp.h"
#include "passes/autodiff/composites/Composites.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace regimen::passes {
#define GEN_PASS_DEF_DECOMPOSECOMPOSITESPASS
#include "passes/autodiff/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

struct DecomposeCompositesPass
    : passes::impl::DecomposeCompositesPassBase<DecomposeCompositesPass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    RequiresGrad requiresGrad;
    for (auto program : module.getOps<train::ProgramOp>()) {
      // Evaluation is as under torch.no_grad().
      bool evaluation = program.getRole() == train::Role::Evaluation;
      DependenceAnalysis dependence(program, evaluation ? SmallVector<Value>()
                                                        : readsOfTrainable(program, symbols));
      for (Operation &op : program.getBody().front())
        if (isComposite(&op))
          requiresGrad[&op] = llvm::map_to_vector(
              op.getOperands(), [&](Value operand) { return dependence.requiresGrad(operand); });
    }

    RewritePatternSet patterns(&getContext());
    addMatrixPatterns(patterns, requiresGrad);
    addAttentionPatterns(patterns, requiresGrad);
    addConvolutionPatterns(patterns);
    addEinsumPatterns(patterns);
    addLossPatterns(patterns);
    addNormalizationPatterns(patterns);
    addPointwisePatterns(patterns);
    addRecurrentPatterns(patterns);
    addShapePatterns(patterns);
    walkAndApplyPatterns(module, std::move(patterns));

    // A pattern that gives up has said why.
    if (module
            .walk([](Operation *op) {
              return isComposite(op) ? WalkResult::interrupt() : WalkResult::advance();
            })
            .wasInterrupted())
      signalPassFailure();
  }

private:
  static bool isComposite(Operation *op) {
    const VjpRule *rule = lookupVjp(op);
    return rule && rule->kind == VjpKind::Composite;
  }
};

} // namespace
