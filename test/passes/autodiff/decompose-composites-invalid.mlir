// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-decompose-composites)' --split-input-file --verify-diagnostics

train.program @dropout forward inputs ["x"] outputs ["y"] {
^bb0(%x: tensor<4x3xf32>):
  // expected-error @+1 {{dropout with p = }}
  %y = aten.dropout(%x) {p = 0.1 : f64, train = true} : (tensor<4x3xf32>) -> tensor<4x3xf32>
  train.return %y : tensor<4x3xf32>
}

// -----

train.program @smoothed_weights forward inputs ["x", "labels", "w"] outputs ["y"] {
^bb0(%x: tensor<4x3xf32>, %labels: tensor<4xi64>, %w: tensor<3xf32>):
  // expected-error @+1 {{class weights in cross_entropy_loss are not supported with class probabilities or label smoothing}}
  %y = aten.cross_entropy_loss(%x, %labels, %w) {label_smoothing = 0.1 : f64} : (tensor<4x3xf32>, tensor<4xi64>, tensor<3xf32>) -> tensor<f32>
  train.return %y : tensor<f32>
}

// -----

train.program @attention_dropout forward inputs ["q"] outputs ["y"] {
^bb0(%q: tensor<1x2x4x8xf32>):
  // expected-error @+1 {{dropout in scaled_dot_product_attention is not supported}}
  %y = aten.scaled_dot_product_attention(%q, %q, %q) {dropout_p = 0.1 : f64}
    : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
  train.return %y : tensor<1x2x4x8xf32>
}

// -----

train.program @pad_mode forward inputs ["x"] outputs ["y"] {
^bb0(%x: tensor<2x3x4xf32>):
  // expected-error @+1 {{aten.pad with mode 'circular' of 1 axes of a tensor of rank 3 is not supported}}
  %y = aten.pad(%x) {pad = array<i64: 1, 1>, mode = "circular"} : (tensor<2x3x4xf32>) -> tensor<2x3x6xf32>
  train.return %y : tensor<2x3x6xf32>
}

// -----

train.program @einsum_diagonal forward inputs ["x"] outputs ["y"] {
^bb0(%x: tensor<3x3xf32>):
  // expected-error @+1 {{aten.einsum 'ii->i' is not supported}}
  %y = aten.einsum([%x]) {equation = "ii->i"} : (tensor<3x3xf32>) -> tensor<3xf32>
  train.return %y : tensor<3xf32>
}

// -----

train.program @einsum_one_sided forward inputs ["x", "z"] outputs ["y"] {
^bb0(%x: tensor<3x4xf32>, %z: tensor<5xf32>):
  // expected-error @+1 {{aten.einsum 'ij,k->ik' sums label 'j' of one operand only}}
  %y = aten.einsum([%x, %z]) {equation = "ij,k->ik"} : (tensor<3x4xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  train.return %y : tensor<3x5xf32>
}

// -----

train.program @sparse_bag forward inputs ["w", "i", "o"] outputs ["y"] {
^bb0(%w: tensor<5x3xf32>, %i: tensor<6xi64>, %o: tensor<2xi64>):
  // expected-error @+1 {{embedding_bag with sparse gradients is not supported}}
  %y:4 = aten.embedding_bag.padding_idx(%w, %i, %o) {scale_grad_by_freq = false, mode = 0 : i64, sparse = true, include_last_offset = false}
    : (tensor<5x3xf32>, tensor<6xi64>, tensor<2xi64>) -> (tensor<2x3xf32>, tensor<0xi64>, tensor<2xi64>, tensor<2xi64>)
  train.return %y#0 : tensor<2x3xf32>
}

// -----

train.program @causal_rank forward inputs ["q"] outputs ["y"] {
^bb0(%q: tensor<2x4x8xf32>):
  // expected-error @+1 {{scaled_dot_product_attention that is causal or of groups needs operands of rank 4}}
  %y = aten.scaled_dot_product_attention(%q, %q, %q) {is_causal = true}
    : (tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  train.return %y : tensor<2x4x8xf32>
}

// -----

train.program @lstm_dropout forward inputs ["x", "h", "i", "r"] outputs ["y"] {
^bb0(%x: tensor<5x2x4xf32>, %h: tensor<2x2x4xf32>, %i: tensor<16x4xf32>, %r: tensor<16x4xf32>):
  // expected-error @+1 {{LSTM with dropout is not supported: export the model with dropout 0}}
  %y:3 = aten.lstm.input(%x, [%h, %h], [%i, %r, %i, %r]) {has_biases = false, num_layers = 2 : i64, dropout = 0.1 : f64, train = true, bidirectional = false, batch_first = false}
    : (tensor<5x2x4xf32>, tensor<2x2x4xf32>, tensor<2x2x4xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16x4xf32>) -> (tensor<5x2x4xf32>, tensor<2x2x4xf32>, tensor<2x2x4xf32>)
  train.return %y#0 : tensor<5x2x4xf32>
}

// -----

train.program @lstm_projection forward inputs ["x", "h", "c", "i", "r", "p"] outputs ["y"] {
^bb0(%x: tensor<5x2x3xf32>, %h: tensor<1x2x2xf32>, %c: tensor<1x2x4xf32>, %i: tensor<16x3xf32>, %r: tensor<16x2xf32>, %p: tensor<2x4xf32>):
  // expected-error @+1 {{LSTM with proj_size is not supported: apply a linear layer to its output}}
  %y:3 = aten.lstm.input(%x, [%h, %c], [%i, %r, %p]) {has_biases = false, num_layers = 1 : i64, dropout = 0.0 : f64, train = true, bidirectional = false, batch_first = false}
    : (tensor<5x2x3xf32>, tensor<1x2x2xf32>, tensor<1x2x4xf32>, tensor<16x3xf32>, tensor<16x2xf32>, tensor<2x4xf32>) -> (tensor<5x2x2xf32>, tensor<1x2x2xf32>, tensor<1x2x4xf32>)
  train.return %y#0 : tensor<5x2x2xf32>
}
