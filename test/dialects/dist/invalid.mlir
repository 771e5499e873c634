// RUN: regimen-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{has 0 sizes for 0 axes; it needs one axis at least and a size for each}}
dist.mesh @mesh []

// -----

// expected-error @+1 {{names axis 'dp' twice}}
dist.mesh @mesh [dp = 1, dp = 2]

// -----

// expected-error @+1 {{axis 'tp' has size 0}}
dist.mesh @mesh [dp = 1, tp = 0]

// -----

train.parameter @w : tensor<4xf32> trainable
// expected-error @+1 {{has 2 offsets for 1 parameters; it needs one parameter at least and an offset for each}}
dist.bucket @b parameters [@w] offsets [0, 64] elements 256 : f32 trainable

// -----

// expected-error @+1 {{has 0 offsets for 0 parameters; it needs one parameter at least and an offset for each}}
dist.bucket @b parameters [] offsets [] elements 256 : f32 trainable

// -----

train.parameter @w : tensor<4xf32> trainable
// expected-error @+1 {{offset 32 is no multiple of 64}}
dist.bucket @b parameters [@w] offsets [32] elements 256 : f32 trainable

// -----

train.parameter @w : tensor<4xf32> trainable
// expected-error @+1 {{offset -64 is no multiple of 64}}
dist.bucket @b parameters [@w] offsets [-64] elements 256 : f32 trainable

// -----

train.parameter @w : tensor<4xf32> trainable
// expected-error @+1 {{length 128 is no positive multiple of 256}}
dist.bucket @b parameters [@w] offsets [0] elements 128 : f32 trainable

// -----

// expected-error @+1 {{names @w, which is no parameter}}
dist.bucket @b parameters [@w] offsets [0] elements 256 : f32 trainable

// -----

train.parameter @w : tensor<4xbf16> trainable
// expected-error @+1 {{holds 'f32', but @w is 'tensor<4xbf16>'}}
dist.bucket @b parameters [@w] offsets [0] elements 256 : f32 trainable

// -----

train.parameter @w : tensor<4xf32>
// expected-error @+1 {{is trainable, but @w is frozen}}
dist.bucket @b parameters [@w] offsets [0] elements 256 : f32 trainable

// -----

train.parameter @w : tensor<4xf32> trainable
// expected-error @+1 {{is frozen, but @w is trainable}}
dist.bucket @b parameters [@w] offsets [0] elements 256 : f32

// -----

train.parameter @v : tensor<65xf32> trainable
train.parameter @w : tensor<4xf32> trainable
// expected-error @+1 {{parameter @w at 64 overlaps 'v', which ends at 65}}
dist.bucket @b parameters [@v, @w] offsets [0, 64] elements 256 : f32 trainable

// -----

train.parameter @w : tensor<250xf32> trainable
// expected-error @+1 {{has 256 elements, but its last parameter ends at 314}}
dist.bucket @b parameters [@w] offsets [64] elements 256 : f32 trainable

// -----

train.parameter @w : tensor<4xf32> trainable
// expected-error @+1 {{has ZeRO stage 4; there are 0, 1, 2 and 3}}
dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 4

// -----

train.parameter @w : tensor<4xf32> trainable
train.parameter @v : tensor<4xf32> trainable
dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable
// expected-error @+1 {{names @c, which is no bucket}}
dist.segment @s of @w in @c : tensor<4xf32>

// -----

train.parameter @w : tensor<4xf32> trainable
train.parameter @v : tensor<4xf32> trainable
dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable
// expected-error @+1 {{is of @v, which is no model state of @b}}
dist.segment @s of @v in @b : tensor<4xf32>

// -----

train.parameter @w : tensor<4xf32> trainable
train.parameter @v : tensor<4xf32> trainable
dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable
// expected-error @+1 {{has type 'tensor<5xf32>', but is a flat part of a 'tensor<4xf32>'}}
dist.segment @s of @w in @b : tensor<5xf32>

// -----

train.program @p evaluation inputs [] outputs [] {
  // expected-error @+1 {{names @c, which is no bucket}}
  %p = dist.start all_gather @c
}

// -----

train.program @p evaluation inputs [] outputs [] {
  // expected-error @+1 {{names @c, which is no bucket}}
  dist.release @c
}

// -----

train.parameter @w : tensor<4xf32>
dist.bucket @b parameters [@w] offsets [0] elements 512 : f32
train.program @p evaluation inputs [] outputs [] {
  // expected-error @+1 {{reduces gradients of @b, which is frozen}}
  %p = dist.start all_reduce @b
}

// -----

train.parameter @w : tensor<4xf32> trainable
train.parameter @v : tensor<4xf32> trainable
dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable
train.program @p evaluation inputs [] outputs [] {
  // expected-error @+1 {{accumulates, which only reduce_scatter does}}
  %p = dist.start all_gather @b accumulate
}

// -----

train.parameter @w : tensor<4xf32>
train.program @p evaluation inputs [] outputs [] {
  %w = train.read @w : tensor<4xf32>
  // expected-error @+1 {{gives 'tensor<4x2xf32>' for 'tensor<4xf32>'; it adds one axis, over the ranks, in front}}
  %s = dist.share %w : (tensor<4xf32>) -> tensor<4x2xf32>
}

// -----

train.parameter @w : tensor<4xf32>
train.program @p evaluation inputs [] outputs [] {
  %w = train.read @w : tensor<4xf32>
  // expected-error @+1 {{waits for what is no result of dist.move}}
  dist.moved %w : tensor<4xf32>
}

// -----

train.parameter @w : tensor<4xf32> trainable
// expected-error @+1 {{has parameters on the host that are not sharded}}
dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2 host_parameters
