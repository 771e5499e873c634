// RUN: regimen-opt %s -split-input-file -verify-diagnostics -regimen-verify-shard

// What each backward that a caller drives must reduce, and how. These are right:

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 0
  train.program @backward0 micro_step contribution(first) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
    %r = dist.start all_reduce @b
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 1
  train.program @backward0 micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.accumulate %g, @"w:grad" group 0 : tensor<4xf32>
    %r = dist.start reduce_scatter @b
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 1
  train.program @backward0 micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]local true> {
  ^bb0(%g: tensor<4xf32>):
    train.accumulate %g, @"w:grad" group 0 : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 2
  train.program @backward0 micro_step contribution(first) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]local true> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
    %r = dist.start reduce_scatter @b
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 3
  train.program @backward0 micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]retain true> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
    train.write %g, @"v:grad" : tensor<4xf32>
    %r = dist.start reduce_scatter @b accumulate
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 2
  train.program @backward0 micro_step segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
  }
}

// -----

// A result that is a parameter stays gathered to the end.
module {
  train.parameter @w : tensor<4xf32> trainable
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @inference evaluation inputs [] outputs ["w"] {
    %p = dist.start all_gather @b
    dist.wait %p
    %w = train.read @w : tensor<4xf32>
    dist.release @b
    train.return %w : tensor<4xf32>
  }
}

// -----

// Nobody drives these: a step is the forward, the first backward that reduces, and the update.
module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 2
  train.program @backward0 micro_step contribution(first) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
    %r = dist.start reduce_scatter @b
    dist.wait %r
  }
  train.program @backward1 micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0, 1]gradients[0, 1]> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
    train.write %g, @"v:grad" : tensor<4xf32>
    %r = dist.start reduce_scatter @b accumulate
    dist.wait %r
  }
}

// -----

// And these are wrong.
module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 0
  // expected-error @+1 {{does not reduce the gradients of "b"}}
  train.program @backward0 micro_step contribution(first) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 1
  // expected-error @+1 {{reduces the gradients of "b", which it leaves to the rank}}
  train.program @backward0 micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]local true> {
  ^bb0(%g: tensor<4xf32>):
    train.accumulate %g, @"w:grad" group 0 : tensor<4xf32>
    %r = dist.start reduce_scatter @b
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 2
  // expected-error @+1 {{does not reduce the gradients of "b"}}
  train.program @backward0 micro_step contribution(first) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]local true> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 2
  train.program @backward0 micro_step contribution(first) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
    // expected-error @+1 {{adds to the gradients of @b in a micro-step that contributes first}}
    %r = dist.start reduce_scatter @b accumulate
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 2
  train.program @backward0 micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
    train.write %g, @"v:grad" : tensor<4xf32>
    // expected-error @+1 {{overwrites the gradients of @b in a micro-step that contributes later}}
    %r = dist.start reduce_scatter @b
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 2
  train.program @backward0 micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
    // expected-error @+1 {{adds to "v:grad" what its program does not write}}
    %r = dist.start reduce_scatter @b accumulate
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 2
  train.program @backward0 micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    // expected-error @+1 {{adds to @"w:grad" whole, of which a rank has its shard}}
    train.accumulate %g, @"w:grad" group 0 : tensor<4xf32>
    %r = dist.start reduce_scatter @b accumulate
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 1
  train.program @backward0 micro_step contribution(later) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.accumulate %g, @"w:grad" group 0 : tensor<4xf32>
    %r = dist.start reduce_scatter @b
    dist.wait %r
    // expected-error @+1 {{adds to @"w:grad" after its reduction}}
    train.accumulate %g, @"w:grad" group 0 : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 2
  train.program @backward0 micro_step segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    // expected-error @+1 {{reduces gradients that its program does not write}}
    %r = dist.start reduce_scatter @b
    dist.wait %r
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @inference evaluation inputs [] outputs ["w"] {
    %p = dist.start all_gather @b
    dist.wait %p
    %w = train.read @w : tensor<4xf32>
    dist.release @b
    %x = train.seed accumulate 1 : tensor<f32>
    // expected-error @+1 {{uses a parameter of @b after its release}}
    train.return %w : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @inference evaluation inputs [] outputs ["w"] {
    %p = dist.start all_gather @b
    dist.wait %p
    %w = train.read @w : tensor<4xf32>
    dist.release @b
    // expected-error @+1 {{gathers @b a second time}}
    %q = dist.start all_gather @b
    dist.wait %q
    %v = train.read @w : tensor<4xf32>
    dist.release @b
    train.return %v : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.parameter @v : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  train.gradient @"v:grad" of @v : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  // expected-error @+1 {{is moved 2 times a step, its closed form is 1}}
  dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 1
  train.program @backward0 micro_step contribution(first) segment(backward) inputs ["loss:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0]gradients[0]> {
  ^bb0(%g: tensor<4xf32>):
    train.write %g, @"w:grad" : tensor<4xf32>
    %r = dist.start reduce_scatter @b
    dist.wait %r
  }
  train.program @update update inputs [] outputs [] {
    %p = dist.start all_gather @b
    dist.wait %p
  }
}
