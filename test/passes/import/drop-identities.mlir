// RUN: regimen-opt %s --pass-pipeline='builtin.module(train.program(regimen-drop-identities,regimen-drop-dead-code))' | FileCheck %s

// Aliases and plain clones of dense tensors go, through views that permute.
// CHECK-LABEL: train.program @dropped
// CHECK-NOT: aten.alias
// CHECK-NOT: aten.clone
// CHECK: [[T:%.+]] = aten.t(
// CHECK-NEXT: aten.sum([[T]])
train.program @dropped forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<2x3xf32>):
  %a = aten.alias(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %t = aten.t(%a) : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %c = aten.clone(%t) : (tensor<3x2xf32>) -> tensor<3x2xf32>
  %p = aten.clone(%c) {memory_format = 1 : i64} : (tensor<3x2xf32>) -> tensor<3x2xf32>
  %loss = aten.sum(%p) : (tensor<3x2xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// A clone to a memory format moves elements, and one of an expanded or sliced tensor makes it dense.
// CHECK-LABEL: train.program @layout
// CHECK-COUNT-3: aten.clone
train.program @layout forward inputs ["x", "y", "z"] outputs ["a", "b", "c", "loss"] loss 3 {
^bb0(%x: tensor<2x3xf32>, %y: tensor<1x3xf32>, %z: tensor<4x3xf32>):
  %t = aten.t(%x) : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %a = aten.clone(%t) {memory_format = 0 : i64} : (tensor<3x2xf32>) -> tensor<3x2xf32>
  %e = aten.expand(%y) {size = array<i64: 2, 3>} : (tensor<1x3xf32>) -> tensor<2x3xf32>
  %b = aten.clone(%e) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %s = aten.slice.Tensor(%z) {dim = 1 : i64, start = 1 : i64} : (tensor<4x3xf32>) -> tensor<4x2xf32>
  %c = aten.clone(%s) : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %loss = aten.sum(%a) : (tensor<3x2xf32>) -> tensor<f32>
  train.return %a, %b, %c, %loss : tensor<3x2xf32>, tensor<2x3xf32>, tensor<4x2xf32>, tensor<f32>
}

// With three uses the sum of the gradients would get another order.
// CHECK-LABEL: train.program @several_uses
// CHECK: aten.clone
train.program @several_uses forward inputs ["x"] outputs ["a", "b", "loss"] loss 2 {
^bb0(%x: tensor<2xf32>):
  %c = aten.clone(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %a = aten.tanh(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = aten.exp(%c) : (tensor<2xf32>) -> tensor<2xf32>
  %loss = aten.sum(%x) : (tensor<2xf32>) -> tensor<f32>
  train.return %a, %b, %loss : tensor<2xf32>, tensor<2xf32>, tensor<f32>
}

// Integers have no gradients.
// CHECK-LABEL: train.program @integers
// CHECK-NOT: aten.clone
train.program @integers forward inputs ["i", "x"] outputs ["a", "b", "loss"] loss 2 {
^bb0(%i: tensor<2xi64>, %x: tensor<f32>):
  %c = aten.clone(%i) : (tensor<2xi64>) -> tensor<2xi64>
  %n = aten.neg(%i) : (tensor<2xi64>) -> tensor<2xi64>
  train.return %c, %n, %x : tensor<2xi64>, tensor<2xi64>, tensor<f32>
}

// CHECK-LABEL: train.program @detach
// CHECK: aten.detach
train.program @detach forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<2xf32>):
  %d = aten.detach(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %loss = aten.sum(%d) : (tensor<2xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// Dead reads and chains of dead ops go; writes stay.
train.parameter @w : tensor<2xf32> trainable
train.buffer @n : tensor<i64> persistent
// CHECK-LABEL: train.program @dead
// CHECK-NOT: train.read @w
// CHECK-NOT: aten.exp
// CHECK: [[N:%.+]] = train.read @n
// CHECK: train.write [[N]], @n
train.program @dead forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  %w = train.read @w : tensor<2xf32>
  %e = aten.exp(%w) : (tensor<2xf32>) -> tensor<2xf32>
  %s = aten.sum(%e) : (tensor<2xf32>) -> tensor<f32>
  %n = train.read @n : tensor<i64>
  train.write %n, @n : tensor<i64>
  train.return %x : tensor<f32>
}
