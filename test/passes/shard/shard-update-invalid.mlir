// RUN: regimen-opt %s -split-input-file -verify-diagnostics -regimen-shard-update

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<1xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<1xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 1
  train.program @update update inputs [] outputs [] {
    %g = train.read @"w:grad" : tensor<4xf32>
    %one = arith.constant 1.0 : f64
    %h = train.read @"v:grad" : tensor<1xf32>
    // expected-error @+1 {{combines segments of two parameters}}
    %sum = aten.add.Tensor(%g, %h, %one) : (tensor<4xf32>, tensor<1xf32>, f64) -> tensor<4xf32>
    train.write %sum, @w : tensor<4xf32>
  }
}
