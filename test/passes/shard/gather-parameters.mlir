// RUN: regimen-opt %s -split-input-file -regimen-gather-parameters | FileCheck %s

// Gathered around the uses of each phase; the view that the backward takes from the forward is remade.
module {
  train.parameter @w : tensor<4x2xf32> trainable
  train.parameter @whole : tensor<2xf32> trainable
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  dist.bucket @kept parameters [@whole] offsets [0] elements 512 : f32 trainable zero 2
  train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
  ^bb0(%x: tensor<3x2xf32>):
    // CHECK: %[[WHOLE:.*]] = train.read @whole
    // CHECK-NOT: train.read @w :
    // CHECK: aten.relu
    // CHECK-NEXT: %[[P:.*]] = dist.start all_gather @bucket
    // CHECK-NEXT: dist.wait %[[P]]
    // CHECK-NEXT: %[[W:.*]] = train.read @w
    // CHECK-NEXT: %[[T:.*]] = aten.t(%[[W]])
    // CHECK-NEXT: aten.mm(%{{.*}}, %[[T]])
    // CHECK-NEXT: dist.release @bucket
    %w = train.read @w : tensor<4x2xf32>
    %t = aten.t(%w) : (tensor<4x2xf32>) -> tensor<2x4xf32>
    %whole = train.read @whole : tensor<2xf32>
    %h = aten.relu(%x) : (tensor<3x2xf32>) -> tensor<3x2xf32>
    %y = aten.mm(%h, %t) : (tensor<3x2xf32>, tensor<2x4xf32>) -> tensor<3x4xf32>
    // CHECK: train.seed
    %seed = train.seed accumulate 1 : tensor<f32>
    // CHECK: %[[Q:.*]] = dist.start all_gather @bucket
    // CHECK-NEXT: dist.wait %[[Q]]
    // CHECK-NEXT: %[[W2:.*]] = train.read @w
    // CHECK-NEXT: %[[T2:.*]] = aten.t(%[[W2]])
    // CHECK-NEXT: %[[U2:.*]] = aten.t(%[[T2]])
    // CHECK-NEXT: aten.mm(%{{.*}}, %[[U2]])
    // CHECK-NEXT: dist.release @bucket
    %u = aten.t(%t) : (tensor<2x4xf32>) -> tensor<4x2xf32>
    %dx = aten.mm(%y, %u) : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
    %loss = train.global_norm %dx : (tensor<3x2xf32>) -> tensor<f32>
    train.return %loss : tensor<f32>
  }
}

// -----

// Of results that are parameters the releases come behind every gather.
// CHECK-LABEL: module @results
module @results {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  dist.mesh @mesh [dp = 2]
  dist.bucket @b0 parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  dist.bucket @b1 parameters [@v] offsets [0] elements 512 : f32 trainable zero 3
  train.program @inference evaluation inputs [] outputs ["w", "v"] {
    // CHECK: dist.start all_gather @b0
    // CHECK: %[[W:.*]] = train.read @w
    // CHECK: dist.start all_gather @b1
    // CHECK: %[[V:.*]] = train.read @v
    // CHECK-NEXT: %[[U:.*]] = aten.alias(%[[V]])
    // CHECK-NEXT: dist.release @b0
    // CHECK-NEXT: dist.release @b1
    // CHECK-NEXT: train.return %[[W]], %[[U]]
    %w = train.read @w : tensor<4xf32>
    %v = train.read @v : tensor<4xf32>
    %u = aten.alias(%v) : (tensor<4xf32>) -> tensor<4xf32>
    train.return %w, %u : tensor<4xf32>, tensor<4xf32>
  }
}
