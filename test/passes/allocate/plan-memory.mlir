// RUN: regimen-opt %s -split-input-file -regimen-plan-memory -regimen-verify-memory | FileCheck %s

// What dies gives its bytes to what is born later; static buffers lie end to end, an arena a kind.
// CHECK-LABEL: module @reuse
module @reuse {
  // CHECK: exec.arena @params class(static) space(device) bytes 192
  // CHECK-NEXT: exec.arena @optimizer class(static) space(device) bytes 64
  // CHECK-NEXT: exec.arena @buffers class(static) space(device) bytes 64
  // CHECK-NEXT: exec.arena @constants class(static) space(device) bytes 64
  // CHECK-NEXT: exec.arena @work class(work) space(device) bytes 512
  // CHECK: exec.static @s0 bytes 100 category(params) in @params[0]
  // CHECK: exec.static @s1 bytes 4 category(params) in @params[128]
  // CHECK: exec.static @m bytes 4 category(optimizer) in @optimizer[0]
  // CHECK: exec.static @b bytes 4 category(workspace) in @buffers[0]
  // CHECK: exec.static @c bytes 4 category(workspace) in @constants[0]
  exec.static @s0 bytes 100 category(params)
  exec.static @s1 bytes 4 category(params)
  exec.static @m bytes 4 category(optimizer)
  exec.static @b bytes 4 category(workspace)
  exec.static @c bytes 4 category(workspace) = dense<1.0> : tensor<f32>
  // CHECK: exec.program @chain {{.*}} lower_bound 512
  exec.program @chain evaluation inputs [] outputs ["y"] {
    // CHECK-DAG: exec.buffer "a" {{.*}} in @work[[A:\[[0-9]+\]]]
    // CHECK-DAG: exec.buffer "b" {{.*}} in @work
    // CHECK-DAG: exec.buffer "c" {{.*}} in @work[[A]]
    %ab = exec.buffer "a" bytes 256 category(activations)
    %a = exec.view %ab[0] : memref<64xf32>
    %bb = exec.buffer "b" bytes 256 category(activations)
    %b = exec.view %bb[0] : memref<64xf32>
    %cb = exec.buffer "c" bytes 256 category(activations)
    %c = exec.view %cb[0] : memref<64xf32>
    exec.call "aten::fill.Scalar_out" out () -> (%a) : () -> memref<64xf32>
    exec.call "aten::relu.out" out (%a) -> (%b) : (memref<64xf32>) -> memref<64xf32>
    exec.call "aten::relu.out" out (%b) -> (%c) : (memref<64xf32>) -> memref<64xf32>
    exec.return %c : memref<64xf32>
  }
}

// -----

// Programs share the arena, each from its start; scratch lives during its call only, an output to the end.
// CHECK-LABEL: module @programs
module @programs {
  // CHECK: exec.arena @work class(work) space(device) bytes 256
  // CHECK: exec.program @small {{.*}} lower_bound 64
  exec.program @small evaluation inputs [] outputs ["y"] {
    // CHECK: exec.buffer "y" {{.*}} in @work[0]
    %yb = exec.buffer "y" bytes 64 category(activations)
    %y = exec.view %yb[0] : memref<16xf32>
    exec.call "aten::fill.Scalar_out" out () -> (%y) : () -> memref<16xf32>
    exec.return %y : memref<16xf32>
  }
  // CHECK: exec.program @large {{.*}} lower_bound 256
  exec.program @large evaluation inputs [] outputs ["y"] {
    %yb = exec.buffer "y" bytes 128 category(activations)
    %y = exec.view %yb[0] : memref<32xf32>
    // CHECK: exec.buffer "s" {{.*}} in @work[[S:\[[0-9]+\]]]
    // CHECK: exec.buffer "t" {{.*}} in @work[[S]]
    %s = exec.buffer "s" bytes 128 category(workspace)
    %t = exec.buffer "t" bytes 128 category(workspace)
    exec.call "aten::fill.Scalar_out" out () -> (%y) scratch(%s) : () -> memref<32xf32>
    exec.call "aten::relu.out" out (%y) -> (%y) scratch(%t) : (memref<32xf32>) -> memref<32xf32>
    exec.return %y : memref<32xf32>
  }
}

