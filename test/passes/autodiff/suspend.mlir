// RUN: regimen-opt %s --split-input-file --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"python"}}})' | FileCheck %s
// RUN: regimen-opt %s --split-input-file --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"python"}}},regimen-split-at-suspension,regimen-verify-autodiff)' | FileCheck %s --check-prefix=SPLIT

// The usual variants: the loss brings a gradient, every parameter gets one.
train.parameter @w : tensor<4xf32> trainable
train.parameter @frozen : tensor<4xf32>
// CHECK: train.gradient @"w:grad" of @w
// CHECK-NOT: frozen:grad
train.program @forward forward inputs ["x", "n"] outputs ["loss", "y", "n"] loss 0 {
^bb0(%x: tensor<4xf32>, %n: tensor<4xi64>):
  %w = train.read @w : tensor<4xf32>
  %f = train.read @frozen : tensor<4xf32>
  %y = aten.mul.Tensor(%x, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %e = aten.exp(%y) : (tensor<4xf32>) -> tensor<4xf32>
  %z = aten.mul.Tensor(%e, %f) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %loss = aten.sum(%z) : (tensor<4xf32>) -> tensor<f32>
  train.return %loss, %y, %n : tensor<f32>, tensor<4xf32>, tensor<4xi64>
}

// CHECK: train.program @inference evaluation inputs ["x", "n"] takes [#train.port<argument 0>, #train.port<argument 1>] outputs ["loss", "y", "n"] gives [#train.port<output 0>, #train.port<output 1>, #train.port<output 2>]
// CHECK-NOT: train.suspend

// The forward has the fullest backward: gradients of both floating-point outputs, for the argument too.
// CHECK: train.program @forward micro_step segment(forward)
// CHECK-SAME: gives [#train.port<output 0>, #train.port<output 1>, #train.port<output 2>, #train.port<argument_gradient 0>, #train.port<parameter_gradient 0>]
// CHECK-SAME: dependences [#train.depends<arguments[0]parameters[0]>, #train.depends<arguments[0]parameters[0]>, #train.depends<>
// CHECK: train.suspend [0, 1](%{{.*}}, %{{.*}}) : (tensor<f32>, tensor<4xf32>) -> (tensor<f32>, tensor<4xf32>)

// CHECK: train.program @backward0 micro_step contribution(first) segment(backward)
// CHECK-SAME: variant <outputs[0]parameters[0]gradients[0]>
// CHECK: train.suspend [0](
// CHECK: train.write %{{.*}}, @"w:grad"
// CHECK: train.program @backward1 micro_step contribution(later)
// CHECK: train.accumulate %{{.*}}, @"w:grad" group 0
// CHECK-NOT: train.program @forward forward

// y is the model's output, so the caller keeps it, and x is the caller's already: what is left to save is exp(y).
// SPLIT: train.saved @saved0 : tensor<4xf32>
// SPLIT-NOT: train.saved
// SPLIT: train.program @forward {{.*}} outputs ["loss", "y", "n"] gives
// SPLIT-SAME: keeps [#train.port<argument 0>]
// SPLIT: %[[E:.*]] = aten.exp
// SPLIT-NEXT: train.write %[[E]], @saved0
// SPLIT-NOT: train.suspend
// SPLIT: train.return %{{.*}}, %{{.*}}, %{{.*}} : tensor<f32>, tensor<4xf32>, tensor<4xi64>

// SPLIT: train.program @backward0 {{.*}} inputs ["loss:grad", "x"] takes [#train.port<output_gradient 0>, #train.port<argument 0>] outputs [] gives []
// SPLIT: ^bb0(%[[G:.*]]: tensor<f32>, %[[X:.*]]: tensor<4xf32>):
// SPLIT-DAG: train.read @frozen
// SPLIT-DAG: train.read @saved0
// SPLIT: train.write %{{.*}}, @"w:grad"
