// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-decompose-composites)' --split-input-file --verify-diagnostics

train.program @dropout forward inputs ["x"] outputs ["y"] {
^bb0(%x: tensor<4x3xf32>):
  // expected-error @+1 {{dropout with p = }}
  %y = aten.dropout(%x) {p = 0.1 : f64, train = true} : (tensor<4x3xf32>) -> tensor<4x3xf32>
  train.return %y : tensor<4x3xf32>
}

// -----

train.program @smoothing forward inputs ["x", "labels"] outputs ["y"] {
^bb0(%x: tensor<4x3xf32>, %labels: tensor<4xi64>):
  // expected-error @+1 {{label smoothing in cross_entropy_loss is not supported: set it to 0}}
  %y = aten.cross_entropy_loss(%x, %labels) {label_smoothing = 0.1 : f64} : (tensor<4x3xf32>, tensor<4xi64>) -> tensor<f32>
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
