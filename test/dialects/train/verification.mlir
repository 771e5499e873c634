// RUN: regimen-opt %s --split-input-file --verify-diagnostics

train.program @read_of_nothing forward inputs [] outputs [] {
  // expected-error @+1 {{names @missing, which is no parameter, buffer, gradient or state}}
  %0 = train.read @missing : tensor<f32>
  train.return
}

// -----

train.program @f forward inputs [] outputs [] {
  // expected-error @+1 {{names @f, which is no parameter, buffer, gradient or state}}
  %0 = train.read @f : tensor<f32>
  train.return
}

// -----

train.parameter @w : tensor<2xf32>
train.program @read_of_another_type forward inputs [] outputs [] {
  // expected-error @+1 {{has type 'tensor<3xf32>', but @w is 'tensor<2xf32>'}}
  %0 = train.read @w : tensor<3xf32>
  train.return
}

// -----

train.buffer @b : tensor<2xf32> persistent
train.program @write_of_another_type forward inputs ["x"] outputs [] {
^bb0(%x: tensor<2xf64>):
  // expected-error @+1 {{has type 'tensor<2xf64>', but @b is 'tensor<2xf32>'}}
  train.write %x, @b : tensor<2xf64>
  train.return
}

// -----

// expected-error @+1 {{has 1 block arguments for 0 inputs}}
train.program @inputs forward inputs [] outputs [] {
^bb0(%x: tensor<f32>):
  train.return
}

// -----

// expected-error @+1 {{returns 1 values for 0 outputs}}
train.program @outputs forward inputs ["x"] outputs [] {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// -----

// expected-error @+1 {{loss is output 1 of 1}}
train.program @loss forward inputs ["x"] outputs ["x"] loss 1 {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// -----

// expected-error @+1 {{grad_norm is output 0 of 0}}
train.program @grad_norm update inputs [] outputs [] grad_norm 0 {
  train.return
}

// -----

// expected-error @+1 {{must name its contribution exactly if it is a micro_step}}
train.program @contribution micro_step inputs [] outputs [] {
  train.return
}

// -----

// expected-error @+1 {{must name its contribution exactly if it is a micro_step}}
train.program @forward_contribution forward contribution(later) inputs [] outputs [] {
  train.return
}

// -----

// expected-error @+1 {{belongs to @w, which is no parameter}}
train.gradient @"w:grad" of @w : tensor<2xf32>

// -----

train.parameter @w : tensor<2xf32>
// expected-error @+1 {{has type 'tensor<3xf32>', but @w is 'tensor<2xf32>'}}
train.state @"w:exp_avg" of @w slot "exp_avg" : tensor<3xf32>

// -----

// expected-error @+1 {{has 1 entries in 'takes' for 2}}
train.program @p evaluation inputs ["x", "y"] takes [#train.port<argument 0>] outputs [] {
^bb0(%x: tensor<f32>, %y: tensor<f32>):
}

// -----

// expected-error @+1 {{must say which variant it is exactly if it is a backward or an update}}
train.program @p micro_step segment(backward) inputs [] takes [] outputs [] gives [] {
}

// -----

// expected-error @+1 {{is a segment, and must say what it takes and gives}}
train.program @p micro_step segment(forward) inputs [] outputs [] {
}

// -----

// expected-error @+1 {{is a segment, and must be a micro_step}}
train.program @p evaluation segment(forward) inputs [] takes [] outputs [] gives [] {
}

// -----

// expected-error @+1 {{must name its contribution exactly if it is a micro_step}}
train.program @p micro_step contribution(first) segment(forward) inputs [] takes [] outputs [] gives [] {
}

// -----

train.program @p micro_step segment(forward) inputs ["x"] takes [#train.port<argument 0>] outputs [] gives [] {
^bb0(%x: tensor<f32>):
  // expected-error @+1 {{needs one index and one gradient for each output}}
  %g = train.suspend [0, 1](%x) : (tensor<f32>) -> tensor<f32>
}

// -----

train.program @p micro_step segment(forward) inputs ["x"] takes [#train.port<argument 0>] outputs [] gives [] {
^bb0(%x: tensor<f32>):
  // expected-error @+1 {{gives a gradient of type 'tensor<2xf32>' for 'tensor<f32>'}}
  %g = train.suspend [0](%x) : (tensor<f32>) -> tensor<2xf32>
}

// -----

train.parameter @w : tensor<f32> trainable
train.program @p micro_step contribution(later) segment(backward) inputs ["x"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <> {
^bb0(%x: tensor<f32>):
  // expected-error @+1 {{names @w, which is no gradient}}
  train.accumulate %x, @w group 0 : tensor<f32>
}

// -----

// expected-error @+1 {{leaves contributions unreduced, but makes none}}
train.program @p micro_step segment(backward) inputs [] takes [] outputs [] gives [] variant <outputs[0]local true> {
}
