// RUN: regimen-opt %s -split-input-file -regimen-plan-memory -regimen-verify-memory | FileCheck %s

// What dies gives its bytes to what is born later; static buffers lie end to end.
// CHECK-LABEL: module @reuse
module @reuse {
  // CHECK: exec.arena @static class({{ ?}}static) space({{ ?}}device) bytes 192
  // CHECK-NEXT: exec.arena @work class({{ ?}}work) space({{ ?}}device) bytes 512
  // CHECK: exec.static @s0 bytes 100 category({{ ?}}params) in @static[0]
  // CHECK: exec.static @s1 bytes 4 category({{ ?}}params) in @static[128]
  exec.static @s0 bytes 100 category(params)
  exec.static @s1 bytes 4 category(params)
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
  // CHECK: exec.arena @work class({{ ?}}work) space({{ ?}}device) bytes 256
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
  // CHECK: exec.arena @work class({{ ?}}work) space({{ ?}}device) bytes 128
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
