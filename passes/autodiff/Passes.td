//===- Passes.td - The autodiff stage -------------------------------------===//

#ifndef REGIMEN_PASSES_AUTODIFF_PASSES
#define REGIMEN_PASSES_AUTODIFF_PASSES

include "mlir/Pass/PassBase.td"

def DecomposeCompositesPass : Pass<"regimen-decompose-composites", "::mlir::ModuleOp"> {
  let summary = "Replaces composite ops by the ops that PyTorch's autograd runs";
  let description = [{
    What an exported graph keeps whole (linear, layer_norm, cross_entropy_loss, scaled_dot_product_attention, ...) is not
    what PyTorch differentiates. This pass applies PyTorch's own decompositions, op for op.

    ```mlir
    %y = aten.linear(%x, %w, %b) : (tensor<16x32xf32>, tensor<64x32xf32>, tensor<64xf32>) -> tensor<16x64xf32>
    // becomes
    %t = aten.t(%w) : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %y = aten.addmm(%b, %x, %t) : (tensor<64xf32>, tensor<16x32xf32>, tensor<32x64xf32>) -> tensor<16x64xf32>
    ```
  }];
  let dependentDialects = ["::regimen::aten::AtenDialect", "::mlir::arith::ArithDialect"];
}

def DifferentiatePass : Pass<"regimen-differentiate", "::mlir::ModuleOp"> {
  let summary = "Turns @forward into micro-steps: forward, backward and accumulation";
  let description = [{
    Walks @forward backwards from its loss with the gradient table. @micro_step_first writes the gradients,
    @micro_step_later (with accumulate > 1) adds to them. A parameter gets a `train.gradient` if it is trainable and the
    loss depends on it. Contributions to one value are added in the order in which autograd's engine does.
  }];
  let options = [
    Option<"accumulate", "accumulate", "int64_t", "1", "Micro-steps of a step: the loss's gradient is 1 / accumulate">];
  let dependentDialects = [
    "::regimen::aten::AtenDialect", "::regimen::train::TrainDialect", "::mlir::arith::ArithDialect"];
}

def BuildUpdatePass : Pass<"regimen-build-update", "::mlir::ModuleOp"> {
  let summary = "Writes the optimizer as the program @update";
  let options = [Option<"config", "config", "std::string", "\"{}\"", "Configuration, as JSON">];
  let dependentDialects = [
    "::regimen::aten::AtenDialect", "::regimen::train::TrainDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect"];
}

def VerifyAutodiffPass : Pass<"regimen-verify-autodiff", "::mlir::ModuleOp"> {
  let summary = "Proves what autodiff promises of the whole module";
  let description = [{
    1. There is one gradient a trainable parameter that the loss depends on, and none for others.
    2. Each micro-step writes each gradient exactly once; a later one adds to it.
    3. Every path from the loss's seed to a gradient carries exactly one `train.seed`: the factor 1 / accumulate enters
       once. The proof needs every op on the way to be linear in what depends on the seed.
  }];
}

#endif // REGIMEN_PASSES_AUTODIFF_PASSES
