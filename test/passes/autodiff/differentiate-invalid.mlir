// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-differentiate)' --split-input-file --verify-diagnostics

// expected-error @+1 {{names no loss among its outputs}}
train.program @forward forward inputs ["x"] outputs ["y"] {
^bb0(%x: tensor<3xf32>):
  train.return %x : tensor<3xf32>
}

// -----

// expected-error @+1 {{it must be one floating-point number}}
train.program @forward forward inputs ["x"] outputs ["y"] loss 0 {
^bb0(%x: tensor<3xf32>):
  train.return %x : tensor<3xf32>
}

// -----

train.parameter @w : tensor<4x3xf32> trainable
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<2x3xf32>):
  %w = train.read @w : tensor<4x3xf32>
  // expected-error @+1 {{is composite: run regimen-decompose-composites first}}
  %y = aten.linear(%x, %w) : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
  %loss = aten.sum(%y) : (tensor<2x4xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

train.parameter @w : tensor<3xf32> trainable
train.program @forward forward inputs [] outputs ["loss"] loss 0 {
  %w = train.read @w : tensor<3xf32>
  // expected-error @+1 {{aten.sgn has no derivative}}
  %y = aten.sgn(%w) : (tensor<3xf32>) -> tensor<3xf32>
  %loss = aten.sum(%y) : (tensor<3xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// A gradient that would be left out silently.
train.parameter @w : tensor<4xf32> trainable
train.program @forward forward inputs ["x", "t"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<2x4xf32>, %t: tensor<2xi64>):
  %w = train.read @w : tensor<4xf32>
  // expected-error @+1 {{aten.nll_loss_forward has no derivative of its argument 'weight', which depends on what wants a gradient}}
  %loss, %total = aten.nll_loss_forward(%x, %t, %w) {reduction = 1 : i64, ignore_index = -100 : i64} : (tensor<2x4xf32>, tensor<2xi64>, tensor<4xf32>) -> (tensor<f32>, tensor<f32>)
  train.return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{the module has no forward program to differentiate}}
module {}
