// RUN: regimen-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(regimen-verify-import)'

// What import makes passes.
train.parameter @w : tensor<2xf32> trainable aliases ["v"]
train.buffer @n : tensor<2xf32> persistent
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<2xf32>):
  %w = train.read @w : tensor<2xf32>
  %y = aten.mul.Tensor(%x, %w) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %loss = aten.sum(%y) : (tensor<2xf32>) -> tensor<f32>
  train.write %y, @n : tensor<2xf32>
  train.return %loss : tensor<f32>
}

// -----

train.parameter @w : tensor<2xf32> trainable
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<2xf32>
  // expected-error @below {{a forward program may write only buffers}}
  train.write %w, @w : tensor<2xf32>
  train.return %x : tensor<f32>
}

// -----

train.buffer @n : tensor<f32> persistent
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  train.write %x, @n : tensor<f32>
  // expected-error @below {{writes a buffer for the second time}}
  train.write %x, @n : tensor<f32>
  train.return %x : tensor<f32>
}

// -----

train.buffer @n : tensor<f32> persistent
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  train.write %x, @n : tensor<f32>
  // expected-error @below {{reads a buffer after its update}}
  %n = train.read @n : tensor<f32>
  train.return %n : tensor<f32>
}

// -----

// expected-error @below {{has alias "v", which names something else too}}
train.parameter @w : tensor<2xf32> trainable aliases ["v", "v"]
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// -----

train.parameter @w : tensor<2xf32> trainable aliases ["v"]
// expected-error @below {{its name is an alias of another parameter}}
train.parameter @v : tensor<2xf32> trainable
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// -----

// expected-error @below {{only floating-point parameters can be trained}}
train.parameter @w : tensor<2xi64> trainable
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// -----

// A model whose caller brings the gradients needs no loss.
train.program @forward forward inputs ["x"] outputs ["y"] {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// -----

// expected-error @below {{has a loss of type 'tensor<2xf32>', which is no floating-point scalar}}
train.program @forward forward inputs ["x"] outputs ["y"] loss 0 {
^bb0(%x: tensor<2xf32>):
  train.return %x : tensor<2xf32>
}

// -----

// expected-error @below {{import leaves forward and evaluation programs only}}
train.program @update update inputs [] outputs [] {
  train.return
}

// -----

train.parameter @w : tensor<2xf32> trainable
// expected-error @below {{import leaves parameters, buffers and programs, not this}}
train.gradient @g of @w : tensor<2xf32>
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// -----

train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  // expected-error @below {{is no operator that import knows}}
  %s = train.seed accumulate 1 : tensor<f32>
  train.return %x : tensor<f32>
}

// -----

train.buffer @n : tensor<f32> persistent
train.program @evaluation evaluation inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  // expected-error @below {{evaluation changes no state}}
  train.write %x, @n : tensor<f32>
  train.return %x : tensor<f32>
}
