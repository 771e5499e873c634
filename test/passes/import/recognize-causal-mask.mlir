// RUN: regimen-opt %s --pass-pipeline='builtin.module(train.program(regimen-recognize-causal-mask))' | FileCheck %s

// CHECK-LABEL: train.program @causal
// CHECK: [[Q:%.+]]: tensor<2x4x3x8xf32>, [[K:%.+]]: tensor<2x4x3x8xf32>, [[V:%.+]]: tensor<2x4x3x8xf32>
// CHECK: aten.scaled_dot_product_attention([[Q]], [[K]], [[V]]) {is_causal = true, scale = 2.500000e-01 : f64}
train.program @causal forward inputs ["q", "k", "v"] outputs ["loss"] loss 0 {
^bb0(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x3x8xf32>, %v: tensor<2x4x3x8xf32>):
  %m = aten.constant dense<[[[[true, false, false], [true, true, false], [true, true, true]]]]> : tensor<1x1x3x3xi1>
  %e = aten.expand(%m) {size = array<i64: 2, -1, 3, 3>} : (tensor<1x1x3x3xi1>) -> tensor<2x1x3x3xi1>
  %o = aten.scaled_dot_product_attention(%q, %k, %v, %e) {scale = 2.5e-01 : f64} : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x1x3x3xi1>) -> tensor<2x4x3x8xf32>
  %loss = aten.sum(%o) : (tensor<2x4x3x8xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// The window of 2 lets query 2 not see key 0.
// CHECK-LABEL: train.program @sliding
// CHECK: aten.scaled_dot_product_attention({{.+}}, {{.+}}, {{.+}}, %
// CHECK-NOT: is_causal
train.program @sliding forward inputs ["q", "k", "v"] outputs ["loss"] loss 0 {
^bb0(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x3x8xf32>, %v: tensor<2x4x3x8xf32>):
  %m = aten.constant dense<[[[[true, false, false], [true, true, false], [false, true, true]]]]> : tensor<1x1x3x3xi1>
  %o = aten.scaled_dot_product_attention(%q, %k, %v, %m) : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<1x1x3x3xi1>) -> tensor<2x4x3x8xf32>
  %loss = aten.sum(%o) : (tensor<2x4x3x8xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// One batch differs from the others.
// CHECK-LABEL: train.program @one_batch
// CHECK-NOT: is_causal
train.program @one_batch forward inputs ["q", "k", "v"] outputs ["loss"] loss 0 {
^bb0(%q: tensor<2x4x2x8xf32>, %k: tensor<2x4x2x8xf32>, %v: tensor<2x4x2x8xf32>):
  %m = aten.constant dense<[[[[true, false], [true, true]]], [[[true, true], [true, true]]]]> : tensor<2x1x2x2xi1>
  %o = aten.scaled_dot_product_attention(%q, %k, %v, %m) : (tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x1x2x2xi1>) -> tensor<2x4x2x8xf32>
  %loss = aten.sum(%o) : (tensor<2x4x2x8xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// A padding mask is known only at run time.
// CHECK-LABEL: train.program @padded
// CHECK-NOT: is_causal
train.program @padded forward inputs ["q", "k", "v", "pad"] outputs ["loss"] loss 0 {
^bb0(%q: tensor<2x4x2x8xf32>, %k: tensor<2x4x2x8xf32>, %v: tensor<2x4x2x8xf32>, %pad: tensor<2x1x1x2xi1>):
  %m = aten.constant dense<[[[[true, false], [true, true]]]]> : tensor<1x1x2x2xi1>
  %a = aten.__and__.Tensor(%m, %pad) : (tensor<1x1x2x2xi1>, tensor<2x1x1x2xi1>) -> tensor<2x1x2x2xi1>
  %o = aten.scaled_dot_product_attention(%q, %k, %v, %a) : (tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x1x2x2xi1>) -> tensor<2x4x2x8xf32>
  %loss = aten.sum(%o) : (tensor<2x4x2x8xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// A mask of one row, broadcast over queries, is no matrix of queries and keys.
// CHECK-LABEL: train.program @one_row
// CHECK-NOT: is_causal
train.program @one_row forward inputs ["q", "k", "v"] outputs ["loss"] loss 0 {
^bb0(%q: tensor<2x4x2x8xf32>, %k: tensor<2x4x2x8xf32>, %v: tensor<2x4x2x8xf32>):
  %m = aten.constant dense<[[true, false]]> : tensor<1x2xi1>
  %o = aten.scaled_dot_product_attention(%q, %k, %v, %m) : (tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<1x2xi1>) -> tensor<2x4x2x8xf32>
  %loss = aten.sum(%o) : (tensor<2x4x2x8xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// With fewer queries than keys, is_causal would mean something else.
// CHECK-LABEL: train.program @cross
// CHECK-NOT: is_causal
train.program @cross forward inputs ["q", "k", "v"] outputs ["loss"] loss 0 {
^bb0(%q: tensor<2x4x2x8xf32>, %k: tensor<2x4x3x8xf32>, %v: tensor<2x4x3x8xf32>):
  %m = aten.constant dense<[[true, false, false], [true, true, false]]> : tensor<2x3xi1>
  %o = aten.scaled_dot_product_attention(%q, %k, %v, %m) : (tensor<2x4x2x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x3xi1>) -> tensor<2x4x2x8xf32>
  %loss = aten.sum(%o) : (tensor<2x4x2x8xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}
