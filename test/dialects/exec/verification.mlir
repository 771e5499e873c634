// RUN: regimen-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{is smaller than its value}}
exec.static @constant bytes 4 category(workspace) = dense<[1, 2]> : tensor<2xi32>

// -----

// expected-error @+1 {{names @nowhere, which is no arena}}
exec.static @buffer bytes 4 category(params) in @nowhere[0]

// -----

exec.arena @static class(static) space(device)
// expected-error @+1 {{is at offset 32, which is no multiple of 64}}
exec.static @buffer bytes 4 category(params) in @static[32]

// -----

// expected-error @+1 {{needs both an arena and an offset, or neither}}
"exec.static"() <{sym_name = "buffer", bytes = 4 : i64, category = #exec<category params>, offset = 0 : i64}> : () -> ()

// -----

// expected-error @+1 {{has a negative size}}
exec.static @buffer bytes -1 category(params)

// -----

exec.static @buffer bytes 64 category(params)
// expected-error @+1 {{names @w, which is no parameter, buffer, gradient or state}}
exec.bind @w at @buffer[0] : memref<4xf32>

// -----

train.parameter @w : tensor<4xf32> trainable
// expected-error @+1 {{names @buffer, which is no static or frame buffer}}
exec.bind @w at @buffer[0] : memref<4xf32>

// -----

train.parameter @w : tensor<4xf32> trainable
exec.static @buffer bytes 64 category(params)
// expected-error @+1 {{places 'tensor<4xf32>' as 'memref<5xf32>'}}
exec.bind @w at @buffer[0] : memref<5xf32>

// -----

train.parameter @w : tensor<4xf32> trainable
exec.static @buffer bytes 64 category(params)
// expected-error @+1 {{needs a memref type}}
exec.bind @w at @buffer[0] : tensor<4xf32>

// -----

train.parameter @w : tensor<4xf32> trainable
exec.static @buffer bytes 64 category(params)
// expected-error @+1 {{ends at byte 68 of a buffer of 64 bytes}}
exec.bind @w at @buffer[52] : memref<4xf32>

// -----

// expected-error @+1 {{returns 0 tensors for 1 outputs}}
exec.program @p update inputs [] outputs ["y"] {
}

// -----

// expected-error @+1 {{loss is output 1 of 0}}
exec.program @p update inputs [] outputs [] loss 1 {
}

// -----

// expected-error @+1 {{takes no block arguments}}
exec.program @p update inputs [] outputs [] {
^bb0(%x: tensor<f32>):
}

// -----

train.parameter @w : tensor<4xf32> trainable
exec.program @p update inputs [] outputs [] {
  // expected-error @+1 {{cannot be in an exec.program}}
  %w = train.read @w : tensor<4xf32>
}

// -----

exec.program @p update inputs ["x"] outputs [] {
  %0 = exec.buffer "x" bytes 4 category(workspace)
  %x = exec.view %0[0] : memref<f32>
  exec.load_input 0 -> %x : memref<f32>
  // expected-error @+1 {{loads input 0 a second time}}
  exec.load_input 0 -> %x : memref<f32>
}

// -----

exec.program @p update inputs ["x"] outputs [] {
  %0 = exec.buffer "x" bytes 4 category(workspace)
  %x = exec.view %0[0] : memref<f32>
  // expected-error @+1 {{loads input 1 of 1}}
  exec.load_input 1 -> %x : memref<f32>
}

// -----

exec.program @p update inputs [] outputs [] {
  // expected-error @+1 {{names @buffer, which is no static or frame buffer}}
  %0 = exec.get @buffer
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  // expected-error @+1 {{ends at byte 12 of a buffer of 8 bytes}}
  %x = exec.view %0[0] : memref<2xf32, strided<[2]>>
}

// -----

exec.static @buffer bytes 8 category(params)
exec.program @p update inputs [] outputs [] {
  %0 = exec.get @buffer
  // expected-error @+1 {{ends at byte 12 of a buffer of 8 bytes}}
  %x = exec.view %0[4] : memref<2xf32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  // expected-error @+1 {{is at byte 2, which is no element's}}
  %x = exec.view %0[2] : memref<f32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  // expected-error @+1 {{needs a static shape}}
  %x = exec.view %0[0] : memref<?xf32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  // expected-error @+1 {{needs a strided tensor}}
  %x = exec.view %0[0] : memref<2xf32, affine_map<(d0) -> (d0 mod 2)>>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  %x = exec.view %0[0] : memref<f32>
  // expected-error @+1 {{a kernel of mode out starts with aten::}}
  exec.call "regimen::copy" out (%x) -> (%x) : (memref<f32>) -> memref<f32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  %x = exec.view %0[0] : memref<f32>
  // expected-error @+1 {{has 1 results in mode in_place}}
  exec.call "aten::_fused_adamw_" in_place (%x) -> (%x) : (memref<f32>) -> memref<f32>
}

// -----

exec.program @p update inputs [] outputs [] {
  // expected-error @+1 {{has 0 results in mode own}}
  exec.call "regimen::fill" own (scalar_float 1.0 : f64) : () -> ()
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  %x = exec.view %0[0] : memref<f32>
  // expected-error @+1 {{has 'memref<f32>' as argument 0 of kind 'register'}}
  exec.call "regimen::fill" own (%x register) -> (%x) : (memref<f32>) -> memref<f32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  %x = exec.view %0[0] : memref<f32>
  // expected-error @+1 {{has 1 operands for arguments that take 0}}
  "exec.call"(%x, %x) <{kernel = "regimen::fill", mode = #exec<kernel_mode own>, args = [#exec.arg<default>], operandSegmentSizes = array<i32: 1, 1, 0>}> : (memref<f32>, memref<f32>) -> ()
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  %x = exec.view %0[0] : memref<f32>
  // expected-error @+1 {{an argument of kind 'int' cannot hold 1.000000e+00 : f64}}
  exec.call "regimen::fill" own (int 1.0 : f64) -> (%x) : () -> memref<f32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "x" bytes 8 category(workspace)
  %x = exec.view %0[0] : memref<f32>
  // expected-error @+1 {{unknown kind of argument 'complex'}}
  exec.call "regimen::fill" own (complex 1.0 : f64) -> (%x) : () -> memref<f32>
}

// -----

exec.program @p update inputs [] outputs [] events 1 {
  // expected-error @+1 {{uses event 1 of 1}}
  exec.record 1 lane(copy)
}

// -----

exec.program @p update inputs [] outputs [] {
  // expected-error @+1 {{uses event 0 of 0}}
  exec.wait 0 lane(compute)
}

// -----

// expected-error @+1 {{has a negative size}}
exec.frame @f bytes -1 category(activations)

// -----

// expected-error @+1 {{names @nowhere, which is no arena}}
exec.frame @f bytes 64 category(activations) in @nowhere[0]

// -----

train.parameter @w : tensor<16xf32> trainable
exec.frame @f bytes 64 category(activations)
// expected-error @+1 {{places @w in @f; frames hold what a forward saves, and nothing else}}
exec.bind @w at @f[0] : memref<16xf32>

// -----

train.saved @a : tensor<16xf32>
exec.static @s bytes 64 category(params)
// expected-error @+1 {{places @a in @s; frames hold what a forward saves, and nothing else}}
exec.bind @a at @s[0] : memref<16xf32>

// -----

exec.program @p evaluation inputs ["x"] takes [#train.port<argument 0>] outputs [] {
  %b = exec.buffer "x" bytes 4 category(activations)
  %x = exec.view %b[0] : memref<f32>
  // expected-error @+1 {{loads what the caller brings}}
  exec.load_input 0 -> %x : memref<f32>
}

// -----

exec.program @p evaluation inputs ["x"] outputs [] {
  %b = exec.buffer "x" bytes 4 category(activations)
  %x = exec.view %b[0] : memref<f32>
  // expected-error @+1 {{takes from a caller what is loaded}}
  exec.given 0 in %x : memref<f32>
}

// -----

exec.program @p evaluation inputs ["x"] takes [#train.port<argument 0>] outputs [] {
  %b = exec.buffer "x" bytes 4 category(activations)
  %x = exec.view %b[0] : memref<f32>
  exec.given 0 in %x : memref<f32>
  // expected-error @+1 {{names input 0 a second time}}
  exec.given 0 in %x : memref<f32>
}

// -----

exec.program @p evaluation inputs ["x"] takes [#train.port<argument 0>] outputs [] {
  %b = exec.buffer "x" bytes 4 category(activations)
  %x = exec.view %b[0] : memref<f32>
  // expected-error @+1 {{names input 1 of 1}}
  exec.given 1 in %x : memref<f32>
}

// -----

// expected-error @+1 {{has 0 entries in 'takes' for 1}}
exec.program @p evaluation inputs ["x"] takes [] outputs [] {
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  // expected-error @+1 {{has type 'memref<8xf32>', but a segment of at most 4 elements}}
  %x = exec.view %0[0] segment<0, 8, 4, own> : memref<8xf32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  // expected-error @+1 {{is at byte 16, but where a segment starts depends on the rank}}
  %x = exec.view %0[16] segment<0, 4, 8, shard> : memref<4xf32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  // expected-error @+1 {{ends at byte 128 of a buffer of 64 bytes}}
  %x = exec.view %0[0] segment<0, 4, 32, shard> : memref<4xf32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  // expected-error @+1 {{ends at byte 72 of a buffer of 64 bytes}}
  %x = exec.view %0[32] segment<8, 10, 4, whole> : memref<4xf32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  // expected-error @+1 {{a segment needs elements of a bucket and shards of at least one}}
  %x = exec.view %0[0] segment<0, 4, 0, own> : memref<4xf32>
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  %1 = exec.buffer "b" bytes 64 category(comm)
  %w = exec.view %0[0] : memref<8xf32>
  %p = exec.view %1[0] : memref<4xf32>
  %q = exec.view %1[0] : memref<3xf32>
  %m = exec.view %0[0] : memref<2xf32>
  // expected-error @+1 {{has a part of type 'memref<3xf32>', which does not divide 'memref<8xf32>'}}
  exec.collective all_gather whole(%w : memref<8xf32>) part(%q : memref<3xf32>)
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  %1 = exec.buffer "b" bytes 64 category(comm)
  %w = exec.view %0[0] : memref<8xf32>
  %p = exec.view %1[0] : memref<4xf32>
  %q = exec.view %1[0] : memref<3xf32>
  %m = exec.view %0[0] : memref<2xf32>
  // expected-error @+1 {{has a part, but leaves the whole on every rank}}
  exec.collective all_reduce whole(%w : memref<8xf32>) part(%p : memref<4xf32>) members(%m : memref<2xf32>)
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  %1 = exec.buffer "b" bytes 64 category(comm)
  %w = exec.view %0[0] : memref<8xf32>
  %p = exec.view %1[0] : memref<4xf32>
  %q = exec.view %1[0] : memref<3xf32>
  %m = exec.view %0[0] : memref<2xf32>
  // expected-error @+1 {{accumulates, but reduces to no part}}
  exec.collective reduce_scatter accumulate whole(%w : memref<8xf32>) members(%m : memref<2xf32>)
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  %1 = exec.buffer "b" bytes 64 category(comm)
  %w = exec.view %0[0] : memref<8xf32>
  %p = exec.view %1[0] : memref<4xf32>
  %q = exec.view %1[0] : memref<3xf32>
  %m = exec.view %0[0] : memref<2xf32>
  // expected-error @+1 {{reduces, but names no tensor to reduce}}
  exec.collective reduce_scatter whole(%w : memref<8xf32>)
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  %1 = exec.buffer "b" bytes 64 category(comm)
  %w = exec.view %0[0] : memref<8xf32>
  %p = exec.view %1[0] : memref<4xf32>
  %q = exec.view %1[0] : memref<3xf32>
  %m = exec.view %0[0] : memref<2xf32>
  // expected-error @+1 {{gathers, but names tensors to reduce}}
  exec.collective all_gather whole(%w : memref<8xf32>) members(%m : memref<2xf32>)
}

// -----

exec.program @p update inputs [] outputs [] {
  %0 = exec.buffer "a" bytes 64 category(comm)
  %1 = exec.buffer "b" bytes 64 category(comm)
  %w = exec.view %0[0] : memref<8xf32>
  %p = exec.view %1[0] : memref<4xf32>
  %q = exec.view %1[0] : memref<3xf32>
  %m = exec.view %0[0] : memref<2xf32>
  // expected-error @+1 {{reduces a tensor that is not in the whole}}
  exec.collective reduce_scatter whole(%w : memref<8xf32>) members(%p : memref<4xf32>)
}
