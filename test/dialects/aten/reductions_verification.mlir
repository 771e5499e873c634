// RUN: regimen-opt %s --split-input-file --verify-diagnostics

func.func @mean_of_integers(%a: tensor<2xi64>) {
  // expected-error @+2 {{needs a floating-point dtype}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.mean(%a) : (tensor<2xi64>) -> (tensor<i64>)
  return
}

// -----

func.func @softmax_of_integers(%a: tensor<2xi64>) {
  // expected-error @+2 {{needs a floating-point dtype}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.softmax.int(%a) {dim = 0 : i64} : (tensor<2xi64>) -> (tensor<2xi64>)
  return
}

// -----

func.func @diff_of_scalar(%a: tensor<f32>) {
  // expected-error @+2 {{needs a tensor with dimensions and an order n of at least 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.diff(%a) : (tensor<f32>) -> (tensor<f32>)
  return
}

// -----

func.func @diff_prepend(%a: tensor<2x3xf32>, %b: tensor<3x1xf32>) {
  // expected-error @+2 {{'prepend' [3, 1] does not join [2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.diff(%a, %b) {dim = 1 : i64} : (tensor<2x3xf32>, tensor<3x1xf32>) -> (tensor<2x3xf32>)
  return
}

// -----

func.func @softmax_backward(%a: tensor<2xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{gradient [2] and output [3] differ in shape}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten._softmax_backward_data(%a, %b) {dim = 0 : i64, input_dtype = f32} : (tensor<2xf32>, tensor<3xf32>) -> (tensor<2xf32>)
  return
}
