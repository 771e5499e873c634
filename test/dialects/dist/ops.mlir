// RUN: regimen-opt %s | regimen-opt | FileCheck %s

train.parameter @w : tensor<10x10xf32> trainable
train.parameter @b : tensor<10xf32> trainable
train.parameter @frozen : tensor<3xbf16>

// CHECK: dist.mesh @mesh [dp = 2, tp = 4]
dist.mesh @mesh [dp = 2, tp = 4]
// CHECK: dist.bucket @bucket0 parameters [@w, @b] offsets [0, 128] elements 256 : f32 trainable
dist.bucket @bucket0 parameters [@w, @b] offsets [0, 128] elements 256 : f32 trainable
// CHECK: dist.bucket @bucket1 parameters [@frozen] offsets [0] elements 256 : bf16
// CHECK-NOT: trainable
dist.bucket @bucket1 parameters [@frozen] offsets [0] elements 256 : bf16
