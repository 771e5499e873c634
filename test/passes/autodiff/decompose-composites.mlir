// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-decompose-composites)' --split-input-file | FileCheck %s

// A linear on a batch of sequences becomes one product of rows; the bias is in it.
train.parameter @w : tensor<5x4xf32> trainable
train.parameter @b : tensor<5xf32> trainable
// CHECK-LABEL: @linear_3d
train.program @linear_3d forward inputs ["x"] outputs ["y"] {
^bb0(%x: tensor<2x3x4xf32>):
  // CHECK: %[[W:.*]] = train.read @w
  // CHECK: %[[B:.*]] = train.read @b
  %w = train.read @w : tensor<5x4xf32>
  %b = train.read @b : tensor<5xf32>
  // CHECK: %[[ROWS:.*]] = aten.view(%{{.*}}) {size = array<i64: 6, 4>}
  // CHECK: %[[T:.*]] = aten.t(%[[W]])
  // CHECK: %[[PRODUCT:.*]] = aten.addmm(%[[B]], %[[ROWS]], %[[T]])
  // CHECK: aten.view(%[[PRODUCT]]) {size = array<i64: 2, 3, 5>}
  // CHECK-NOT: aten.linear
  %y = aten.linear(%x, %w, %b) : (tensor<2x3x4xf32>, tensor<5x4xf32>, tensor<5xf32>) -> tensor<2x3x5xf32>
  train.return %y : tensor<2x3x5xf32>
}

// -----

// Without bias it is torch.matmul, which folds because the weight requires a gradient.
train.parameter @w : tensor<5x4xf32> trainable
// CHECK-LABEL: @linear_no_bias
train.program @linear_no_bias forward inputs ["x"] outputs ["y"] {
^bb0(%x: tensor<2x3x4xf32>):
  %w = train.read @w : tensor<5x4xf32>
  // CHECK: %[[T:.*]] = aten.t
  // CHECK: %[[ROWS:.*]] = aten.view
  // CHECK: %[[PRODUCT:.*]] = aten.mm(%[[ROWS]], %[[T]])
  // CHECK: aten._unsafe_view(%[[PRODUCT]]) {size = array<i64: 2, 3, 5>}
  %y = aten.linear(%x, %w) : (tensor<2x3x4xf32>, tensor<5x4xf32>) -> tensor<2x3x5xf32>
  train.return %y : tensor<2x3x5xf32>
}

// -----

// CHECK-LABEL: @batched
train.program @batched forward inputs ["x", "y"] outputs ["z"] {
^bb0(%x: tensor<1x3x4xf32>, %y: tensor<2x4x5xf32>):
  // CHECK: %[[WIDE:.*]] = aten.expand(%{{.*}}) {size = array<i64: 2, 3, 4>}
  // CHECK: %[[X:.*]] = aten.view(%[[WIDE]])
  // CHECK: %[[Y:.*]] = aten.view
  // CHECK: %[[Z:.*]] = aten.bmm(%[[X]], %[[Y]])
  // CHECK: aten._unsafe_view(%[[Z]])
  %z = aten.matmul(%x, %y) : (tensor<1x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  train.return %z : tensor<2x3x5xf32>
}

// -----

// CHECK-LABEL: @loss
train.program @loss forward inputs ["logits", "labels"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<4x3xf32>, %labels: tensor<4xi64>):
  // CHECK: %[[LOG:.*]] = aten._log_softmax(%{{.*}}) {dim = 1 : i64, half_to_float = false}
  // CHECK: aten.nll_loss_forward(%[[LOG]], %{{.*}}) {ignore_index = -1 : i64, reduction = 1 : i64}
  %loss = aten.cross_entropy_loss(%x, %labels) {ignore_index = -1 : i64} : (tensor<4x3xf32>, tensor<4xi64>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// A boolean mask becomes what is added to the scores.
// CHECK-LABEL: @attention
train.program @attention forward inputs ["q", "k", "v", "mask"] outputs ["y"] {
^bb0(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x4x8xf32>, %v: tensor<1x2x4x8xf32>, %mask: tensor<1x1x4x4xi1>):
  // CHECK: %[[BLOCKED:.*]] = aten.scalar_tensor
  // CHECK: %[[OPEN:.*]] = aten.scalar_tensor
  // CHECK: %[[ADDED:.*]] = aten.where.self(%{{.*}}, %[[OPEN]], %[[BLOCKED]])
  // CHECK: aten._scaled_dot_product_flash_attention_for_cpu(%{{.*}}, %{{.*}}, %{{.*}}, %[[ADDED]]) {scale = 2.500000e-01 : f64}
  %y = aten.scaled_dot_product_attention(%q, %k, %v, %mask) {scale = 0.25 : f64}
    : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x1x4x4xi1>) -> tensor<1x2x4x8xf32>
  train.return %y : tensor<1x2x4x8xf32>
}
