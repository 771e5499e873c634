// RUN: regimen-opt %s -split-input-file -pass-pipeline='builtin.module(exec.program(regimen-assign-events),regimen-verify-schedule)' | FileCheck %s

// CHECK-LABEL: exec.program @loads
// CHECK-SAME: events 1
exec.program @loads evaluation inputs ["a", "b"] outputs [] {
  %0 = exec.buffer "a" bytes 4 category(workspace)
  %a = exec.view %0[0] : memref<f32>
  %1 = exec.buffer "b" bytes 4 category(workspace)
  %b = exec.view %1[0] : memref<f32>
  // CHECK: exec.load_input 0
  // CHECK-NOT: exec.record
  exec.load_input 0 -> %a : memref<f32>
  // CHECK: exec.load_input 1
  // CHECK-NEXT: exec.record 0 lane(copy)
  exec.load_input 1 -> %b : memref<f32>
  // CHECK: exec.wait 0 lane(compute)
  // CHECK-NEXT: exec.call "aten::exp.out"
  exec.call "aten::exp.out" out (%b) -> (%b) : (memref<f32>) -> memref<f32>
  // The second load is done, so the first is: no wait.
  // CHECK-NEXT: exec.call "aten::sin.out"
  exec.call "aten::sin.out" out (%a) -> (%a) : (memref<f32>) -> memref<f32>
}

// -----

// Reads of two lanes need no order; a write after a read of another lane does.
// CHECK-LABEL: exec.program @reads
// CHECK-SAME: events 1
exec.program @reads evaluation inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 8 category(workspace)
  %a = exec.view %0[0] : memref<f32>
  %far = exec.view %0[4] : memref<f32>
  %1 = exec.buffer "b" bytes 4 category(workspace)
  %b = exec.view %1[0] : memref<f32>
  exec.call "regimen::fill" own (scalar_int 0 : i64) -> (%a) : () -> memref<f32>
  // CHECK: exec.record 0 lane(compute)
  // CHECK: exec.wait 0 lane(comm)
  // CHECK-NEXT: exec.call "aten::exp.out"
  exec.call "aten::exp.out" out (%a) -> (%b) lane(comm) : (memref<f32>) -> memref<f32>
  // CHECK-NOT: exec.wait
  // CHECK: exec.call "aten::sin.out"
  exec.call "aten::sin.out" out (%a) -> (%far) : (memref<f32>) -> memref<f32>
}

// -----

// What reads of two loads waits for the later one, whichever operand that is.
// CHECK-LABEL: exec.program @later
// CHECK-SAME: events 1
exec.program @later evaluation inputs ["a", "b"] outputs [] {
  %0 = exec.buffer "a" bytes 4 category(workspace)
  %a = exec.view %0[0] : memref<f32>
  %1 = exec.buffer "b" bytes 4 category(workspace)
  %b = exec.view %1[0] : memref<f32>
  %2 = exec.buffer "c" bytes 4 category(workspace)
  %c = exec.view %2[0] : memref<f32>
  exec.load_input 0 -> %a : memref<f32>
  // CHECK: exec.load_input 1
  // CHECK-NEXT: exec.record 0 lane(copy)
  exec.load_input 1 -> %b : memref<f32>
  // CHECK: exec.wait 0 lane(compute)
  // CHECK-NEXT: exec.call "aten::mul.out"
  exec.call "aten::mul.out" out (%b, %a) -> (%c) : (memref<f32>, memref<f32>) -> memref<f32>
}
