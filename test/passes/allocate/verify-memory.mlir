// RUN: regimen-opt %s -split-input-file -verify-diagnostics -regimen-verify-memory

module {
  // expected-error @+1 {{has no size}}
  exec.arena @work class(work) space(device)
}

// -----

module {
  // expected-error @+1 {{has no place}}
  exec.static @s bytes 64 category(params)
}

// -----

module {
  exec.arena @work class(work) space(device) bytes 64
  // expected-error @+1 {{is in an arena of class work, but lives as class static}}
  exec.static @s bytes 64 category(params) in @work[0]
}

// -----

module {
  exec.arena @static class(static) space(device) bytes 128
  // expected-note @+1 {{the other buffer}}
  exec.static @s bytes 65 category(params) in @static[0]
  // expected-error @+1 {{share bytes while both are alive at 0, with another buffer}}
  exec.static @t bytes 64 category(params) in @static[64]
}

// -----

// Neighbours in different arenas do not meet.
module {
  exec.arena @a class(static) space(device) bytes 64
  exec.arena @b class(static) space(host) bytes 64
  exec.static @s bytes 64 category(params) in @a[0]
  exec.static @t bytes 64 category(params) space(host) in @b[0]
}

// -----

module {
  exec.arena @work class(work) space(device) bytes 64
  exec.program @p evaluation inputs [] outputs [] lower_bound 128 {
    // expected-error @+1 {{ends beyond the arena of 64 bytes}}
    %a = exec.buffer "a" bytes 64 category(workspace) in @work[64]
  }
}

// -----

module {
  exec.arena @work class(work) space(device) bytes 64
  // expected-error @+1 {{has no lower bound}}
  exec.program @p evaluation inputs [] outputs [] {
  }
}

// -----

// Two buffers of one call.
module {
  exec.arena @work class(work) space(device) bytes 64
  exec.program @p evaluation inputs [] outputs [] lower_bound 64 {
    // expected-note @+1 {{the other buffer}}
    %ab = exec.buffer "a" bytes 64 category(activations) in @work[0]
    %a = exec.view %ab[0] : memref<16xf32>
    // expected-error @+1 {{share bytes while both are alive at 0, with another buffer}}
    %s = exec.buffer "s" bytes 64 category(workspace) in @work[0]
    exec.call "aten::fill.Scalar_out" out () -> (%a) scratch(%s) : () -> memref<16xf32>
  }
}

// -----

// An output must outlive what comes after its last touch.
module {
  exec.arena @work class(work) space(device) bytes 64
  exec.program @p evaluation inputs [] outputs ["a"] lower_bound 64 {
    // expected-note @+1 {{the other buffer}}
    %ab = exec.buffer "a" bytes 64 category(activations) in @work[0]
    %a = exec.view %ab[0] : memref<16xf32>
    // expected-error @+1 {{share bytes while both are alive at 1, with another buffer}}
    %bb = exec.buffer "b" bytes 64 category(activations) in @work[0]
    %b = exec.view %bb[0] : memref<16xf32>
    exec.call "aten::fill.Scalar_out" out () -> (%a) : () -> memref<16xf32>
    exec.call "aten::fill.Scalar_out" out () -> (%b) : () -> memref<16xf32>
    exec.return %a : memref<16xf32>
  }
}

// -----

// A forward's temporary over what it saved already.
module {
  exec.arena @frame class(frame) space(device) bytes 64
  train.saved @a : tensor<16xf32>
  // expected-note @+1 {{the other buffer}}
  exec.frame @f bytes 64 category(activations) in @frame[0]
  exec.bind @a at @f[0] : memref<16xf32>
  exec.program @forward micro_step segment(forward) inputs [] takes [] outputs [] gives [] lower_bound 0 {
    %fb = exec.get @f
    %a = exec.view %fb[0] : memref<16xf32>
    // expected-error @+1 {{share bytes while both are alive at 1, with another buffer}}
    %tb = exec.buffer "t" bytes 64 category(workspace) in @frame[0]
    %t = exec.view %tb[0] : memref<16xf32>
    exec.call "aten::fill.Scalar_out" out () -> (%a) : () -> memref<16xf32>
    exec.call "aten::relu.out" out (%a) -> (%t) : (memref<16xf32>) -> memref<16xf32>
  }
}

