// RUN: regimen-opt %s | regimen-opt | FileCheck %s

// CHECK: exec.arena @static class(static) space(device)
exec.arena @static class(static) space(device)
// CHECK: exec.arena @work class(work) space(device) bytes 4096
exec.arena @work class(work) space(device) bytes 4096
train.parameter @w : tensor<4x8xf32> trainable
// CHECK: exec.static @params bytes 256 category(params) in @static[64]
exec.static @params bytes 256 category(params) in @static[64]
// CHECK: exec.static @constant bytes 8 category(workspace) = dense<[1, 2]> : tensor<2xi32>
exec.static @constant bytes 8 category(workspace) = dense<[1, 2]> : tensor<2xi32>
// CHECK: exec.bind @w at @params[128] : memref<4x8xf32>
exec.bind @w at @params[128] : memref<4x8xf32>

// CHECK: exec.program @step micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 events 1 lower_bound 640
exec.program @step micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 events 1 lower_bound 640 {
  // CHECK: %[[BUFFER:.+]] = exec.buffer "x" bytes 128 category(activations) in @work[0]
  %0 = exec.buffer "x" bytes 128 category(activations) in @work[0]
  // CHECK: %[[X:.+]] = exec.view %[[BUFFER]][0] : memref<8x4xf32, strided<[1, 8]>>
  %x = exec.view %0[0] : memref<8x4xf32, strided<[1, 8]>>
  // CHECK: exec.load_input 0 -> %[[X]]
  exec.load_input 0 -> %x : memref<8x4xf32, strided<[1, 8]>>
  // CHECK: exec.record 0 lane(copy)
  exec.record 0 lane(copy)
  // CHECK: exec.wait 0 lane(compute)
  exec.wait 0 lane(compute)
  // CHECK: exec.get @params
  %1 = exec.get @params
  %w = exec.view %1[128] : memref<4x8xf32>
  %2 = exec.buffer "scratch" bytes 512 category(workspace)
  %lr = train.hyper lr group 0
  %3 = exec.buffer "y" bytes 64 category(workspace)
  %y = exec.view %3[0] : memref<4x4xf32>
  // CHECK: exec.call "aten::addmm.out" out (%{{.+}}, %{{.+}}, %[[X]], scalar_int 1 : i64, %{{.+}} register) -> (%{{.+}}) scratch(%{{.+}})
  exec.call "aten::addmm.out" out (%y, %w, %x, scalar_int 1 : i64, %lr register) -> (%y) scratch(%2)
    : (memref<4x4xf32>, memref<4x8xf32>, memref<8x4xf32, strided<[1, 8]>>, f64) -> memref<4x4xf32>
  // CHECK: exec.call "aten::index.Tensor_out" out (%{{.+}}, optional [none, %{{.+}}]) -> (%{{.+}}) :
  exec.call "aten::index.Tensor_out" out (%y, optional [none, %y]) -> (%y) : (memref<4x4xf32>, memref<4x4xf32>) -> memref<4x4xf32>
  // CHECK: exec.call "aten::_fused_adamw_" in_place ([%{{.+}}, %{{.+}}], [], none, default, float 1.000000e+00 : f64, bool true, ints array<i64: 1, 2>, floats array<f64: 1.000000e+00>, bools array<i1: true>, dtype f32, string "mean", scalar_float 2.000000e+00 : f64, scalar_bool false) lane(comm)
  exec.call "aten::_fused_adamw_" in_place ([%y, %w], [], none, default, float 1.0 : f64, bool true, ints array<i64: 1, 2>,
    floats array<f64: 1.0>, bools array<i1: true>, dtype f32, string "mean", scalar_float 2.0 : f64, scalar_bool false) lane(comm)
    : (memref<4x4xf32>, memref<4x8xf32>) -> ()
  %loss = exec.view %3[0] : memref<f32>
  exec.return %loss : memref<f32>
}

// CHECK: exec.program @nothing
exec.program @nothing update inputs [] outputs [] {
}

// CHECK: exec.bind @"sharded:segment" at @shard[0] segment<64, 300, 256, shard> : memref<256xf32>
train.parameter @sharded : tensor<300xf32> trainable
train.parameter @before : tensor<64xf32> trainable
dist.bucket @sharded_bucket parameters [@before, @sharded] offsets [0, 64] elements 512 : f32 trainable zero 3
dist.segment @"sharded:segment" of @sharded in @sharded_bucket : tensor<256xf32>
exec.static @shard bytes 1024 category(params)
exec.bind @"sharded:segment" at @shard[0] segment<64, 300, 256, shard> : memref<256xf32>

// CHECK-LABEL: exec.program @collectives
exec.program @collectives update inputs [] outputs [] {
  %shard = exec.get @shard
  %window = exec.buffer "window" bytes 2048 category(comm)
  %received = exec.buffer "received" bytes 1024 category(comm)
  %part = exec.view %shard[0] : memref<256xf32>
  %whole = exec.view %window[0] : memref<512xf32>
  // CHECK: exec.view %{{.*}}[256] segment<64, 300, 256, whole> : memref<256xf32>
  %member = exec.view %window[256] segment<64, 300, 256, whole> : memref<256xf32>
  // CHECK: exec.collective all_gather @sharded_bucket whole(%{{.*}} : memref<512xf32>) part(%{{.*}} : memref<256xf32>){{$}}
  exec.collective all_gather @sharded_bucket whole(%whole : memref<512xf32>) part(%part : memref<256xf32>)
  // CHECK: exec.collective reduce_scatter @sharded_bucket accumulate whole(%{{.*}} : memref<512xf32>) part(%{{.*}} : memref<256xf32>) members(%{{.*}} : memref<256xf32>) scratch(%{{.*}}){{$}}
  exec.collective reduce_scatter @sharded_bucket accumulate whole(%whole : memref<512xf32>) part(%part : memref<256xf32>) members(%member : memref<256xf32>) scratch(%received)
}
