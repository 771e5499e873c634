// RUN: regimen-opt %s -split-input-file -pass-pipeline='builtin.module(train.program(regimen-schedule-collectives),regimen-verify-shard)' | FileCheck %s
// RUN: regimen-opt %s -split-input-file -pass-pipeline='builtin.module(train.program(regimen-schedule-collectives{most-bytes=0}))' | FileCheck %s --check-prefix=NONE

// The second gather starts when the first is done, before the product that hides it; the reduction is waited for at the end.
// CHECK-LABEL: train.program @micro_step_first
// NONE-LABEL: train.program @micro_step_first
module {
  train.parameter @v : tensor<256x256xf32> trainable
  train.parameter @w : tensor<256x256xf32> trainable
  train.gradient @"v:grad" of @v : tensor<256x256xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @a parameters [@v] offsets [0] elements 65536 : f32 trainable zero 3
  dist.bucket @b parameters [@w] offsets [0] elements 65536 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
  ^bb0(%x: tensor<256x256xf32>):
    // CHECK: %[[A:.*]] = dist.start all_gather @a
    // CHECK-NEXT: dist.wait %[[A]]
    // CHECK-NEXT: %[[B:.*]] = dist.start all_gather @b
    // CHECK-NEXT: train.read @v
    // CHECK-NEXT: aten.mm
    // CHECK-NEXT: dist.release @a
    // CHECK-NEXT: dist.wait %[[B]]
    // NONE: dist.release @a
    // NONE-NEXT: %[[B:.*]] = dist.start all_gather @b
    // NONE-NEXT: dist.wait %[[B]]
    %pa = dist.start all_gather @a
    dist.wait %pa
    %v = train.read @v : tensor<256x256xf32>
    %y = aten.mm(%x, %v) : (tensor<256x256xf32>, tensor<256x256xf32>) -> tensor<256x256xf32>
    dist.release @a
    %pb = dist.start all_gather @b
    dist.wait %pb
    %w = train.read @w : tensor<256x256xf32>
    %z = aten.mm(%y, %w) : (tensor<256x256xf32>, tensor<256x256xf32>) -> tensor<256x256xf32>
    dist.release @b
    train.write %z, @"v:grad" : tensor<256x256xf32>
    // CHECK: %[[R:.*]] = dist.start reduce_scatter @a
    // CHECK-NEXT: aten.mm
    // CHECK-NEXT: train.seed
    // CHECK-NEXT: dist.wait %[[R]]
    %r = dist.start reduce_scatter @a
    dist.wait %r
    %u = aten.mm(%z, %z) : (tensor<256x256xf32>, tensor<256x256xf32>) -> tensor<256x256xf32>
    %loss = train.seed accumulate 1 : tensor<f32>
    train.return %loss : tensor<f32>
  }
}