// -----

// A backward's temporary over what it still reads.
module {
  exec.arena @frame class(frame) space(device) bytes 64
  train.saved @a : tensor<16xf32>
  // expected-error @+1 {{share bytes while both are alive at 0, with another buffer}}
  exec.frame @f bytes 64 category(activations) in @frame[0]
  exec.bind @a at @f[0] : memref<16xf32>
  exec.program @backward micro_step segment(backward) inputs [] takes [] outputs [] gives [] variant <> lower_bound 0 {
    %fb = exec.get @f
    %a = exec.view %fb[0] : memref<16xf32>
    // expected-note @+1 {{the other buffer}}
    %tb = exec.buffer "t" bytes 64 category(workspace) in @frame[0]
    %t = exec.view %tb[0] : memref<16xf32>
    exec.call "aten::relu.out" out (%a) -> (%t) : (memref<16xf32>) -> memref<16xf32>
  }
}

// -----

// A frame that is retained is no place for temporaries.
module {
  exec.arena @frame class(frame) space(device) bytes 64
  train.saved @a : tensor<16xf32>
  exec.frame @f bytes 64 category(activations) in @frame[0]
  exec.bind @a at @f[0] : memref<16xf32>
  exec.program @backward micro_step segment(backward) inputs [] takes [] outputs [] gives [] variant <retain true> lower_bound 0 {
    // expected-error @+1 {{is in an arena of class frame, but lives as class work}}
    %tb = exec.buffer "t" bytes 64 category(workspace) in @frame[0]
  }
}

// -----

// Only what a caller drives has tensors of a caller.
module {
  exec.arena @caller class(caller) space(device) bytes 0
  exec.program @p evaluation inputs [] outputs [] lower_bound 0 {
    // expected-error @+1 {{is in an arena of class caller, but lives as class work}}
    %tb = exec.buffer "t" bytes 64 category(workspace) in @caller[0]
  }
}

// -----

// What ranks exchange must not move with the frame.
module @exchanged {
  exec.arena @frame class(frame) space(device) bytes 256
  exec.arena @caller class(caller) space(device) bytes 0
  train.saved @a : tensor<64xf32>
  exec.frame @"a:frame" bytes 256 category(activations) in @frame[0]
  exec.bind @a at @"a:frame"[0] : memref<64xf32>
  exec.program @forward micro_step segment(forward) inputs ["x"] takes [#train.port<argument 0>] outputs [] gives [] lower_bound 0 {
    %xb = exec.buffer "x" bytes 256 category(activations) in @caller[0]
    %x = exec.view %xb[0] : memref<64xf32>
    exec.given 0 in %x : memref<64xf32>
    // expected-error @+1 {{is in an arena of class frame, but lives as class work}}
    %tb = exec.buffer "t" bytes 256 category(comm) in @frame[0]
    %t = exec.view %tb[0] : memref<64xf32>
    %fa = exec.get @"a:frame"
    %a = exec.view %fa[0] : memref<64xf32>
    exec.call "aten::relu.out" out (%x) -> (%t) : (memref<64xf32>) -> memref<64xf32>
    exec.call "aten::relu.out" out (%x) -> (%a) : (memref<64xf32>) -> memref<64xf32>
  }
}

// -----

module {
  exec.arena @b class(static) space(host) bytes 64
  // expected-error @+1 {{is in an arena of the host, but one of the device}}
  exec.static @t bytes 64 category(params) in @b[0]
}

// -----

module {
  exec.arena @work class(work) space(device) bytes 64
  exec.program @p evaluation inputs [] outputs [] lower_bound 0 {
    // expected-error @+1 {{is in an arena of the device, but one of the host}}
    %a = exec.buffer "a" bytes 64 category(workspace) space(host) in @work[0]
  }
}
