// RUN: regimen-opt %s -regimen-lower-to-exec -regimen-assign-events -regimen-verify-schedule | FileCheck %s

// Segments of two ranks, at stage 3 and at stage 0.
train.parameter @w : tensor<10xf32> trainable
train.parameter @v : tensor<10xf32> trainable
train.parameter @a : tensor<10xf32> trainable
train.parameter @b : tensor<10xf32> trainable
train.gradient @"w:grad" of @w : tensor<10xf32>
train.gradient @"v:grad" of @v : tensor<10xf32>
train.gradient @"a:grad" of @a : tensor<10xf32>
train.gradient @"b:grad" of @b : tensor<10xf32>
dist.mesh @mesh [dp = 2]
dist.bucket @sharded parameters [@w, @v] offsets [0, 64] elements 512 : f32 trainable zero 3
dist.bucket @whole parameters [@a, @b] offsets [0, 64] elements 512 : f32 trainable
dist.segment @"w:segment" of @w in @sharded : tensor<10xf32>
dist.segment @"v:segment" of @v in @sharded : tensor<10xf32>
dist.segment @"w:grad:segment" of @"w:grad" in @sharded : tensor<10xf32>
dist.segment @"v:grad:segment" of @"v:grad" in @sharded : tensor<10xf32>

// An output that is a sharded parameter is copied from the window to the caller.
// CHECK-LABEL: exec.program @forward
// CHECK: %[[P:.*]] = exec.buffer "sharded.params" bytes 2048 category(comm)
// CHECK: %[[W:.*]] = exec.view %[[P]][0] : memref<10xf32>
// CHECK: %[[OUT:.*]] = exec.buffer "w" {{.*}}@caller
// CHECK: %[[C:.*]] = exec.view %[[OUT]][0] : memref<10xf32>
// CHECK: exec.call "regimen::copy" own (%[[W]]) -> (%[[C]])
// CHECK: exec.return %[[C]]
train.program @forward micro_step segment(forward) inputs [] takes [] outputs ["w"] gives [#train.port<output 0>] dependences [#train.depends<parameters[0]>] {
  %p = dist.start all_gather @sharded
  dist.wait %p
  %w = train.read @w : tensor<10xf32>
  dist.release @sharded
  train.return %w : tensor<10xf32>
}

// Contributions and zeros are made in the window; what is reduced in place are the gradients that the program names.
// CHECK-LABEL: exec.program @later
// CHECK: %[[WINDOW:.*]] = exec.buffer "sharded.grads" bytes 2048 category(comm)
// CHECK-DAG: %[[GW:.*]] = exec.view %[[WINDOW]][0] : memref<10xf32>
// CHECK-DAG: %[[GV:.*]] = exec.view %[[WINDOW]][256] : memref<10xf32>
// CHECK-DAG: exec.call "regimen::copy" own (%{{.*}}) -> (%[[GW]])
// CHECK-DAG: exec.call "regimen::fill" own ({{.*}}) -> (%[[GV]])
// CHECK: exec.collective reduce_scatter @sharded accumulate
// CHECK-SAME: members(%[[GW]], %[[GV]] :
// CHECK: train.hyper has_gradient group 2
// CHECK: exec.call "regimen::accumulate_gradient" own (%[[GA:[a-z0-9]+]],
// CHECK: exec.collective all_reduce @whole
// CHECK-SAME: members(%[[GA]] :
train.program @later micro_step contribution(later) segment(backward) inputs ["g"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs[0]parameters[0, 2]gradients[0, 2]> {
^bb0(%g: tensor<10xf32>):
  train.write %g, @"w:grad" : tensor<10xf32>
  %zeros = aten.zeros() {size = array<i64: 10>, dtype = f32} : () -> tensor<10xf32>
  train.write %zeros, @"v:grad" : tensor<10xf32>
  %r = dist.start reduce_scatter @sharded accumulate
  dist.wait %r
  train.accumulate %g, @"a:grad" group 2 : tensor<10xf32>
  %q = dist.start all_reduce @whole
  dist.wait %q
}
