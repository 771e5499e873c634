// RUN: regimen-opt %s -regimen-offload-activations=least-bytes=64 | FileCheck %s

// %a leaves behind its last use in the forward and is back one use ahead; its view is made again. %b is needed too soon, and
// %small is small.
// CHECK-LABEL: train.program @step
train.program @step micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<4x4xf32>):
  // CHECK: %[[A:.*]] = aten.exp(%{{.*}}) : (tensor<4x4xf32>)
  // CHECK-NEXT: %[[AT:.*]] = aten.t(%[[A]])
  // CHECK-NEXT: %[[C:.*]] = aten.mm(%{{.*}}, %[[AT]])
  // CHECK-NEXT: %[[AH:.*]] = dist.move %[[A]] to host : tensor<4x4xf32>
  %a = aten.exp(%x) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %at = aten.t(%a) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %c = aten.mm(%x, %at) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %small = aten.sum(%c) : (tensor<4x4xf32>) -> tensor<f32>
  // CHECK: %[[D:.*]] = aten.exp(%[[C]])
  // CHECK-NEXT: %[[D1:.*]] = aten.exp(%[[D]])
  // CHECK-NEXT: %[[DH:.*]] = dist.move %[[D]] to host
  %d = aten.exp(%c) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = aten.exp(%d) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = aten.exp(%1) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = aten.exp(%2) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = aten.exp(%3) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %5 = aten.exp(%4) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %6 = aten.exp(%5) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %7 = aten.exp(%6) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %8 = aten.exp(%7) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %9 = aten.exp(%8) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %10 = aten.exp(%9) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %11 = aten.exp(%10) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %12 = aten.exp(%11) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %13 = aten.exp(%12) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %14 = aten.exp(%13) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %b = aten.exp(%14) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %loss = aten.sum(%b) : (tensor<4x4xf32>) -> tensor<f32>
  // CHECK: dist.moved %[[AH]]
  // CHECK-NEXT: dist.moved %[[DH]]
  // CHECK-NEXT: train.seed
  // CHECK-NEXT: %[[DB:.*]] = dist.move %[[DH]] to device
  %s = train.seed accumulate 1 : tensor<f32>
  // CHECK-NEXT: aten.mul.Tensor
  %e = aten.mul.Tensor(%b, %s) : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x4xf32>
  // CHECK-NEXT: %[[AB:.*]] = dist.move %[[AH]] to device
  // CHECK-NEXT: aten.mm(%{{.*}}, %[[DB]])
  %f = aten.mm(%e, %d) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  // CHECK-NEXT: %[[ABT:.*]] = aten.t(%[[AB]])
  // CHECK-NEXT: aten.mm(%{{.*}}, %[[ABT]])
  // CHECK-NEXT: aten.mm(%{{.*}}, %[[AB]])
  %g = aten.mm(%f, %at) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %h = aten.mm(%g, %a) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  train.write %h, @w : tensor<4x4xf32>
  train.return %loss : tensor<f32>
}
train.buffer @w : tensor<4x4xf32>
