// RUN: regimen-opt %s -regimen-form-buckets=dp=2 -regimen-verify-shard | FileCheck %s

// 24 MiB of parameters: a bucket holds a sixteenth of them, though bucket-bytes allows more.
// CHECK: dist.bucket @bucket0 parameters [@a, @b] offsets [0, 196608] elements 393216
// CHECK-NEXT: dist.bucket @bucket1 parameters [@c] offsets [0] elements 5898240
train.parameter @a : tensor<256x768xf32> trainable
train.parameter @b : tensor<256x768xf32> trainable
train.parameter @c : tensor<7680x768xf32> trainable
