// RUN: regimen-opt %s --split-input-file --verify-diagnostics

func.func @rank(%a: tensor<2x3xf32>, %b: tensor<4x3x1x1xf32>) {
  // expected-error @+2 {{weight [4, 3, 1, 1] does not fit input [2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.conv2d(%a, %b) : (tensor<2x3xf32>, tensor<4x3x1x1xf32>) -> (tensor<2x4xf32>)
  return
}

// -----

func.func @channels(%a: tensor<1x2x5x5xf32>, %b: tensor<4x3x1x1xf32>) {
  // expected-error @+2 {{input [1, 2, 5, 5] has 2 channels, weight [4, 3, 1, 1] with 1 groups wants 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.conv2d(%a, %b) : (tensor<1x2x5x5xf32>, tensor<4x3x1x1xf32>) -> (tensor<1x4x5x5xf32>)
  return
}

// -----

func.func @bias(%a: tensor<1x3x5x5xf32>, %b: tensor<4x3x1x1xf32>, %c: tensor<3xf32>) {
  // expected-error @+2 {{the bias must have shape [4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.conv2d(%a, %b, %c) : (tensor<1x3x5x5xf32>, tensor<4x3x1x1xf32>, tensor<3xf32>) -> (tensor<1x4x5x5xf32>)
  return
}

// -----

func.func @axes(%a: tensor<1x3x5x5xf32>, %b: tensor<4x3x1x1xf32>) {
  // expected-error @+2 {{'stride' has 3 values for 2 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.conv2d(%a, %b) {stride = array<i64: 1, 1, 1>} : (tensor<1x3x5x5xf32>, tensor<4x3x1x1xf32>) -> (tensor<1x4x5x5xf32>)
  return
}

// -----

func.func @stride(%a: tensor<1x3x5x5xf32>, %b: tensor<4x3x1x1xf32>) {
  // expected-error @+2 {{strides and dilations must be positive}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.conv2d(%a, %b) {stride = array<i64: 0, 1>} : (tensor<1x3x5x5xf32>, tensor<4x3x1x1xf32>) -> (tensor<1x4x5x5xf32>)
  return
}

// -----

func.func @kernel(%a: tensor<1x3x5x5xf32>, %b: tensor<4x3x7x1xf32>) {
  // expected-error @+2 {{the kernel is larger than the padded input [1, 3, 5, 5]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.conv2d(%a, %b) : (tensor<1x3x5x5xf32>, tensor<4x3x7x1xf32>) -> (tensor<1x4x5x5xf32>)
  return
}

// -----

func.func @backward_mask(%a: tensor<1x4x5x5xf32>, %b: tensor<1x3x5x5xf32>, %c: tensor<4x3x1x1xf32>) {
  // expected-error @+2 {{'output_mask' must have 3 values}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = aten.convolution_backward(%a, %b, %c) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilation = array<i64: 1, 1>, transposed = false, output_padding = array<i64: 0, 0>, groups = 1 : i64, output_mask = array<i1: true>} : (tensor<1x4x5x5xf32>, tensor<1x3x5x5xf32>, tensor<4x3x1x1xf32>) -> (tensor<1x3x5x5xf32>, tensor<4x3x1x1xf32>, tensor<4xf32>)
  return
}

// -----

func.func @backward_weight(%a: tensor<1x4x5x5xf32>, %b: tensor<1x3x5x5xf32>, %c: tensor<4x3xf32>) {
  // expected-error @+2 {{weight [4, 3] has too few dimensions}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = aten.convolution_backward(%a, %b, %c) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilation = array<i64: 1, 1>, transposed = false, output_padding = array<i64: 0, 0>, groups = 1 : i64, output_mask = array<i1: true, true, true>} : (tensor<1x4x5x5xf32>, tensor<1x3x5x5xf32>, tensor<4x3xf32>) -> (tensor<1x3x5x5xf32>, tensor<4x3xf32>, tensor<4xf32>)
  return
}

// -----

func.func @pool_rank(%a: tensor<4x4xf32>) {
  // expected-error @+2 {{takes 3 or 4 dimensions, got [4, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.max_pool2d(%a) {kernel_size = array<i64: 2, 2>} : (tensor<4x4xf32>) -> (tensor<2x2xf32>)
  return
}

// -----

func.func @pool_stride(%a: tensor<1x4x4xf32>) {
  // expected-error @+2 {{kernel sizes, strides and dilations must be positive}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.max_pool2d(%a) {kernel_size = array<i64: 2, 2>, stride = array<i64: 0, 1>} : (tensor<1x4x4xf32>) -> (tensor<1x2x2xf32>)
  return
}

// -----

func.func @pool_window(%a: tensor<1x4x4xf32>) {
  // expected-error @+2 {{the window is larger than the padded input [1, 4, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.avg_pool2d(%a) {kernel_size = array<i64: 8, 8>} : (tensor<1x4x4xf32>) -> (tensor<1x1x1xf32>)
  return
}

// -----

func.func @adaptive_pool_rank(%a: tensor<4x4xf32>) {
  // expected-error @+2 {{takes 3 or 4 dimensions, got [4, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.adaptive_avg_pool2d(%a) {output_size = array<i64: 2, 2>} : (tensor<4x4xf32>) -> (tensor<2x2xf32>)
  return
}