// -----

// A load that the compute lane has not waited for may still be writing: its buffer is not given away, although no later
// instruction touches it.
// CHECK-LABEL: module @lanes
module @lanes {
  // CHECK: exec.arena @work class(work) space(device) bytes 128
  // CHECK: exec.program @unordered {{.*}} lower_bound 128
  exec.program @unordered evaluation inputs ["x"] outputs ["y"] {
    %xb = exec.buffer "x" bytes 64 category(activations)
    %x = exec.view %xb[0] : memref<16xf32>
    %yb = exec.buffer "y" bytes 64 category(activations)
    %y = exec.view %yb[0] : memref<16xf32>
    exec.load_input 0 -> %x : memref<16xf32>
    exec.call "aten::fill.Scalar_out" out () -> (%y) : () -> memref<16xf32>
    exec.return %y : memref<16xf32>
  }
  // CHECK: exec.program @ordered {{.*}} lower_bound 64
  exec.program @ordered evaluation inputs ["x"] outputs ["y"] events 1 {
    %xb = exec.buffer "x" bytes 64 category(activations)
    %x = exec.view %xb[0] : memref<16xf32>
    %yb = exec.buffer "y" bytes 64 category(activations)
    %y = exec.view %yb[0] : memref<16xf32>
    exec.load_input 0 -> %x : memref<16xf32>
    exec.record 0 lane(copy)
    exec.wait 0 lane(compute)
    exec.call "aten::fill.Scalar_out" out () -> (%y) : () -> memref<16xf32>
    exec.return %y : memref<16xf32>
  }
}

// -----

