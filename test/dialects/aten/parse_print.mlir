// RUN: regimen-opt %s | regimen-opt | FileCheck %s
// RUN: regimen-opt --mlir-print-op-generic %s | regimen-opt | FileCheck %s

// CHECK-LABEL: func.func @attributes
// CHECK-SAME: (%[[X:.*]]: tensor<2x3xf32>)
func.func @attributes(%x: tensor<2x3xf32>) -> tensor<3x2xf32> {
  // CHECK: aten.transpose.int(%[[X]]) {dim0 = 0 : i64, dim1 = -1 : i64} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %0 = aten.transpose.int(%x) {dim0 = 0 : i64, dim1 = -1 : i64} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return %0 : tensor<3x2xf32>
}

// Trailing arguments that are absent are not written.
// CHECK-LABEL: func.func @trailing_absent
func.func @trailing_absent(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>) {
  // CHECK: aten.linear(%{{.*}}, %{{.*}}) : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
  %0 = aten.linear(%x, %w, none) : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
  return
}

// An absent argument before a present one is `none`.
// CHECK-LABEL: func.func @inner_absent
func.func @inner_absent(%x: tensor<2x3xf32>, %b: tensor<3xf32>) {
  // CHECK: aten.layer_norm(%{{.*}}, none, %{{.*}}) {normalized_shape = array<i64: 3>} : (tensor<2x3xf32>, tensor<3xf32>)
  %0 = aten.layer_norm(%x, none, %b) {normalized_shape = array<i64: 3>} : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return
}

// CHECK-LABEL: func.func @scalars
func.func @scalars(%x: tensor<2xf32>) {
  // CHECK: %[[TWO:.*]] = arith.constant 2.0
  %two = arith.constant 2.0 : f64
  // CHECK: aten.clamp(%{{.*}}, none, %[[TWO]]) : (tensor<2xf32>, f64) -> tensor<2xf32>
  %0 = aten.clamp(%x, none, %two) : (tensor<2xf32>, f64) -> tensor<2xf32>
  return
}

// CHECK-LABEL: func.func @lists
func.func @lists(%x: tensor<2x3xf32>, %i: tensor<5xi64>) {
  // CHECK: aten.cat([%{{.*}}, %{{.*}}]) {dim = 1 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x6xf32>
  %0 = aten.cat([%x, %x]) {dim = 1 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x6xf32>
  // CHECK: aten.index.Tensor(%{{.*}}, [%{{.*}}]) {indices_present = array<i1: false, true>}
  %1 = aten.index.Tensor(%x, [%i]) {indices_present = array<i1: false, true>} : (tensor<2x3xf32>, tensor<5xi64>) -> tensor<2x5xf32>
  return
}

// CHECK-LABEL: func.func @many_results
func.func @many_results(%x: tensor<5xf32>) {
  // CHECK: %{{.*}}:3 = aten.split.Tensor(%{{.*}}) {split_size = 2 : i64} : (tensor<5xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<1xf32>)
  %0:3 = aten.split.Tensor(%x) {split_size = 2 : i64} : (tensor<5xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<1xf32>)
  return
}

// CHECK-LABEL: func.func @no_arguments
func.func @no_arguments() {
  // CHECK: aten.zeros() {dtype = i64, size = array<i64: 2>} : () -> tensor<2xi64>
  %0 = aten.zeros() {dtype = i64, size = array<i64: 2>} : () -> tensor<2xi64>
  // CHECK: aten.constant dense<[true, false]> : tensor<2xi1>
  %1 = aten.constant dense<[true, false]> : tensor<2xi1>
  return
}
