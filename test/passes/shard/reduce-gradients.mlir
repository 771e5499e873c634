// RUN: regimen-opt %s -split-input-file -regimen-reduce-gradients | FileCheck %s

// Stage 0 leaves the mean on every rank, where the last gradient of the bucket is written.
// CHECK-LABEL: module @stage0
module @stage0 {
  train.parameter @w : tensor<4x2xf32> trainable
  train.parameter @b : tensor<2xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4x2xf32>
  train.gradient @"b:grad" of @b : tensor<2xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket parameters [@w, @b] offsets [0, 64] elements 512 : f32 trainable
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %w = train.read @w : tensor<4x2xf32>
    %b = train.read @b : tensor<2xf32>
    %seed = train.seed accumulate 1 : tensor<f32>
    // CHECK: train.write %{{.*}}, @"w:grad"
    // CHECK-NEXT: train.write %{{.*}}, @"b:grad"
    // CHECK-NEXT: %[[P:.*]] = dist.start all_reduce @bucket
    // CHECK-NEXT: dist.wait %[[P]]
    train.write %w, @"w:grad" : tensor<4x2xf32>
    train.write %b, @"b:grad" : tensor<2xf32>
    train.return %seed : tensor<f32>
  }
}

// -----

// Of several micro-steps the last one reduces; with three there is one between that does not.
// CHECK-LABEL: module @once_a_step
module @once_a_step {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket parameters [@w] offsets [0] elements 512 : f32 trainable zero 1
  // CHECK: train.program @micro_step_first micro_step contribution(first)
  // CHECK-NOT: dist.start
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %w = train.read @w : tensor<4xf32>
    %seed = train.seed accumulate 3 : tensor<f32>
    train.write %w, @"w:grad" : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
  // CHECK: train.program @micro_step_later micro_step contribution(later)
  // CHECK-NOT: dist.start
  // CHECK: train.program @micro_step_last micro_step contribution(last)
  // CHECK: train.read @"w:grad"
  // CHECK: train.write
  // CHECK-NEXT: dist.start reduce_scatter @bucket{{$}}
  train.program @micro_step_later micro_step contribution(later) inputs [] outputs ["loss"] loss 0 {
    %w = train.read @w : tensor<4xf32>
    %seed = train.seed accumulate 3 : tensor<f32>
    %one = arith.constant 1.0 : f64
    %old = train.read @"w:grad" : tensor<4xf32>
    %sum = aten.add.Tensor(%old, %w, %one) : (tensor<4xf32>, tensor<4xf32>, f64) -> tensor<4xf32>
    train.write %sum, @"w:grad" : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
}

// -----

// From stage 2 on every micro-step reduces its own contribution, and adds it to the shard.
// CHECK-LABEL: module @stage2
module @stage2 {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  // CHECK: train.program @micro_step_first
  // CHECK: dist.start reduce_scatter @bucket{{$}}
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %w = train.read @w : tensor<4xf32>
    %seed = train.seed accumulate 2 : tensor<f32>
    train.write %w, @"w:grad" : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
  // CHECK: train.program @micro_step_later
  // CHECK: %[[W:.*]] = train.read @w
  // CHECK-NOT: @"w:grad"
  // CHECK: train.write %[[W]], @"w:grad"
  // CHECK-NEXT: dist.start reduce_scatter @bucket accumulate
  // CHECK-NOT: train.program
  train.program @micro_step_later micro_step contribution(later) inputs [] outputs ["loss"] loss 0 {
    %w = train.read @w : tensor<4xf32>
    %seed = train.seed accumulate 2 : tensor<f32>
    %one = arith.constant 1.0 : f64
    %old = train.read @"w:grad" : tensor<4xf32>
    %sum = aten.add.Tensor(%old, %w, %one) : (tensor<4xf32>, tensor<4xf32>, f64) -> tensor<4xf32>
    train.write %sum, @"w:grad" : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
}
