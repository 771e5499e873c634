// RUN: regimen-opt %s -split-input-file -regimen-lower-to-exec=fuse=false | FileCheck %s
// RUN: regimen-opt %s -split-input-file "-regimen-lower-to-exec=fuse=false ring=true" | FileCheck %s --check-prefix=RING

// Sharded parameters are read from the window of their gather, gradients made in that of their reduction; events
// keep a collective between the start and the wait.
// CHECK-LABEL: module @stage3
module @stage3 {
  train.parameter @w : tensor<4x2xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4x2xf32>
  dist.mesh @mesh [dp = 4]
  dist.bucket @b parameters [@w] offsets [0] elements 1024 : f32 trainable zero 3
  dist.segment @"w:segment" of @w in @b : tensor<8xf32>
  dist.segment @"w:grad:segment" of @"w:grad" in @b : tensor<8xf32>
  // CHECK: exec.static @b.params bytes 1024 category(params)
  // CHECK-NEXT: exec.bind @"w:segment" at @b.params[0] segment<0, 8, 256, shard> : memref<8xf32>
  // CHECK-NEXT: exec.static @b.grads bytes 1024 category(grads)
  // CHECK-NEXT: exec.bind @"w:grad:segment" at @b.grads[0] segment<0, 8, 256, shard> : memref<8xf32>
  // CHECK-NOT: exec.bind @w at
  train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
  ^bb0(%x: tensor<4x2xf32>):
    // CHECK: %[[WINDOW:.*]] = exec.buffer "b.params" bytes 4096 category(comm)
    // CHECK: exec.record 0 lane(compute)
    // CHECK-NEXT: exec.wait 0 lane(comm)
    // CHECK-NEXT: exec.collective all_gather @b whole(%{{.*}} : memref<1024xf32>) part(%{{.*}} : memref<256xf32>)
    // CHECK-NEXT: exec.record 1 lane(comm)
    // CHECK-NEXT: exec.wait 1 lane(compute)
    %p = dist.start all_gather @b
    dist.wait %p
    %w = train.read @w : tensor<4x2xf32>
    // CHECK: %[[W:.*]] = exec.view %[[WINDOW]][0] : memref<4x2xf32>
    // CHECK: %[[GRADS:.*]] = exec.buffer "b.grads" bytes 4096 category(comm)
    // CHECK: %[[G:.*]] = exec.view %[[GRADS]][0] : memref<4x2xf32>
    // CHECK: exec.call "aten::mul.out" out (%{{.*}}, %[[W]]) -> (%[[G]])
    %g = aten.mul.Tensor(%x, %w) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
    dist.release @b
    train.write %g, @"w:grad" : tensor<4x2xf32>
    // CHECK: exec.buffer "b.received" bytes 3072 category(comm)
    // CHECK: exec.collective reduce_scatter @b whole({{.*}}) part({{.*}}) members(%[[G]] : memref<4x2xf32>) scratch(
    // RING: exec.buffer "b.received" bytes 2048 category(comm)
    %r = dist.start reduce_scatter @b
    dist.wait %r
    %loss = train.seed accumulate 1 : tensor<f32>
    train.return %loss : tensor<f32>
  }
}

// -----

// An update computes on segments; so do its temporaries.
// CHECK-LABEL: module @update
module @update {
  train.parameter @w : tensor<4x2xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4x2xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 1
  dist.segment @"w:segment" of @w in @b : tensor<8xf32>
  dist.segment @"w:grad:segment" of @"w:grad" in @b : tensor<8xf32>
  // CHECK: exec.bind @w at @b.params[0] : memref<4x2xf32>
  // CHECK: exec.bind @"w:segment" at @b.params[0] segment<0, 8, 256, whole> : memref<8xf32>
  train.program @update update inputs [] outputs ["norm"] grad_norm 0 {
    %g = train.read @"w:grad:segment" : tensor<8xf32>
    %w = train.read @"w:segment" : tensor<8xf32>
    // CHECK: %[[ROOT:.*]] = exec.view %{{.*}}[0] segment<0, 8, 256, own> : memref<8xf32>
    // CHECK: exec.call "aten::sqrt.out" out (%{{.*}}) -> (%[[ROOT]])
    %root = aten.sqrt(%g) : (tensor<8xf32>) -> tensor<8xf32>
    %q = aten.mul.Tensor(%w, %root) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
    train.write %q, @"w:segment" : tensor<8xf32>
    // CHECK: exec.call "regimen::sum_of_squares"
    // CHECK: exec.collective all_gather whole(%{{.*}} : memref<2x29xi64>) part(%{{.*}} : memref<29xi64>)
    // CHECK: exec.call "regimen::norm_of_squares"
    %sum = dist.sum_of_squares %g : (tensor<8xf32>) -> tensor<29xi64>
    %all = dist.share %sum : (tensor<29xi64>) -> tensor<2x29xi64>
    %norm = dist.norm_of_squares %all : (tensor<2x29xi64>) -> tensor<f32>
    // In place: no part.
    // CHECK: exec.collective all_gather @b whole(%{{.*}} : memref<512xf32>){{$}}
    %p = dist.start all_gather @b
    dist.wait %p
    train.return %norm : tensor<f32>
  }
}
