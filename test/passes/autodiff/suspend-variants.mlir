// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"both","backward":[{"outputs":[1],"inputs":[0],"parameters":["a"],"gradients":"returned","retain":true}]}}},regimen-split-at-suspension)' | FileCheck %s

// A variant on demand: the gradient of the second output for the argument and one parameter, handed to the caller. The
// driven program stays.
train.parameter @a : tensor<4xf32> trainable
train.parameter @b : tensor<4xf32> trainable
train.program @forward forward inputs ["x"] outputs ["loss", "h"] loss 0 {
^bb0(%x: tensor<4xf32>):
  %a = train.read @a : tensor<4xf32>
  %b = train.read @b : tensor<4xf32>
  %h = aten.mul.Tensor(%x, %a) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %z = aten.mul.Tensor(%h, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %loss = aten.sum(%z) : (tensor<4xf32>) -> tensor<f32>
  train.return %loss, %h : tensor<f32>, tensor<4xf32>
}

// CHECK-LABEL: train.program @backward0 micro_step segment(backward)
// CHECK-SAME: inputs ["h:grad", "x"] takes [#train.port<output_gradient 1>, #train.port<argument 0>]
// CHECK-SAME: outputs ["x:grad", "a:grad"] gives [#train.port<argument_gradient 0>, #train.port<parameter_gradient 0>]
// CHECK-SAME: variant <outputs[1]arguments[0]parameters[0]gradients[0]retain true>
// CHECK: ^bb0(%[[G:.*]]: tensor<4xf32>, %[[X:.*]]: tensor<4xf32>):
// CHECK-DAG: %[[A:.*]] = train.read @a
// CHECK-DAG: aten.mul.Tensor(%[[G]], %[[X]])
// CHECK-DAG: aten.mul.Tensor(%[[G]], %[[A]])
// CHECK-NOT: @b
// CHECK: train.return
// CHECK: train.program @whole forward
