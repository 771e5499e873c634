// RUN: regimen-opt %s -split-input-file -regimen-reduce-gradients | FileCheck %s
// RUN: regimen-opt %s -split-input-file -regimen-reduce-gradients -regimen-verify-shard -o /dev/null

// Stage 1: each backward reduces what it contributes to, the later one the sum, unless it is local. There is none that
// reduces last, and what is returned is the rank's own.
// CHECK-LABEL: module @stage1
module @stage1 {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket parameters [@w] offsets [0] elements 512 : f32 trainable zero 1
  dist.bucket @other parameters [@v] offsets [0] elements 512 : f32 trainable zero 1
  // CHECK: train.program @first
  // CHECK: train.write %{{.*}}, @"w:grad"
  // CHECK-NEXT: %[[P:.*]] = dist.start reduce_scatter @bucket{{$}}
  // CHECK-NEXT: dist.wait %[[P]]
  // CHECK-NOT: dist.start
  train.program @first micro_step contribution(first) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
  }
  // CHECK: train.program @later
  // CHECK: train.accumulate %{{.*}}, @"w:grad" group 0
  // CHECK-NEXT: dist.start reduce_scatter @bucket{{$}}
  train.program @later micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.accumulate %g, @"w:grad" group 0 : tensor<4xf32>
  }
  // CHECK: train.program @local
  // CHECK-NOT: dist.start
  train.program @local micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]local true> {
  ^bb0(%g: tensor<4xf32>):
    train.accumulate %g, @"w:grad" group 0 : tensor<4xf32>
  }
  // CHECK: train.program @returned
  // CHECK-NOT: dist.start
  train.program @returned micro_step segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs ["w:grad"] gives [#train.port<parameter_gradient 0>] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.return %g : tensor<4xf32>
  }
  // CHECK-NOT: micro_step_last
}

// -----

// Stage 2: local or not, a backward reduces its own contribution, a later one with zeros for the gradients of the bucket
// that it leaves alone.
// CHECK-LABEL: module @stage2
module @stage2 {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<3xf32> trainable
  train.parameter @u : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<3xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket parameters [@w, @v, @u] offsets [0, 64, 128] elements 512 : f32 trainable zero 2
  // CHECK: train.program @first
  // CHECK: train.write %{{.*}}, @"w:grad"
  // CHECK-NEXT: dist.start reduce_scatter @bucket{{$}}
  train.program @first micro_step contribution(first) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]local true> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
  }
  // CHECK: train.program @later
  // CHECK: ^bb0(%[[G:.*]]: tensor<4xf32>)
  // CHECK-NEXT: train.write %[[G]], @"w:grad"
  // CHECK-NEXT: %[[Z:.*]] = aten.zeros{{.*}}tensor<3xf32>
  // CHECK-NEXT: train.write %[[Z]], @"v:grad"
  // CHECK-NEXT: %[[P:.*]] = dist.start reduce_scatter @bucket accumulate
  // CHECK-NEXT: dist.wait %[[P]]
  // CHECK-NOT: aten.zeros
  train.program @later micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]retain true> {
  ^bb0(%g: tensor<4xf32>):
    train.accumulate %g, @"w:grad" group 0 : tensor<4xf32>
  }
}