// Frame buffers lie end to end. A forward's temporaries lie where its frame is not written yet, a backward's where it is
// dead, unless the frame is retained; the caller's tensors are not planned.
// CHECK-LABEL: module @segments
module @segments {
  // CHECK: exec.arena @frame class(frame) space(device) bytes 512
  // CHECK: exec.arena @work class(work) space(device) bytes 256
  exec.arena @caller class(caller) space(device) bytes 0
  train.saved @a : tensor<64xf32>
  train.saved @b : tensor<64xf32>
  // CHECK: exec.frame @"a:frame" bytes 256 category(activations) in @frame[0]
  // CHECK: exec.frame @"b:frame" bytes 256 category(activations) in @frame[256]
  exec.frame @"a:frame" bytes 256 category(activations)
  exec.frame @"b:frame" bytes 256 category(activations)
  exec.bind @a at @"a:frame"[0] : memref<64xf32>
  exec.bind @b at @"b:frame"[0] : memref<64xf32>
  // CHECK: exec.program @forward {{.*}} lower_bound 0
  exec.program @forward micro_step segment(forward) inputs ["x"] takes [#train.port<argument 0>] outputs ["y"] gives [#train.port<output 0>] {
    // CHECK: exec.buffer "x" {{.*}} in @caller[0]
    // CHECK: exec.buffer "t" {{.*}} in @frame[256]
    // CHECK: exec.buffer "y" {{.*}} in @caller[0]
    %xb = exec.buffer "x" bytes 256 category(activations) in @caller[0]
    %x = exec.view %xb[0] : memref<64xf32>
    exec.given 0 in %x : memref<64xf32>
    %tb = exec.buffer "t" bytes 256 category(workspace)
    %t = exec.view %tb[0] : memref<64xf32>
    %yb = exec.buffer "y" bytes 256 category(activations) in @caller[0]
    %y = exec.view %yb[0] : memref<64xf32>
    %fa = exec.get @"a:frame"
    %a = exec.view %fa[0] : memref<64xf32>
    %fb = exec.get @"b:frame"
    %b = exec.view %fb[0] : memref<64xf32>
    exec.call "aten::relu.out" out (%x) -> (%t) : (memref<64xf32>) -> memref<64xf32>
    exec.call "aten::relu.out" out (%t) -> (%a) : (memref<64xf32>) -> memref<64xf32>
    exec.call "aten::relu.out" out (%a) -> (%b) : (memref<64xf32>) -> memref<64xf32>
    exec.call "aten::relu.out" out (%b) -> (%y) : (memref<64xf32>) -> memref<64xf32>
    exec.return %y : memref<64xf32>
  }
  // CHECK: exec.program @backward {{.*}} lower_bound 256
  exec.program @backward micro_step segment(backward) inputs ["dy"] takes [#train.port<output_gradient 0>] outputs ["dx"] gives [#train.port<argument_gradient 0>] variant <outputs [0] arguments [0]> {
    %dyb = exec.buffer "dy" bytes 256 category(activations) in @caller[0]
    %dy = exec.view %dyb[0] : memref<64xf32>
    exec.given 0 in %dy : memref<64xf32>
    // CHECK: exec.buffer "u" {{.*}} in @work[0]
    // CHECK: exec.buffer "v" {{.*}} in @frame[256]
    %ub = exec.buffer "u" bytes 256 category(activations)
    %u = exec.view %ub[0] : memref<64xf32>
    %vb = exec.buffer "v" bytes 256 category(activations)
    %v = exec.view %vb[0] : memref<64xf32>
    %dxb = exec.buffer "dx" bytes 256 category(activations) in @caller[0]
    %dx = exec.view %dxb[0] : memref<64xf32>
    %fa = exec.get @"a:frame"
    %a = exec.view %fa[0] : memref<64xf32>
    %fb = exec.get @"b:frame"
    %b = exec.view %fb[0] : memref<64xf32>
    exec.call "aten::mul.out" out (%dy, %b) -> (%u) : (memref<64xf32>, memref<64xf32>) -> memref<64xf32>
    exec.call "aten::mul.out" out (%u, %a) -> (%v) : (memref<64xf32>, memref<64xf32>) -> memref<64xf32>
    exec.call "aten::mul.out" out (%v, %a) -> (%dx) : (memref<64xf32>, memref<64xf32>) -> memref<64xf32>
    exec.return %dx : memref<64xf32>
  }
  // CHECK: exec.program @retaining
  exec.program @retaining micro_step segment(backward) inputs ["dy"] takes [#train.port<output_gradient 0>] outputs ["dx"] gives [#train.port<argument_gradient 0>] variant <outputs [0] arguments [0] retain true> {
    %dyb = exec.buffer "dy" bytes 256 category(activations) in @caller[0]
    %dy = exec.view %dyb[0] : memref<64xf32>
    exec.given 0 in %dy : memref<64xf32>
    // CHECK: exec.buffer "u" {{.*}} in @work[0]
    %ub = exec.buffer "u" bytes 256 category(activations)
    %u = exec.view %ub[0] : memref<64xf32>
    %dxb = exec.buffer "dx" bytes 256 category(activations) in @caller[0]
    %dx = exec.view %dxb[0] : memref<64xf32>
    exec.call "aten::relu.out" out (%dy) -> (%u) : (memref<64xf32>) -> memref<64xf32>
    exec.call "aten::relu.out" out (%u) -> (%dx) : (memref<64xf32>) -> memref<64xf32>
    exec.return %dx : memref<64xf32>
  }
}

// -----

// What ranks exchange does not move with the frame.
// CHECK-LABEL: module @exchanged
module @exchanged {
  exec.arena @caller class(caller) space(device) bytes 0
  train.saved @a : tensor<64xf32>
  exec.frame @"a:frame" bytes 256 category(activations)
  exec.bind @a at @"a:frame"[0] : memref<64xf32>
  exec.program @forward micro_step segment(forward) inputs ["x"] takes [#train.port<argument 0>] outputs [] gives [] {
    %xb = exec.buffer "x" bytes 256 category(activations) in @caller[0]
    %x = exec.view %xb[0] : memref<64xf32>
    exec.given 0 in %x : memref<64xf32>
    // CHECK: exec.buffer "t" bytes 256 category(comm) in @work[0]
    %tb = exec.buffer "t" bytes 256 category(comm)
    %t = exec.view %tb[0] : memref<64xf32>
    %fa = exec.get @"a:frame"
    %a = exec.view %fa[0] : memref<64xf32>
    exec.call "aten::relu.out" out (%x) -> (%t) : (memref<64xf32>) -> memref<64xf32>
    exec.call "aten::relu.out" out (%x) -> (%a) : (memref<64xf32>) -> memref<64xf32>
  }
}
