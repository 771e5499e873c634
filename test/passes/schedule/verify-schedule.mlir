// RUN: regimen-opt %s -split-input-file -verify-diagnostics -regimen-verify-schedule

// A dropped event.
exec.program @p evaluation inputs ["a"] outputs [] {
  %0 = exec.buffer "a" bytes 4 category(workspace)
  %a = exec.view %0[0] : memref<f32>
  // expected-note @+1 {{the other access}}
  exec.load_input 0 -> %a : memref<f32>
  // expected-error @+1 {{on lane compute touches what lane copy touches, and no event orders the two}}
  exec.call "aten::exp.out" out (%a) -> (%a) : (memref<f32>) -> memref<f32>
}

// -----

// An event recorded before what it should cover.
exec.program @p evaluation inputs ["a"] outputs [] events 1 {
  %0 = exec.buffer "a" bytes 4 category(workspace)
  %a = exec.view %0[0] : memref<f32>
  exec.record 0 lane(copy)
  // expected-note @+1 {{the other access}}
  exec.load_input 0 -> %a : memref<f32>
  exec.wait 0 lane(compute)
  // expected-error @+1 {{no event orders the two}}
  exec.call "aten::exp.out" out (%a) -> (%a) : (memref<f32>) -> memref<f32>
}

// -----

exec.program @p evaluation inputs [] outputs [] events 1 {
  // expected-error @+1 {{waits for event 0, which is recorded by nothing before it}}
  exec.wait 0 lane(compute)
  exec.record 0 lane(copy)
}

// -----

exec.program @p evaluation inputs [] outputs [] events 1 {
  exec.record 0 lane(copy)
  // expected-error @+1 {{records event 0 a second time}}
  exec.record 0 lane(copy)
}

// -----

exec.program @p evaluation inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 8 category(workspace)
  %a = exec.view %0[0] : memref<f32>
  %both = exec.view %0[0] : memref<2xf32>
  exec.call "regimen::fill" own (scalar_int 0 : i64) -> (%a) : () -> memref<f32>
  // expected-error @+1 {{reads bytes 0 to 8 of buffer "a" before they are written}}
  exec.call "aten::exp.out" out (%both) -> (%both) : (memref<2xf32>) -> memref<2xf32>
}

// -----

// expected-error @+1 {{has no place: no exec.bind names it}}
train.parameter @w : tensor<4xf32> trainable

// -----

train.parameter @w : tensor<4xf32> trainable
exec.static @buffer bytes 64 category(params)
exec.bind @w at @buffer[0] : memref<4xf32>
// expected-error @+1 {{places @w a second time}}
exec.bind @w at @buffer[32] : memref<4xf32>

// -----

train.parameter @w : tensor<4xf32> trainable
train.parameter @v : tensor<4xf32> trainable
exec.static @buffer bytes 64 category(params)
exec.bind @w at @buffer[0] : memref<4xf32>
// expected-error @+1 {{places @v over @w}}
exec.bind @v at @buffer[12] : memref<4xf32>

// -----

// expected-error @+1 {{was not lowered to an exec.program}}
train.program @p update inputs [] outputs [] {
}
