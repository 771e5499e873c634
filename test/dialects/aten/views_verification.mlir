// RUN: regimen-opt %s --split-input-file --verify-diagnostics

func.func @dimension_out_of_range(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{aten::unsqueeze: dimension 4 of a tensor of rank 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.unsqueeze(%a) {dim = 4 : i64} : (tensor<2x3xf32>) -> (tensor<2x3x1xf32>)
  return
}

// -----

func.func @dimension_twice(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{dimension 0 appears twice}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.permute(%a) {dims = array<i64: 0, -2>} : (tensor<2x3xf32>) -> (tensor<2x3xf32>)
  return
}

// -----

func.func @two_open_sizes(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{size [-1, -1] may hold one -1 and no other negative number}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.view(%a) {size = array<i64: -1, -1>} : (tensor<2x3xf32>) -> (tensor<2x3xf32>)
  return
}

// -----

func.func @number_of_elements(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{size [4, 2] does not hold 6 elements}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.view(%a) {size = array<i64: 4, 2>} : (tensor<2x3xf32>) -> (tensor<4x2xf32>)
  return
}

// -----

func.func @open_size_does_not_divide(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{size [4, -1] does not hold 6 elements}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.view(%a) {size = array<i64: 4, -1>} : (tensor<2x3xf32>) -> (tensor<4x2xf32>)
  return
}

// -----

func.func @expand_rank(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{size [3] has fewer dimensions than [2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.expand(%a) {size = array<i64: 3>} : (tensor<2x3xf32>) -> (tensor<3xf32>)
  return
}

// -----

func.func @expand_size(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{cannot expand [2, 3] to [4, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.expand(%a) {size = array<i64: 4, 3>} : (tensor<2x3xf32>) -> (tensor<4x3xf32>)
  return
}

// -----

func.func @permute_names_all(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{'dims' must name every dimension}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.permute(%a) {dims = array<i64: 1>} : (tensor<2x3xf32>) -> (tensor<3xf32>)
  return
}

// -----

func.func @t_rank(%a: tensor<2x3x4xf32>) {
  // expected-error @+2 {{takes at most 2 dimensions, got [2, 3, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.t(%a) : (tensor<2x3x4xf32>) -> (tensor<4x3x2xf32>)
  return
}

// -----

func.func @select_index(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{index -4 of an axis of 3 elements}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.select.int(%a) {dim = 1 : i64, index = -4 : i64} : (tensor<2x3xf32>) -> (tensor<2xf32>)
  return
}

// -----

func.func @slice_scalar(%a: tensor<f32>) {
  // expected-error @+2 {{cannot slice a 0-d tensor}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.slice.Tensor(%a) : (tensor<f32>) -> (tensor<f32>)
  return
}

// -----

func.func @slice_step(%a: tensor<2xf32>) {
  // expected-error @+2 {{step must be positive, got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.slice.Tensor(%a) {step = 0 : i64} : (tensor<2xf32>) -> (tensor<2xf32>)
  return
}

// -----

func.func @split_scalar(%a: tensor<f32>) {
  // expected-error @+2 {{cannot split a 0-d tensor}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.split.Tensor(%a) {split_size = 1 : i64} : (tensor<f32>) -> (tensor<f32>)
  return
}

// -----

func.func @split_size(%a: tensor<2xf32>) {
  // expected-error @+2 {{split_size must be positive, got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.split.Tensor(%a) {split_size = 0 : i64} : (tensor<2xf32>) -> (tensor<2xf32>)
  return
}

// -----

func.func @split_sizes(%a: tensor<2xf32>) {
  // expected-error @+2 {{split_sizes [1, 2] do not add up to 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:2 = aten.split_with_sizes(%a) {split_sizes = array<i64: 1, 2>} : (tensor<2xf32>) -> (tensor<1xf32>, tensor<2xf32>)
  return
}

// -----

func.func @split_sizes_scalar(%a: tensor<f32>) {
  // expected-error @+2 {{cannot split a 0-d tensor}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.split_with_sizes(%a) {split_sizes = array<i64: 1>} : (tensor<f32>) -> (tensor<f32>)
  return
}

// -----

func.func @unbind_scalar(%a: tensor<f32>) {
  // expected-error @+2 {{cannot unbind a 0-d tensor}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.unbind.int(%a) : (tensor<f32>) -> (tensor<f32>)
  return
}
