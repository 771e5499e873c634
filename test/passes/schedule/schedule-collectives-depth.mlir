// RUN: regimen-opt %s -pass-pipeline='builtin.module(train.program(regimen-schedule-collectives))' | FileCheck %s

// A gather passes the start of a reduction; the reduction is waited for before the third one behind it starts.
// CHECK-LABEL: train.program @micro_step_first
module {
  train.parameter @a : tensor<16x16xf32> trainable
  train.parameter @b : tensor<16x16xf32> trainable
  train.parameter @c : tensor<16x16xf32> trainable
  train.parameter @d : tensor<16x16xf32> trainable
  train.parameter @e : tensor<16x16xf32> trainable
  train.gradient @"a:grad" of @a : tensor<16x16xf32>
  train.gradient @"b:grad" of @b : tensor<16x16xf32>
  train.gradient @"c:grad" of @c : tensor<16x16xf32>
  train.gradient @"d:grad" of @d : tensor<16x16xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket_a parameters [@a] offsets [0] elements 512 : f32 trainable zero 2
  dist.bucket @bucket_b parameters [@b] offsets [0] elements 512 : f32 trainable zero 2
  dist.bucket @bucket_c parameters [@c] offsets [0] elements 512 : f32 trainable zero 2
  dist.bucket @bucket_d parameters [@d] offsets [0] elements 512 : f32 trainable zero 2
  dist.bucket @bucket_e parameters [@e] offsets [0] elements 512 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
  ^bb0(%x: tensor<16x16xf32>):
    // CHECK: %[[E:.*]] = dist.start all_gather @bucket_e
    // CHECK-NEXT: train.write {{.*}}, @"a:grad"
    // CHECK-NEXT: %[[A:.*]] = dist.start reduce_scatter @bucket_a
    // CHECK-NEXT: dist.wait %[[E]]
    // CHECK: dist.start reduce_scatter @bucket_b
    // CHECK: dist.start reduce_scatter @bucket_c
    // CHECK-NEXT: train.write {{.*}}, @"d:grad"
    // CHECK-NEXT: dist.wait %[[A]]
    // CHECK-NEXT: dist.start reduce_scatter @bucket_d
    train.write %x, @"a:grad" : tensor<16x16xf32>
    %ra = dist.start reduce_scatter @bucket_a
    dist.wait %ra
    %pe = dist.start all_gather @bucket_e
    dist.wait %pe
    %e = train.read @e : tensor<16x16xf32>
    dist.release @bucket_e
    train.write %x, @"b:grad" : tensor<16x16xf32>
    %rb = dist.start reduce_scatter @bucket_b
    dist.wait %rb
    train.write %x, @"c:grad" : tensor<16x16xf32>
    %rc = dist.start reduce_scatter @bucket_c
    dist.wait %rc
    train.write %x, @"d:grad" : tensor<16x16xf32>
    %rd = dist.start reduce_scatter @bucket_d
    dist.wait %rd
    %loss = train.seed accumulate 1 : tensor<f32>
    train.return %loss : tensor<f32>
  }
}
