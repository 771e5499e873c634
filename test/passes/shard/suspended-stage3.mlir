// RUN: regimen-opt %s --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"python"}}},regimen-split-at-suspension,regimen-form-buckets{dp=2 zero-stage=3},regimen-reduce-gradients,regimen-gather-parameters,regimen-verify-shard)' | FileCheck %s

// A frame holds no gathered parameter: the backward reads parameters again, remakes their views, and gathers for itself.
// Nothing is in flight, or gathered, between the segments.
train.parameter @w : tensor<4x2xf32> trainable
train.parameter @s : tensor<4x2xf32> trainable
train.program @forward forward inputs ["x"] outputs ["loss", "w"] loss 0 {
^bb0(%x: tensor<3x4xf32>):
  %w = train.read @w : tensor<4x2xf32>
  %s = train.read @s : tensor<4x2xf32>
  %wt = aten.t(%w) : (tensor<4x2xf32>) -> tensor<2x4xf32>
  %st = aten.t(%s) : (tensor<4x2xf32>) -> tensor<2x4xf32>
  %e = aten.exp(%st) : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %p = aten.mul.Tensor(%wt, %e) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %pt = aten.t(%p) : (tensor<2x4xf32>) -> tensor<4x2xf32>
  %h = aten.tanh(%x) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %y = aten.mm(%h, %pt) : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  %loss = aten.sum(%y) : (tensor<3x2xf32>) -> tensor<f32>
  train.return %loss, %w : tensor<f32>, tensor<4x2xf32>
}

// CHECK-LABEL: train.program @inference
// CHECK: %[[I:.*]] = dist.start all_gather @bucket0
// CHECK-NEXT: dist.wait %[[I]]
// CHECK-NOT: dist.start
// CHECK: dist.release @bucket0
// CHECK-NEXT: train.return

// h, p and e: no parameter and no view of one.
// CHECK-COUNT-3: train.saved
// CHECK-NOT: train.saved
// CHECK-LABEL: train.program @forward
// CHECK: %[[F:.*]] = dist.start all_gather @bucket0
// CHECK-NEXT: dist.wait %[[F]]
// CHECK-NOT: dist.start
// CHECK: %[[E:.*]] = aten.exp
// CHECK-NEXT: train.write %[[E]], @saved2
// CHECK-NEXT: %[[PR:.*]] = aten.mul.Tensor
// CHECK-NEXT: train.write %[[PR]], @saved1
// CHECK: %[[H:.*]] = aten.tanh
// CHECK-NEXT: train.write %[[H]], @saved0
// CHECK: dist.release @bucket0
// CHECK-NEXT: train.return

// CHECK-LABEL: train.program @backward0
// CHECK: %[[B:.*]] = dist.start all_gather @bucket0
// CHECK-NEXT: dist.wait %[[B]]
// CHECK-NEXT: %[[W:.*]] = train.read @w
// CHECK-NEXT: aten.t(%[[W]])
// CHECK-NOT: all_gather
// CHECK: dist.release @bucket0
// CHECK: dist.start reduce_scatter @bucket0{{$}}

// CHECK-LABEL: train.program @backward1
// CHECK: dist.start all_gather @bucket0
// CHECK-NOT: train.accumulate
// CHECK: dist.start reduce_scatter @bucket0 accumulate
