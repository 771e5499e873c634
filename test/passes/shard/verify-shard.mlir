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

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    // expected-error @+1 {{reads @w, which is sharded and not gathered here}}
    %w0 = train.read @w : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %p0 = dist.start all_gather @b
    dist.wait %p0
    dist.release @b
    // expected-error @+1 {{reads @w, which is sharded and not gathered here}}
    %w0 = train.read @w : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    // expected-error @+1 {{is not waited for in its program}}
    %p = dist.start all_gather @b
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %p = dist.start all_gather @b
    // expected-error @+1 {{releases @b, which is not gathered}}
    dist.release @b
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %p0 = dist.start all_gather @b
    dist.wait %p0
    %w0 = train.read @w : tensor<4xf32>
    dist.release @b
    // expected-error @+1 {{releases @b, which is not gathered}}
    dist.release @b
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %p0 = dist.start all_gather @b
    dist.wait %p0
    // expected-error @+1 {{gathers @b before its release}}
    %p1 = dist.start all_gather @b
    dist.wait %p1
    dist.release @b
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %p0 = dist.start all_gather @b
    dist.wait %p0
    // expected-error @+1 {{waits for a collective a second time}}
    dist.wait %p0
    dist.release @b
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %p0 = dist.start all_gather @b
    dist.wait %p0
    %w0 = train.read @w : tensor<4xf32>
    dist.release @b
    // expected-error @+1 {{uses a parameter of @b after its release}}
    %y = aten.relu(%w0) : (tensor<4xf32>) -> tensor<4xf32>
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
  // expected-error @+1 {{does not release "b"}}
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %p0 = dist.start all_gather @b
    dist.wait %p0
    %w0 = train.read @w : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  // expected-error @+1 {{does not reduce the gradients of "b"}}
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %w0 = train.read @w : tensor<4xf32>
    train.write %w0, @"w:grad" : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %w0 = train.read @w : tensor<4xf32>
    train.write %w0, @"w:grad" : tensor<4xf32>
    // expected-error @+1 {{reduces a bucket of stage 2, which reduce_scatter does}}
    %r = dist.start all_reduce @b
    dist.wait %r
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %w0 = train.read @w : tensor<4xf32>
    train.write %w0, @"w:grad" : tensor<4xf32>
    %r0 = dist.start reduce_scatter @b
    dist.wait %r0
    // expected-error @+1 {{reduces @b a second time}}
    %r1 = dist.start reduce_scatter @b
    dist.wait %r1
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %w0 = train.read @w : tensor<4xf32>
    train.write %w0, @"w:grad" : tensor<4xf32>
    %r0 = dist.start reduce_scatter @b
    dist.wait %r0
    // expected-error @+1 {{writes @"w:grad" after its reduction}}
    train.write %w0, @"w:grad" : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    // expected-error @+1 {{reduces gradients that its program does not write}}
    %r0 = dist.start reduce_scatter @b
    dist.wait %r0
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %w0 = train.read @w : tensor<4xf32>
    train.write %w0, @"w:grad" : tensor<4xf32>
    // expected-error @+1 {{adds to the gradients of @b in a micro-step that contributes first}}
    %r = dist.start reduce_scatter @b accumulate
    dist.wait %r
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  train.program @micro_step_later micro_step contribution(later) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 2 : tensor<f32>
    %w0 = train.read @w : tensor<4xf32>
    train.write %w0, @"w:grad" : tensor<4xf32>
    // expected-error @+1 {{overwrites the gradients of @b in a micro-step that contributes later}}
    %r0 = dist.start reduce_scatter @b
    dist.wait %r0
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 0
  // expected-error @+1 {{reduces the gradients of "b", to which others contribute later}}
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 2 : tensor<f32>
    %w0 = train.read @w : tensor<4xf32>
    train.write %w0, @"w:grad" : tensor<4xf32>
    %r = dist.start all_reduce @b
    dist.wait %r
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  train.program @update update inputs [] outputs [] {
    // expected-error @+1 {{reads @w whole, of which a rank updates its segment}}
    %w = train.read @w : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  dist.segment @"w:segment" of @w in @b : tensor<4xf32>
  train.program @update update inputs [] outputs [] {
    %w = train.read @"w:segment" : tensor<4xf32>
    // expected-error @+1 {{writes @w whole, of which a rank updates its segment}}
    train.write %w, @w : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  dist.segment @"w:segment" of @w in @b : tensor<4xf32>
  // expected-error @+1 {{does not gather "b", of which a rank updates its shard}}
  train.program @update update inputs [] outputs [] {
    %w = train.read @"w:segment" : tensor<4xf32>
    train.write %w, @"w:segment" : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  dist.segment @"w:segment" of @w in @b : tensor<4xf32>
  train.program @update update inputs [] outputs [] {
    %w = train.read @"w:segment" : tensor<4xf32>
    %p = dist.start all_gather @b
    dist.wait %p
    // expected-error @+1 {{writes @"w:segment" after its gather}}
    train.write %w, @"w:segment" : tensor<4xf32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  dist.segment @"w:segment" of @w in @b : tensor<4xf32>
  train.program @update update inputs [] outputs [] {
    %w = train.read @"w:segment" : tensor<4xf32>
    train.write %w, @"w:segment" : tensor<4xf32>
    %p = dist.start all_gather @b
    dist.wait %p
    // expected-error @+1 {{gathers @b a second time}}
    %q = dist.start all_gather @b
    dist.wait %q
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 2
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %w0 = train.read @w : tensor<4xf32>
    train.write %w0, @"w:grad" : tensor<4xf32>
    %r0 = dist.start reduce_scatter @b
    dist.wait %r0
    // expected-error @+1 {{reads @"w:grad" after its reduction}}
    %g = train.read @"w:grad" : tensor<4xf32>
    train.return %seed : tensor<f32>
  }
}

// -----

module {
  train.parameter @w : tensor<4xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4xf32>
  dist.mesh @mesh [dp = 2]
  // expected-error @+1 {{is moved 3 times a step, its closed form is 2}}
  dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable
  train.program @micro_step_first micro_step contribution(first) inputs [] outputs ["loss"] loss 0 {
    %seed = train.seed accumulate 1 : tensor<f32>
    %w0 = train.read @w : tensor<4xf32>
    train.write %w0, @"w:grad" : tensor<4xf32>
    %r0 = dist.start all_reduce @b
    dist.wait %r0
    train.return %seed : tensor<f32>
  }
  train.program @update update inputs [] outputs [] {
    %w = train.read @w : tensor<4xf32>
    train.write %w, @w : tensor<4xf32>
    %p = dist.start all_gather @b
    dist.wait %p
  }
}
