// RUN: regimen-opt %s --split-input-file --verify-diagnostics

func.func @normalized_shape(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{input [2, 3] does not end in normalized_shape [4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.layer_norm(%a) {normalized_shape = array<i64: 4>} : (tensor<2x3xf32>) -> (tensor<2x3xf32>)
  return
}

// -----

func.func @layer_norm_weight(%a: tensor<2x3xf32>, %b: tensor<2xf32>) {
  // expected-error @+2 {{'weight' [2] differs from normalized_shape [3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.layer_norm(%a, %b) {normalized_shape = array<i64: 3>} : (tensor<2x3xf32>, tensor<2xf32>) -> (tensor<2x3xf32>)
  return
}

// -----

func.func @layer_norm_mask(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>, %c: tensor<2x1xf32>, %d: tensor<2x1xf32>) {
  // expected-error @+2 {{'output_mask' must have 3 values}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = aten.native_layer_norm_backward(%a, %b, %c, %d) {normalized_shape = array<i64: 3>, output_mask = array<i1>} : (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x1xf32>, tensor<2x1xf32>) -> (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>)
  return
}

// -----

func.func @group_norm(%a: tensor<2x3x4xf32>) {
  // expected-error @+2 {{N, C, HxW and group do not fit input [2, 3, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = aten.native_group_norm(%a) {N = 2 : i64, C = 3 : i64, HxW = 4 : i64, group = 2 : i64, eps = 1.0e-05 : f64} : (tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x2xf32>, tensor<2x2xf32>)
  return
}

// -----

func.func @reduction(%a: tensor<2xf32>, %b: tensor<2xf32>) {
  // expected-error @+2 {{reduction must be 0 (none), 1 (mean) or 2 (sum), got 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.mse_loss(%a, %b) {reduction = 3 : i64} : (tensor<2xf32>, tensor<2xf32>) -> (tensor<f32>)
  return
}

// -----

func.func @cross_entropy_target(%a: tensor<2x3xf32>, %b: tensor<3xi64>) {
  // expected-error @+2 {{target [3] does not fit logits [2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.cross_entropy_loss(%a, %b) : (tensor<2x3xf32>, tensor<3xi64>) -> (tensor<f32>)
  return
}

// -----

func.func @cross_entropy_logits(%a: tensor<f32>, %b: tensor<i64>) {
  // expected-error @+2 {{logits need a class dimension}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.cross_entropy_loss(%a, %b) : (tensor<f32>, tensor<i64>) -> (tensor<f32>)
  return
}

// -----

func.func @nll_loss_target(%a: tensor<2x3xf32>, %b: tensor<3xi64>) {
  // expected-error @+2 {{target [3] does not fit log-probabilities [2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:2 = aten.nll_loss_forward(%a, %b) {reduction = 1 : i64, ignore_index = -100 : i64} : (tensor<2x3xf32>, tensor<3xi64>) -> (tensor<f32>, tensor<f32>)
  return
}

// -----

func.func @lstm_states(%x: tensor<5x2x3xf32>, %h: tensor<1x2x4xf32>, %w: tensor<16x3xf32>, %r: tensor<16x4xf32>) {
  // expected-error @+2 {{needs a hidden and a cell state}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = aten.lstm.input(%x, [%h], [%w, %r]) {has_biases = false, num_layers = 1 : i64, dropout = 0.0 : f64, train = true, bidirectional = false, batch_first = false}
    : (tensor<5x2x3xf32>, tensor<1x2x4xf32>, tensor<16x3xf32>, tensor<16x4xf32>) -> (tensor<5x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>)
  return
}

// -----

func.func @lstm_layers(%x: tensor<5x2x3xf32>, %h: tensor<1x2x4xf32>, %w: tensor<16x3xf32>, %r: tensor<16x4xf32>) {
  // expected-error @+2 {{input [5, 2, 3] and state [1, 2, 4] do not fit}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = aten.lstm.input(%x, [%h, %h], [%w, %r]) {has_biases = false, num_layers = 1 : i64, dropout = 0.0 : f64, train = true, bidirectional = true, batch_first = false}
    : (tensor<5x2x3xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<16x3xf32>, tensor<16x4xf32>) -> (tensor<5x2x8xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>)
  return
}
