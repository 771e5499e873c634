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

// -----

// A forward that leaves a hole in its frame.
train.saved @a : tensor<16xf32>
exec.frame @f bytes 64 category(activations)
exec.bind @a at @f[0] : memref<16xf32>
// expected-error @+1 {{does not write all of "f", from which its backwards go on}}
exec.program @forward micro_step segment(forward) inputs [] takes [] outputs [] gives [] {
  %fb = exec.get @f
  %half = exec.view %fb[0] : memref<8xf32>
  exec.call "aten::fill.Scalar_out" out () -> (%half) : () -> memref<8xf32>
}

// -----

// What the caller brings is there; another tensor of its is not.
exec.arena @caller class(caller) space(device) bytes 0
exec.program @p evaluation inputs ["x"] takes [#train.port<argument 0>] outputs ["y"] gives [#train.port<output 0>] {
  %xb = exec.buffer "x" bytes 64 category(activations) in @caller[0]
  %x = exec.view %xb[0] : memref<16xf32>
  exec.given 0 in %x : memref<16xf32>
  %zb = exec.buffer "z" bytes 64 category(activations) in @caller[0]
  %z = exec.view %zb[0] : memref<16xf32>
  %yb = exec.buffer "y" bytes 64 category(activations) in @caller[0]
  %y = exec.view %yb[0] : memref<16xf32>
  exec.call "aten::relu.out" out (%x) -> (%y) : (memref<16xf32>) -> memref<16xf32>
  // expected-error @+1 {{reads bytes 0 to 64 of buffer "z" before they are written}}
  exec.call "aten::relu.out" out (%z) -> (%y) : (memref<16xf32>) -> memref<16xf32>
  exec.return %y : memref<16xf32>
}

// -----

// Calls run where their tensors are; only a move has some of both.
exec.static @s bytes 16 category(optimizer) space(host)
exec.program @p update inputs [] outputs [] events 2 {
  %sb = exec.get @s
  %s = exec.view %sb[0] : memref<4xf32>
  %hb = exec.buffer "h" bytes 16 category(workspace) space(host)
  %h = exec.view %hb[0] : memref<4xf32>
  %db = exec.buffer "d" bytes 16 category(workspace)
  %d = exec.view %db[0] : memref<4xf32>
  exec.call "aten::exp.out" out (%s) -> (%h) : (memref<4xf32>) -> memref<4xf32>
  exec.record 0 lane(compute)
  exec.wait 0 lane(copy)
  exec.call "regimen::move" own (%h) -> (%d) lane(copy) : (memref<4xf32>) -> memref<4xf32>
  exec.record 1 lane(copy)
  exec.wait 1 lane(compute)
  // expected-error @+1 {{touches buffers of the device and of the host}}
  exec.call "aten::exp.out" out (%s) -> (%d) : (memref<4xf32>) -> memref<4xf32>
}

// -----

exec.static @s bytes 16 category(optimizer) space(host)
exec.program @p update inputs [] outputs [] {
  %sb = exec.get @s
  %s = exec.view %sb[0] : memref<4xf32>
  %hb = exec.buffer "h" bytes 16 category(workspace) space(host)
  %h = exec.view %hb[0] : memref<4xf32>
  // expected-error @+1 {{is a move, but not from one memory to the other on lane copy}}
  exec.call "regimen::move" own (%s) -> (%h) lane(copy) : (memref<4xf32>) -> memref<4xf32>
}

// -----

exec.static @s bytes 16 category(optimizer) space(host)
exec.program @p update inputs [] outputs [] {
  %sb = exec.get @s
  %s = exec.view %sb[0] : memref<4xf32>
  %db = exec.buffer "d" bytes 16 category(workspace)
  %d = exec.view %db[0] : memref<4xf32>
  // expected-error @+1 {{is a move, but not from one memory to the other on lane copy}}
  exec.call "regimen::move" own (%s) -> (%d) : (memref<4xf32>) -> memref<4xf32>
}

// -----

exec.program @p evaluation inputs ["a"] outputs [] {
  %0 = exec.buffer "a" bytes 4 category(workspace) space(host)
  %a = exec.view %0[0] : memref<f32>
  // expected-error @+1 {{touches a buffer of the host}}
  exec.load_input 0 -> %a : memref<f32>
}
