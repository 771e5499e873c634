// RUN: regimen-opt %s "-regimen-form-buckets=dp=2 zero-stage=3 persist-bytes=64" -regimen-verify-shard | FileCheck %s
// RUN: regimen-opt %s "-regimen-form-buckets=dp=2 zero-stage=1 persist-bytes=64" | FileCheck %s --check-prefix=ONE
// RUN: regimen-opt %s "-regimen-form-buckets=dp=1 zero-stage=3" | FileCheck %s --check-prefix=ALONE

// What is small stays whole at stage 3; what is frozen has nothing to shard before.
// CHECK: dist.mesh @mesh [dp = 2]
// CHECK-NEXT: dist.bucket @bucket0 parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
// CHECK-NEXT: dist.bucket @bucket1 parameters [@small] offsets [0] elements 512 : f32 trainable zero 2
// CHECK-NEXT: dist.bucket @bucket2 parameters [@frozen] offsets [0] elements 512 : f32 zero 3
// CHECK-NEXT: dist.bucket @bucket3 parameters [@small_frozen] offsets [0] elements 512 : f32{{$}}
// ONE: dist.bucket @bucket0 parameters [@w, @small] offsets [0, 128] elements 512 : f32 trainable zero 1
// ONE-NEXT: dist.bucket @bucket1 parameters [@frozen, @small_frozen] offsets [0, 128] elements 512 : f32{{$}}
// ALONE-NOT: zero
module {
  train.parameter @w : tensor<100xf32> trainable
  train.parameter @small : tensor<8xf32> trainable
  train.parameter @frozen : tensor<100xf32>
  train.parameter @small_frozen : tensor<8xf32>
}
