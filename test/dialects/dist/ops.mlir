// RUN: regimen-opt %s | regimen-opt | FileCheck %s

train.parameter @w : tensor<10x10xf32> trainable
train.parameter @b : tensor<10xf32> trainable
train.parameter @frozen : tensor<3xbf16>

// CHECK: dist.mesh @mesh [dp = 2, tp = 4]
dist.mesh @mesh [dp = 2, tp = 4]
// CHECK: dist.bucket @bucket0 parameters [@w, @b] offsets [0, 128] elements 256 : f32 trainable
dist.bucket @bucket0 parameters [@w, @b] offsets [0, 128] elements 256 : f32 trainable
// CHECK: dist.bucket @bucket1 parameters [@frozen] offsets [0] elements 256 : bf16{{$}}
dist.bucket @bucket1 parameters [@frozen] offsets [0] elements 256 : bf16

// CHECK: dist.bucket @bucket2 parameters [@sharded] offsets [0] elements 512 : f32 trainable zero 3
// CHECK: dist.segment @"sharded:segment" of @sharded in @bucket2 : tensor<256xf32>
train.parameter @sharded : tensor<300xf32> trainable
train.gradient @"sharded:grad" of @sharded : tensor<300xf32>
dist.bucket @bucket2 parameters [@sharded] offsets [0] elements 512 : f32 trainable zero 3
dist.segment @"sharded:segment" of @sharded in @bucket2 : tensor<256xf32>

train.program @p micro_step contribution(later) inputs [] outputs ["norm"] {
  // CHECK: %[[G:.*]] = dist.start all_gather @bucket2{{$}}
  // CHECK-NEXT: dist.wait %[[G]]
  %g = dist.start all_gather @bucket2
  dist.wait %g
  %w = train.read @sharded : tensor<300xf32>
  // CHECK: dist.release @bucket2
  dist.release @bucket2
  // CHECK: dist.start reduce_scatter @bucket2 accumulate{{$}}
  %r = dist.start reduce_scatter @bucket2 accumulate
  // CHECK: dist.start all_reduce @bucket2{{$}}
  %a = dist.start all_reduce @bucket2
  %s = train.read @"sharded:segment" : tensor<256xf32>
  // CHECK: dist.sum_of_squares %{{.*}} : (tensor<256xf32>) -> tensor<29xi64>
  %sum = dist.sum_of_squares %s : (tensor<256xf32>) -> tensor<29xi64>
  // CHECK: dist.share %{{.*}} : (tensor<29xi64>) -> tensor<2x29xi64>
  %all = dist.share %sum : (tensor<29xi64>) -> tensor<2x29xi64>
  // CHECK: dist.norm_of_squares %{{.*}} : (tensor<2x29xi64>) -> tensor<f32>
  %norm = dist.norm_of_squares %all : (tensor<2x29xi64>) -> tensor<f32>
  // CHECK: %[[HOST:.*]] = dist.move %{{.*}} to host : tensor<256xf32>
  %host = dist.move %s to host : tensor<256xf32>
  // CHECK: dist.moved %[[HOST]] : tensor<256xf32>
  dist.moved %host : tensor<256xf32>
  // CHECK: dist.move %[[HOST]] to device : tensor<256xf32>
  %device = dist.move %host to device : tensor<256xf32>
  train.return %norm : tensor<f32>
}
