// RUN: regimen-opt %s -split-input-file -regimen-form-buckets=bucket-bytes=1024 -regimen-verify-shard | FileCheck %s

// Parameters follow the order in which the program uses them, not the order of their reads.
// CHECK-LABEL: module @order
module @order {
  train.parameter @a : tensor<10xf32> trainable
  train.parameter @b : tensor<10x10xf32> trainable
  // CHECK: dist.mesh @mesh [dp = 1]
  // CHECK-NEXT: dist.bucket @bucket0 parameters [@b, @a] offsets [0, 128] elements 256 : f32 trainable
  // CHECK-NOT: dist.bucket
  train.program @forward forward inputs ["x"] outputs ["y"] loss 0 {
  ^bb0(%x: tensor<f32>):
    %a = train.read @a : tensor<10xf32>
    %b = train.read @b : tensor<10x10xf32>
    %n = train.global_norm %b : (tensor<10x10xf32>) -> tensor<f32>
    %m = train.global_norm %a, %n : (tensor<10xf32>, tensor<f32>) -> tensor<f32>
    train.return %m : tensor<f32>
  }
}

// -----

// A bucket ends at the limit; what exceeds it alone, or is tied, stands alone; the unused come last.
// CHECK-LABEL: module @cuts
module @cuts {
  train.parameter @unused : tensor<64xf32> trainable
  train.parameter @a : tensor<128xf32> trainable
  train.parameter @large : tensor<1000xf32> trainable
  train.parameter @tied : tensor<8xf32> trainable aliases ["head.weight"]
  train.parameter @b : tensor<128xf32> trainable
  train.parameter @c : tensor<64xf32> trainable
  train.parameter @frozen : tensor<4xf32>
  // CHECK: dist.bucket @bucket0 parameters [@a, @b] offsets [0, 128] elements 256 : f32 trainable
  // CHECK-NEXT: dist.bucket @bucket1 parameters [@large] offsets [0] elements 1024 : f32 trainable
  // CHECK-NEXT: dist.bucket @bucket2 parameters [@tied] offsets [0] elements 256 : f32 trainable
  // CHECK-NEXT: dist.bucket @bucket3 parameters [@c] offsets [0] elements 256 : f32 trainable
  // CHECK-NEXT: dist.bucket @bucket4 parameters [@frozen] offsets [0] elements 256 : f32{{$}}
  // CHECK-NEXT: dist.bucket @bucket5 parameters [@unused] offsets [0] elements 256 : f32 trainable
  train.program @forward forward inputs [] outputs ["y"] loss 0 {
    %a = train.read @a : tensor<128xf32>
    %large = train.read @large : tensor<1000xf32>
    %tied = train.read @tied : tensor<8xf32>
    %b = train.read @b : tensor<128xf32>
    %c = train.read @c : tensor<64xf32>
    %frozen = train.read @frozen : tensor<4xf32>
    %0 = train.global_norm %a : (tensor<128xf32>) -> tensor<f32>
    %1 = train.global_norm %large, %0 : (tensor<1000xf32>, tensor<f32>) -> tensor<f32>
    %2 = train.global_norm %tied, %1 : (tensor<8xf32>, tensor<f32>) -> tensor<f32>
    %3 = train.global_norm %b, %2 : (tensor<128xf32>, tensor<f32>) -> tensor<f32>
    %4 = train.global_norm %c, %3 : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %5 = train.global_norm %frozen, %4 : (tensor<4xf32>, tensor<f32>) -> tensor<f32>
    train.return %5 : tensor<f32>
  }
}

// -----

// A parameter may have a name that a bucket would take.
// CHECK-LABEL: module @names
module @names {
  train.parameter @bucket0 : tensor<4xf32> trainable
  train.parameter @mesh : tensor<4xf32> trainable
  // CHECK: dist.mesh @[[MESH:mesh_[0-9]+]] [dp = 1]
  // CHECK: dist.bucket @[[BUCKET:bucket0_[0-9]+]] parameters [@bucket0, @mesh]
}
