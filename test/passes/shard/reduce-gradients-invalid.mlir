// RUN: regimen-opt %s -split-input-file -verify-diagnostics -regimen-reduce-gradients

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @bucket parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  train.program @micro_step_later micro_step contribution(later) inputs [] outputs ["loss"] loss 0 {
    %w = train.read @w : tensor<4xf32>
    %one = arith.constant 1.0 : f64
    %old = train.read @"w:grad" : tensor<4xf32>
    %sum = aten.add.Tensor(%old, %w, %one) : (tensor<4xf32>, tensor<4xf32>, f64) -> tensor<4xf32>
    // expected-error @+1 {{adds to @"w:grad" a sum that something else uses too}}
    train.write %sum, @"w:grad" : tensor<4xf32>
    %norm = train.global_norm %sum : (tensor<4xf32>) -> tensor<f32>
    train.return %norm : tensor<f32>
  }
}
