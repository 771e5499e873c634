// RUN: regimen-opt %s -split-input-file -verify-diagnostics -regimen-verify-shard

// expected-error @+1 {{has 0 meshes after shard, needs one}}
module {
}

// -----

module {
  dist.mesh @mesh [dp = 1]
  // expected-error @+1 {{is in no bucket}}
  train.parameter @w : tensor<4xf32> trainable
}

// -----

module {
  dist.mesh @mesh [dp = 1]
  train.parameter @w : tensor<4xf32> trainable
  // expected-note @+1 {{the other bucket}}
  dist.bucket @b0 parameters [@w] offsets [0] elements 256 : f32 trainable
  // expected-error @+1 {{holds @w, which another bucket holds}}
  dist.bucket @b1 parameters [@w] offsets [0] elements 256 : f32 trainable
}

// -----

module {
  dist.mesh @mesh [dp = 2]
  train.parameter @w : tensor<4xf32> trainable
  // expected-error @+1 {{has 256 elements, which do not divide into 2 shards of a multiple of 256}}
  dist.bucket @b parameters [@w] offsets [0] elements 256 : f32 trainable
}
