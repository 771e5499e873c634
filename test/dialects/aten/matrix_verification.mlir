// RUN: regimen-opt %s --split-input-file --verify-diagnostics

func.func @mm_shapes(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) {
  // expected-error @+2 {{cannot multiply [2, 3] and [2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.mm(%a, %b) : (tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<2x3xf32>)
  return
}

// -----

func.func @mm_dtypes(%a: tensor<2x3xf32>, %b: tensor<3x2xf64>) {
  // expected-error @+2 {{operands differ in dtype}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.mm(%a, %b) : (tensor<2x3xf32>, tensor<3x2xf64>) -> (tensor<2x2xf32>)
  return
}

// -----

func.func @bmm_batches(%a: tensor<2x2x3xf32>, %b: tensor<3x3x2xf32>) {
  // expected-error @+2 {{cannot multiply [2, 2, 3] and [3, 3, 2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.bmm(%a, %b) : (tensor<2x2x3xf32>, tensor<3x3x2xf32>) -> (tensor<2x2x2xf32>)
  return
}

// -----

func.func @addmm_self(%a: tensor<2x2x2xf32>, %b: tensor<2x3xf32>, %c: tensor<3x2xf32>) {
  // expected-error @+2 {{self [2, 2, 2] does not expand to [2, 2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.addmm(%a, %b, %c) : (tensor<2x2x2xf32>, tensor<2x3xf32>, tensor<3x2xf32>) -> (tensor<2x2xf32>)
  return
}

// -----

func.func @linear_weight(%a: tensor<2x3xf32>, %b: tensor<4x2xf32>) {
  // expected-error @+2 {{weight [4, 2] does not fit input [2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.linear(%a, %b) : (tensor<2x3xf32>, tensor<4x2xf32>) -> (tensor<2x4xf32>)
  return
}

// -----

func.func @linear_bias(%a: tensor<2x3xf32>, %b: tensor<4x3xf32>, %c: tensor<3xf32>) {
  // expected-error @+2 {{bias [3] does not fit weight [4, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.linear(%a, %b, %c) : (tensor<2x3xf32>, tensor<4x3xf32>, tensor<3xf32>) -> (tensor<2x4xf32>)
  return
}

// -----

func.func @matmul_scalars(%a: tensor<f32>, %b: tensor<f32>) {
  // expected-error @+2 {{both operands need at least 1 dimension}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.matmul(%a, %b) : (tensor<f32>, tensor<f32>) -> (tensor<f32>)
  return
}

// -----

func.func @matmul_shapes(%a: tensor<2x3xf32>, %b: tensor<2xf32>) {
  // expected-error @+2 {{cannot multiply [2, 3] and [2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.matmul(%a, %b) : (tensor<2x3xf32>, tensor<2xf32>) -> (tensor<2xf32>)
  return
}

// -----

func.func @attention(%a: tensor<2x4x8xf32>, %b: tensor<2x4x6xf32>, %c: tensor<2x4x8xf32>) {
  // expected-error @+2 {{query [2, 4, 8], key [2, 4, 6] and value [2, 4, 8] do not fit}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.scaled_dot_product_attention(%a, %b, %c) : (tensor<2x4x8xf32>, tensor<2x4x6xf32>, tensor<2x4x8xf32>) -> (tensor<2x4x8xf32>)
  return
}

// -----

func.func @flash_attention_rank(%a: tensor<2x4x8xf32>, %b: tensor<2x4x8xf32>, %c: tensor<2x4x8xf32>) {
  // expected-error @+2 {{query [2, 4, 8], key [2, 4, 8] and value [2, 4, 8] do not fit}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:2 = aten._scaled_dot_product_flash_attention_for_cpu(%a, %b, %c) : (tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>) -> (tensor<2x4x8xf32>, tensor<2x4xf32>)
  return
}

// -----

func.func @flash_attention_gradient(%a: tensor<1x1x4x8xf32>, %b: tensor<1x1x4x7xf32>, %c: tensor<1x1x4x7xf32>, %d: tensor<1x1x4x7xf32>, %e: tensor<1x1x4x7xf32>, %f: tensor<1x1x4xf32>) {
  // expected-error @+2 {{the gradient must have the output's type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = aten._scaled_dot_product_flash_attention_for_cpu_backward(%a, %b, %c, %d, %e, %f) {dropout_p = 0.0 : f64, is_causal = false} : (tensor<1x1x4x8xf32>, tensor<1x1x4x7xf32>, tensor<1x1x4x7xf32>, tensor<1x1x4x7xf32>, tensor<1x1x4x7xf32>, tensor<1x1x4xf32>) -> (tensor<1x1x4x7xf32>, tensor<1x1x4x7xf32>, tensor<1x1x4x7xf32>)
  return
}
