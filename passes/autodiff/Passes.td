//===- Passes.td - The autodiff stage -------------------------------------===//

#ifndef REGIMEN_PASSES_AUTODIFF_PASSES
#define REGIMEN_PASSES_AUTODIFF_PASSES

include "mlir/Pass/PassBase.td"

def DeriveEvaluationPass : Pass<"regimen-derive-evaluation", "::mlir::ModuleOp"> {
  let summary = "Copies @forward to @evaluation, as the model computes its loss in evaluation mode";
  let description = [{
    Dropout is off, batch norms take their running statistics, and no buffer is updated. What the graph cannot tell (the
    loss depends on an update of another kind) is an error. A module that has an evaluation program, from an export of its
    own, is left as it is.

    ```mlir
    %y:5 = aten._native_batch_norm_legit_functional(%x, %w, %b, %mean, %var) {training = true, ...}
    train.write %y#3, @"running_mean"
    // becomes
    %y:3 = aten._native_batch_norm_legit_no_training(%x, %w, %b, %mean, %var) {...}
    ```
  }];
  let dependentDialects = ["::regimen::aten::AtenDialect", "::regimen::train::TrainDialect"];
}

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

def SuspendPass : Pass<"regimen-suspend", "::mlir::ModuleOp"> {
  let summary = "Writes micro-steps that stop after the forward and go on with the caller's gradients";
  let description = [{
    With driver=python or both. Copies @forward to @inference, for callers that want no gradient; to @forward with the
    fullest backward behind its `train.suspend` (every output that can brings a gradient, every argument and parameter
    that can gets one); and to one program for each variant of the key `backward`. With driver=python @forward itself
    is then gone.

    ```mlir
    train.program @backward0 micro_step contribution(first) segment(backward) inputs ["x"] ... variant <outputs [0] ...> {
      ...                                                       // forward
      %g = train.suspend [0](%loss) : (tensor<f32>) -> tensor<f32>
      ...                                                       // backward
      train.write %dw, @"w:grad" : tensor<4x2xf32>
    }
    ```
  }];
  let options = [Option<"config", "config", "std::string", "\"{}\"", "Configuration, as JSON">];
  let dependentDialects = [
    "::regimen::aten::AtenDialect", "::regimen::train::TrainDialect", "::mlir::arith::ArithDialect"];
}

def SplitAtSuspensionPass : Pass<"regimen-split-at-suspension", "::mlir::ModuleOp"> {
  let summary = "Cuts suspended micro-steps into one forward and a program a backward";
  let description = [{
    The forward keeps what comes before the suspension and writes `train.saved` symbols: what the fullest backward needs
    and can get in no cheaper way. Backwards keep what comes behind it; they read parameters and constants again, remake
    views, and take arguments and outputs from the caller.
  }];
  let dependentDialects = ["::regimen::aten::AtenDialect", "::regimen::train::TrainDialect"];
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
