// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-derive-evaluation)' --split-input-file --verify-diagnostics

train.buffer @ema : tensor<2xf32> persistent
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<2xf32>):
  %old = train.read @ema : tensor<2xf32>
  // expected-error @below {{the loss depends on what the training graph writes to buffer "ema", so its evaluation cannot be derived from that graph; give the graph of the model in evaluation mode with --eval EVAL.pt2}}
  %new = aten.add.Tensor(%old, %x) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %loss = aten.sum(%new) : (tensor<2xf32>) -> tensor<f32>
  train.write %new, @ema : tensor<2xf32>
  train.return %loss : tensor<f32>
}

// -----

train.buffer @mean : tensor<2xf32> persistent
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<3x2xf32>):
  %mean = train.read @mean : tensor<2xf32>
  // expected-error @below {{the model uses the statistics of a batch norm's batch, so its evaluation cannot be derived}}
  %y:5 = aten._native_batch_norm_legit_functional(%x, none, none, %mean, %mean) {training = true, momentum = 0.1, eps = 1.0e-5} : (tensor<3x2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<3x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)
  %loss = aten.sum(%y#1) : (tensor<2xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// expected-error @below {{names no loss among its outputs}}
train.program @forward forward inputs ["x"] outputs ["x"] {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// -----

// expected-error @below {{the module has no forward program to differentiate}}
module {}
