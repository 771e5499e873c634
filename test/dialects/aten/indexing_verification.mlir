// RUN: regimen-opt %s --split-input-file --verify-diagnostics

func.func @embedding_weight(%a: tensor<2xf32>, %b: tensor<3xi64>) {
  // expected-error @+2 {{the weight must have 2 dimensions, got [2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.embedding(%a, %b) : (tensor<2xf32>, tensor<3xi64>) -> (tensor<3x2xf32>)
  return
}

// -----

func.func @embedding_indices(%a: tensor<2x4xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{indices must be of dtype i64 or i32}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.embedding(%a, %b) : (tensor<2x4xf32>, tensor<3xf32>) -> (tensor<3x4xf32>)
  return
}

// -----

func.func @embedding_gradient(%a: tensor<f32>, %b: tensor<i64>) {
  // expected-error @+2 {{the gradient must have dimensions}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.embedding_dense_backward(%a, %b) {num_weights = 2 : i64, padding_idx = -1 : i64, scale_grad_by_freq = false} : (tensor<f32>, tensor<i64>) -> (tensor<2x1xf32>)
  return
}

// -----

func.func @gather_dtype(%a: tensor<2xf32>, %b: tensor<2xf32>) {
  // expected-error @+2 {{the index must be of dtype i64 or i32}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.gather(%a, %b) {dim = 0 : i64} : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
  return
}

// -----

func.func @gather_rank(%a: tensor<2xf32>, %b: tensor<2x1xi64>) {
  // expected-error @+2 {{the index must have as many dimensions as [2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.gather(%a, %b) {dim = 0 : i64} : (tensor<2xf32>, tensor<2x1xi64>) -> (tensor<2x1xf32>)
  return
}

// -----

func.func @index_present(%a: tensor<2x3xf32>, %b: tensor<2xi64>) {
  // expected-error @+2 {{'indices_present' must be true once for each index}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.index.Tensor(%a, [%b]) {indices_present = array<i1: true, true>} : (tensor<2x3xf32>, tensor<2xi64>) -> (tensor<2xf32>)
  return
}

// -----

func.func @index_too_many(%a: tensor<2xf32>, %b: tensor<2xi64>, %c: tensor<2xi64>) {
  // expected-error @+2 {{too many indices for [2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.index.Tensor(%a, [%b, %c]) {indices_present = array<i1: true, true>} : (tensor<2xf32>, tensor<2xi64>, tensor<2xi64>) -> (tensor<2xf32>)
  return
}

// -----

func.func @index_bool(%a: tensor<2xf32>, %b: tensor<2xi1>) {
  // expected-error @+2 {{a bool index selects a number of elements that depends on data; rewrite the model with torch.where or masked_fill}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.index.Tensor(%a, [%b]) {indices_present = array<i1: true>} : (tensor<2xf32>, tensor<2xi1>) -> (tensor<2xf32>)
  return
}

// -----

func.func @index_dtype(%a: tensor<2xf32>, %b: tensor<2xf32>) {
  // expected-error @+2 {{indices must be of dtype i64 or i32}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.index.Tensor(%a, [%b]) {indices_present = array<i1: true>} : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
  return
}

// -----

func.func @index_put_values(%a: tensor<2x3xf32>, %b: tensor<4xi64>, %c: tensor<5x3xf32>) {
  // expected-error @+2 {{do not broadcast}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.index_put(%a, [%b], %c) {indices_present = array<i1: true>} : (tensor<2x3xf32>, tensor<4xi64>, tensor<5x3xf32>) -> (tensor<2x3xf32>)
  return
}

// -----

func.func @index_put_dtype(%a: tensor<2x3xf32>, %b: tensor<4xi64>, %c: tensor<4x3xi64>) {
  // expected-error @+2 {{values of [4, 3] do not fit the selection [4, 3] of the same dtype}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.index_put(%a, [%b], %c) {indices_present = array<i1: true>} : (tensor<2x3xf32>, tensor<4xi64>, tensor<4x3xi64>) -> (tensor<2x3xf32>)
  return
}

// -----

func.func @index_select(%a: tensor<2xf32>, %b: tensor<2x2xi64>) {
  // expected-error @+2 {{the index must have at most 1 dimension and dtype i64 or i32}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.index_select(%a, %b) {dim = 0 : i64} : (tensor<2xf32>, tensor<2x2xi64>) -> (tensor<4xf32>)
  return
}
