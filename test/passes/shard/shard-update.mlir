// RUN: regimen-opt %s -split-input-file -regimen-shard-update | FileCheck %s

// A segment has at most a shard's elements; the norm is merged; what every rank holds whole is gathered.
// CHECK-LABEL: module @stage2
module @stage2 {
  train.parameter @w : tensor<4x2xf32> trainable
  train.parameter @large : tensor<600xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4x2xf32>
  train.gradient @"large:grad" of @large : tensor<600xf32>
  dist.mesh @mesh [dp = 3]
  // CHECK: dist.bucket
  // CHECK-NEXT: dist.segment @"w:segment" of @w in @bucket : tensor<8xf32>
  // CHECK-NEXT: dist.segment @"large:segment" of @large in @bucket : tensor<256xf32>
  // CHECK-NEXT: dist.segment @"w:grad:segment" of @"w:grad" in @bucket : tensor<8xf32>
  dist.bucket @bucket parameters [@w, @large] offsets [0, 64] elements 768 : f32 trainable zero 2
  train.program @update update inputs [] outputs ["grad_norm"] grad_norm 0 {
    // CHECK: %[[G:.*]] = train.read @"w:grad:segment" : tensor<8xf32>
    // CHECK: %[[H:.*]] = train.read @"large:grad:segment" : tensor<256xf32>
    // CHECK: %[[SUM:.*]] = dist.sum_of_squares %[[G]], %[[H]] : (tensor<8xf32>, tensor<256xf32>) -> tensor<29xi64>
    // CHECK: %[[ALL:.*]] = dist.share %[[SUM]] : (tensor<29xi64>) -> tensor<3x29xi64>
    // CHECK: %[[NORM:.*]] = dist.norm_of_squares %[[ALL]] : (tensor<3x29xi64>) -> tensor<f32>
    // CHECK: aten.mul.Tensor(%[[G]], %[[NORM]]) : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    // CHECK: train.write %{{.*}}, @"w:segment" : tensor<8xf32>
    // CHECK: train.write %{{.*}}, @"large:segment" : tensor<256xf32>
    // CHECK-NEXT: %[[P:.*]] = dist.start all_gather @bucket
    // CHECK-NEXT: dist.wait %[[P]]
    // CHECK-NEXT: train.return %[[NORM]]
    %g = train.read @"w:grad" : tensor<4x2xf32>
    %h = train.read @"large:grad" : tensor<600xf32>
    %norm = train.global_norm %g, %h : (tensor<4x2xf32>, tensor<600xf32>) -> tensor<f32>
    %scaled = aten.mul.Tensor(%g, %norm) : (tensor<4x2xf32>, tensor<f32>) -> tensor<4x2xf32>
    train.write %scaled, @w : tensor<4x2xf32>
    train.write %h, @large : tensor<600xf32>
    train.return %norm : tensor<f32>
  }
}

// -----

// At stage 3 nothing is gathered after the update.
// CHECK-LABEL: module @stage3
module @stage3 {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @update update inputs [] outputs [] {
    // CHECK: train.write %{{.*}}, @"w:segment" : tensor<4xf32>
    // CHECK-NEXT: }
    %g = train.read @"w:grad" : tensor<4xf32>
    train.write %g, @w : tensor<4xf32>
  }
}
