// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-derive-evaluation)' --split-input-file | FileCheck %s

// Running statistics, no dropout, no updates; the forward stays as it is.
train.parameter @w : tensor<2xf32> trainable
train.buffer @mean : tensor<2xf32> persistent
train.buffer @var : tensor<2xf32> persistent
train.buffer @batches : tensor<i64> persistent
// CHECK-LABEL: train.program @forward
// CHECK: aten._native_batch_norm_legit_functional
// CHECK: aten.dropout
// CHECK: train.write
// CHECK-LABEL: train.program @evaluation evaluation inputs ["x"] outputs ["loss"] loss 0
// CHECK: ^bb0(%[[X:.*]]: tensor<3x2xf32>):
// CHECK: %[[W:.*]] = train.read @w
// CHECK: %[[MEAN:.*]] = train.read @mean
// CHECK: %[[VAR:.*]] = train.read @var
// CHECK: %[[Y:.*]], %{{.*}}, %{{.*}} = aten._native_batch_norm_legit_no_training(%[[X]], %[[W]], none, %[[MEAN]], %[[VAR]])
// CHECK-SAME: eps = 1.000000e-05 : f64, momentum = 1.000000e-01 : f64
// CHECK-NOT: functional
// CHECK-NOT: dropout
// CHECK-NOT: train.write
// CHECK: aten.sum(%[[Y]])
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<3x2xf32>):
  %w = train.read @w : tensor<2xf32>
  %mean = train.read @mean : tensor<2xf32>
  %var = train.read @var : tensor<2xf32>
  %n = train.read @batches : tensor<i64>
  %one = arith.constant 1 : i64
  %next = aten.add.Scalar(%n, %one) : (tensor<i64>, i64) -> tensor<i64>
  %y:5 = aten._native_batch_norm_legit_functional(%x, %w, none, %mean, %var) {training = true, momentum = 0.1, eps = 1.0e-5} : (tensor<3x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<3x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)
  %d = aten.dropout(%y#0) {p = 0.5, train = true} : (tensor<3x2xf32>) -> tensor<3x2xf32>
  %loss = aten.sum(%d) : (tensor<3x2xf32>) -> tensor<f32>
  train.write %y#3, @mean : tensor<2xf32>
  train.write %y#4, @var : tensor<2xf32>
  train.write %next, @batches : tensor<i64>
  train.return %loss : tensor<f32>
}

// -----

// Dropout inside attention.
// CHECK-LABEL: train.program @evaluation
// CHECK: aten.scaled_dot_product_attention
// CHECK-NOT: dropout_p
// CHECK: train.return
train.program @forward forward inputs ["q"] outputs ["loss"] loss 0 {
^bb0(%q: tensor<1x2x4x8xf32>):
  %y = aten.scaled_dot_product_attention(%q, %q, %q) {dropout_p = 0.1} : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
  %loss = aten.sum(%y) : (tensor<1x2x4x8xf32>) -> tensor<f32>
  train.return %loss : tensor<f32>
}

// -----

// One that was exported on its own stays the only one.
// CHECK-LABEL: train.program @forward
// CHECK: train.program @own evaluation
// CHECK-NOT: train.program @evaluation evaluation
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}
train.program @own evaluation inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// -----

// A queue that the loss reads before the update: evaluation takes it as it is. A name that is taken gets another.
train.buffer @evaluation : tensor<2xf32> persistent
// CHECK-LABEL: train.program @evaluation_0
// CHECK: train.read @evaluation
// CHECK-NOT: train.write
// CHECK: train.return
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<2xf32>):
  %queue = train.read @evaluation : tensor<2xf32>
  %y = aten.mul.Tensor(%x, %queue) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %loss = aten.sum(%y) : (tensor<2xf32>) -> tensor<f32>
  %new = aten.neg(%x) : (tensor<2xf32>) -> tensor<2xf32>
  train.write %new, @evaluation : tensor<2xf32>
  train.return %loss : tensor<f32>
}
