// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-verify-autodiff)' --split-input-file --verify-diagnostics

// A correct micro-step passes.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<f32>
  %loss = aten.mul.Tensor(%x, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %seed = train.seed accumulate 1 : tensor<f32>
  %dw = aten.mul.Tensor(%seed, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  train.write %dw, @"w:grad" : tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// The factor is missing.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<f32>
  %loss = aten.mul.Tensor(%x, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  // expected-error @+1 {{carries 0 seeds instead of 1}}
  train.write %x, @"w:grad" : tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// The factor enters twice.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<f32>
  %loss = aten.mul.Tensor(%x, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %seed = train.seed accumulate 4 : tensor<f32>
  %dw = aten.mul.Tensor(%seed, %seed) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  // expected-error @+1 {{carries 2 seeds instead of 1}}
  train.write %dw, @"w:grad" : tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// One path lacks the factor.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<f32>
  %loss = aten.mul.Tensor(%x, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %seed = train.seed accumulate 4 : tensor<f32>
  %one = aten.mul.Tensor(%seed, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  // expected-error @+1 {{adds values that carry 1 and 0 seeds}}
  %dw = aten.add.Tensor(%one, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  train.write %dw, @"w:grad" : tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// Not linear in the seed.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<f32>
  %loss = aten.mul.Tensor(%x, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %seed = train.seed accumulate 4 : tensor<f32>
  // expected-error @+1 {{aten.exp uses the loss's gradient, but is not known to be linear in it}}
  %dw = aten.exp(%seed) : (tensor<f32>) -> tensor<f32>
  train.write %dw, @"w:grad" : tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// A gradient is missing.
train.parameter @w : tensor<f32> trainable
// expected-error @+1 {{the loss depends on parameter @w, but it has no gradient}}
train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<f32>
  %loss = aten.mul.Tensor(%x, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// A frozen parameter has one.
train.parameter @w : tensor<f32>
// expected-error @+1 {{has a gradient, but the loss does not depend on it or it is not trainable}}
train.gradient @"w:grad" of @w : tensor<f32>
train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<f32>
  %loss = aten.mul.Tensor(%x, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// A later contribution that forgets the old gradient.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
// expected-error @+1 {{reads @w:grad 0 times instead of 1}}
train.program @micro_step_later micro_step contribution(later) inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<f32>
  %loss = aten.mul.Tensor(%x, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %seed = train.seed accumulate 4 : tensor<f32>
  %dw = aten.mul.Tensor(%seed, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  train.write %dw, @"w:grad" : tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// A caller's gradient carries its factor already: a seed beside it would be a second one.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
train.program @backward micro_step contribution(first) segment(backward) inputs ["g"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs [0] parameters [0] gradients [0]> {
^bb0(%g: tensor<f32>):
  // expected-error @+1 {{is in a program whose caller brings the gradients}}
  %seed = train.seed accumulate 1 : tensor<f32>
  %dw = aten.mul.Tensor(%g, %seed) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  train.write %dw, @"w:grad" : tensor<f32>
}

// -----

// An input's gradient is linear in what the caller brought.
train.program @backward micro_step segment(backward) inputs ["g"] takes [#train.port<output_gradient 0>] outputs ["x:grad"] gives [#train.port<argument_gradient 0>] variant <outputs [0] arguments [0]> {
^bb0(%g: tensor<f32>):
  %dx = aten.mul.Tensor(%g, %g) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  // expected-error @+1 {{output 0 carries 2 seeds instead of 1}}
  train.return %dx : tensor<f32>
}

// -----

// What is added to a gradient comes from a gradient.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
train.program @backward micro_step contribution(later) segment(backward) inputs ["g", "x"] takes [#train.port<output_gradient 0>, #train.port<argument 0>] outputs [] gives [] variant <outputs [0] parameters [0] gradients [0]> {
^bb0(%g: tensor<f32>, %x: tensor<f32>):
  // expected-error @+1 {{adds to @"w:grad" a value that carries 0 seeds instead of 1}}
  train.accumulate %x, @"w:grad" group 0 : tensor<f32>
}

// -----

// A variant names a gradient that it does not write.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
// expected-error @+1 {{writes @w:grad 0 times instead of 1}}
train.program @backward micro_step contribution(first) segment(backward) inputs ["g"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs [0] parameters [0] gradients [0]> {
^bb0(%g: tensor<f32>):
}

// -----

// It writes where its contribution says add.
train.parameter @w : tensor<f32> trainable
train.gradient @"w:grad" of @w : tensor<f32>
// expected-error @+1 {{writes @w:grad 1 times instead of 0}}
train.program @backward micro_step contribution(later) segment(backward) inputs ["g"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs [0] parameters [0] gradients [0]> {
^bb0(%g: tensor<f32>):
  train.write %g, @"w:grad" : tensor<f32>
}
