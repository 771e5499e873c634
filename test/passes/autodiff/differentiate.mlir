// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-differentiate{accumulate=2},regimen-verify-autodiff)' --split-input-file | FileCheck %s

// Contributions to one value are added in the order in which autograd's engine meets them: latest op first. Frozen and
// unused parameters get no gradient, and inputs no gradient ops.
train.parameter @w : tensor<3xf32> trainable
train.parameter @frozen : tensor<3xf32>
train.parameter @unused : tensor<3xf32> trainable
// CHECK: train.gradient @"w:grad" of @w : tensor<3xf32>
// CHECK-NOT: train.gradient
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<2x3xf32>):
  %w = train.read @w : tensor<3xf32>
  %f = train.read @frozen : tensor<3xf32>
  %u = train.read @unused : tensor<3xf32>
  %a = aten.mul.Tensor(%x, %w) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %b = aten.mul.Tensor(%a, %f) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %c = aten.add.Tensor(%b, %w) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %loss = aten.sum(%c) : (tensor<2x3xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}
// CHECK: train.program @micro_step_first
// CHECK-SAME: contribution(
// CHECK-SAME: first)
// CHECK: %[[W:.*]] = train.read @w
// CHECK: %[[F:.*]] = train.read @frozen
// CHECK: %[[SEED:.*]] = train.seed accumulate 2 : tensor<f32>
// CHECK-NEXT: %[[G:.*]] = aten.expand(%[[SEED]])
// CHECK-NEXT: %[[SUM:.*]] = aten.sum.dim_IntList(%[[G]]) {dim = array<i64: 0>, keepdim = true}
// CHECK-NEXT: %[[FROM_ADD:.*]] = aten.view(%[[SUM]])
// CHECK-NEXT: %[[G2:.*]] = aten.mul.Tensor(%[[G]], %[[F]])
// CHECK-NEXT: %[[G3:.*]] = aten.mul.Tensor(%[[G2]], %{{.*}})
// CHECK-NEXT: %[[SUM2:.*]] = aten.sum.dim_IntList(%[[G3]])
// CHECK-NEXT: %[[FROM_MUL:.*]] = aten.view(%[[SUM2]])
// CHECK-NEXT: %[[DW:.*]] = aten.add.Tensor(%[[FROM_ADD]], %[[FROM_MUL]])
// CHECK-NEXT: train.write %[[DW]], @"w:grad"
// CHECK-NEXT: train.return

// CHECK: train.program @micro_step_later
// CHECK: %[[OLD:.*]] = train.read @"w:grad"
// CHECK-NEXT: %[[NEW:.*]] = aten.add.Tensor(%[[OLD]], %{{.*}})
// CHECK-NEXT: train.write %[[NEW]], @"w:grad"
// CHECK-NOT: @forward

// -----

// The gradient of a transposed matrix is computed transposed, as PyTorch does by its strides; detach stops.
train.parameter @w : tensor<4x3xf32> trainable
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<2x3xf32>):
  %w = train.read @w : tensor<4x3xf32>
  %t = aten.t(%w) : (tensor<4x3xf32>) -> tensor<3x4xf32>
  %y = aten.mm(%x, %t) : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  %d = aten.detach(%y) : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %z = aten.mul.Tensor(%y, %d) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %loss = aten.sum(%z) : (tensor<2x4xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}
// CHECK: train.program @micro_step_first
// CHECK: %[[G:.*]] = aten.expand
// CHECK-NEXT: %[[DY:.*]] = aten.mul.Tensor(%[[G]], %{{.*}})
// CHECK-NEXT: %[[T:.*]] = aten.t(%[[DY]])
// CHECK-NEXT: %[[M:.*]] = aten.mm(%[[T]], %{{.*}}) : (tensor<4x2xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
// CHECK-NEXT: %[[MT:.*]] = aten.t(%[[M]])
// CHECK-NEXT: %[[DW:.*]] = aten.t(%[[MT]])
// CHECK-NEXT: train.write %[[DW]]
