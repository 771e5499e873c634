// RUN: regimen-opt %s --pass-pipeline='builtin.module(train.program(regimen-fold-constants))' | FileCheck %s
// RUN: regimen-opt %s --pass-pipeline='builtin.module(train.program(regimen-fold-constants{max-elements=8}))' | FileCheck %s --check-prefix=SMALL

// Positions fold through views; the constant stands at the start of the program.
// CHECK-LABEL: train.program @positions
// CHECK-NEXT: ^bb0
// CHECK-NEXT: [[P:%.+]] = aten.constant dense<{{\[\[}}0, 1, 2]]> : tensor<1x3xi64>
// CHECK-NOT: aten.arange
// CHECK: aten.embedding(%{{.+}}, [[P]])
train.program @positions forward inputs ["w"] outputs ["y", "loss"] loss 1 {
^bb0(%w: tensor<4x2xf32>):
  %end = arith.constant 3 : i64
  %p = aten.arange(%end) {dtype = i64} : (i64) -> tensor<3xi64>
  %u = aten.unsqueeze(%p) {dim = 0 : i64} : (tensor<3xi64>) -> tensor<1x3xi64>
  %y = aten.embedding(%w, %u) : (tensor<4x2xf32>, tensor<1x3xi64>) -> tensor<1x3x2xf32>
  %loss = aten.sum(%y) : (tensor<1x3x2xf32>) -> tensor<f32>
  train.return %y, %loss : tensor<1x3x2xf32>, tensor<f32>
}

// Equal constants are one.
// CHECK-LABEL: train.program @shared
// CHECK-COUNT-1: aten.constant
// CHECK-NOT: aten.constant
// CHECK: train.return [[C:%.+]], [[C]], %
train.program @shared forward inputs ["x"] outputs ["a", "b", "loss"] loss 2 {
^bb0(%x: tensor<f32>):
  %a = aten.constant dense<[1, 2]> : tensor<2xi64>
  %b = aten.constant dense<[0, 1]> : tensor<2xi64>
  %one = arith.constant 1 : i64
  %c = aten.add.Scalar(%b, %one) : (tensor<2xi64>, i64) -> tensor<2xi64>
  train.return %a, %c, %x : tensor<2xi64>, tensor<2xi64>, tensor<f32>
}

// An expand is a view: its operand is the constant.
// CHECK-LABEL: train.program @expanded
// CHECK: [[C:%.+]] = aten.constant dense<{{\[\[}}0, 1]]> : tensor<1x2xi64>
// CHECK: [[E:%.+]] = aten.expand([[C]])
// CHECK: train.return [[E]],
train.program @expanded forward inputs ["x"] outputs ["a", "loss"] loss 1 {
^bb0(%x: tensor<f32>):
  %end = arith.constant 2 : i64
  %p = aten.arange(%end) {dtype = i64} : (i64) -> tensor<2xi64>
  %u = aten.unsqueeze(%p) {dim = 0 : i64} : (tensor<2xi64>) -> tensor<1x2xi64>
  %e = aten.expand(%u) {size = array<i64: 3, -1>} : (tensor<1x2xi64>) -> tensor<3x2xi64>
  train.return %e, %x : tensor<3x2xi64>, tensor<f32>
}

// Float math is its kernels' business.
// CHECK-LABEL: train.program @float
// CHECK: aten.add.Scalar
// CHECK: aten._to_copy
train.program @float forward inputs ["x"] outputs ["a", "b", "loss"] loss 2 {
^bb0(%x: tensor<f32>):
  %half = arith.constant 0.5 : f64
  %a = aten.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = aten.add.Scalar(%a, %half) : (tensor<2xf32>, f64) -> tensor<2xf32>
  %c = aten.constant dense<[1, 2]> : tensor<2xi64>
  %d = aten._to_copy(%c) {dtype = f32} : (tensor<2xi64>) -> tensor<2xf32>
  train.return %b, %d, %x : tensor<2xf32>, tensor<2xf32>, tensor<f32>
}

// What depends on an input stays.
// CHECK-LABEL: train.program @input
// CHECK: aten.add.Tensor
train.program @input forward inputs ["i", "x"] outputs ["a", "loss"] loss 1 {
^bb0(%i: tensor<2xi64>, %x: tensor<f32>):
  %c = aten.constant dense<[1, 2]> : tensor<2xi64>
  %d = aten.add.Tensor(%i, %c) : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
  train.return %d, %x : tensor<2xi64>, tensor<f32>
}

// Large results fold as long as they do not outgrow their operands; a mask of two ranges does.
// CHECK-LABEL: train.program @outer
// CHECK: aten.constant {{.*}} tensor<2048x1xi64>
// CHECK: aten.le.Tensor
// SMALL-LABEL: train.program @outer
// SMALL: aten.le.Tensor
train.program @outer forward inputs ["x"] outputs ["a", "loss"] loss 1 {
^bb0(%x: tensor<f32>):
  %end = arith.constant 2048 : i64
  %p = aten.arange(%end) {dtype = i64} : (i64) -> tensor<2048xi64>
  %k = aten.unsqueeze(%p) {dim = 0 : i64} : (tensor<2048xi64>) -> tensor<1x2048xi64>
  %q = aten.unsqueeze(%p) {dim = 1 : i64} : (tensor<2048xi64>) -> tensor<2048x1xi64>
  %m = aten.le.Tensor(%k, %q) : (tensor<1x2048xi64>, tensor<2048x1xi64>) -> tensor<2048x2048xi1>
  train.return %m, %x : tensor<2048x2048xi1>, tensor<f32>
}
