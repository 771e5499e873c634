// RUN: regimen-opt %s -regimen-offload-states=parameters=true | FileCheck %s --check-prefixes=CHECK,MOVE
// RUN: regimen-opt %s -regimen-offload-states=parameters=true -regimen-lower-to-exec=fuse=false -regimen-assign-events -regimen-verify-schedule | FileCheck %s --check-prefix=EXEC
// RUN: regimen-opt %s '-regimen-offload-states=parameters=true optimizer=true' | FileCheck %s --check-prefix=BOTH

// Shards of parameters come from the host: into their place in a gather's window, and to the update's device.
dist.mesh @mesh [dp = 2]
// MOVE: dist.bucket @b {{.*}} zero 3 host_parameters
// BOTH: dist.bucket @b {{.*}} zero 3 host_states host_parameters
dist.bucket @b parameters [@w] offsets [0] elements 512 : f32 trainable zero 3
// EXEC: exec.static @b.params bytes 1024 category(params) space(host)
// EXEC: exec.static @b.grads bytes 1024 category(grads)
train.parameter @w : tensor<300xf32> trainable
train.gradient @"w:grad" of @w : tensor<300xf32>
dist.segment @"w:segment" of @w in @b : tensor<256xf32>
dist.segment @"w:grad:segment" of @"w:grad" in @b : tensor<256xf32>
// EXEC-LABEL: exec.program @evaluate
train.program @evaluate evaluation inputs [] outputs ["y"] loss 0 {
  // EXEC: %[[P:.*]] = exec.get @b.params
  // EXEC: %[[FROM:.*]] = exec.view %[[P]][0] segment<0, 512, 256, shard> : memref<256xf32>
  // EXEC: %[[TO:.*]] = exec.view %{{.*}}[0] segment<0, 512, 256, whole> : memref<256xf32>
  // EXEC: exec.call "regimen::move" own (%[[FROM]]) -> (%[[TO]]) lane(copy)
  // EXEC: exec.collective all_gather @b whole(%{{.*}} : memref<512xf32>){{$}}
  %g = dist.start all_gather @b
  dist.wait %g
  %w = train.read @w : tensor<300xf32>
  %y = aten.sum(%w) : (tensor<300xf32>) -> tensor<f32>
  dist.release @b
  train.return %y : tensor<f32>
}
// CHECK-LABEL: train.program @update
// BOTH-LABEL: train.program @update
train.program @update update inputs [] outputs [] {
  // CHECK: %[[G:.*]] = train.read @"w:grad:segment"
  // CHECK: %[[W:.*]] = train.read @"w:segment"
  // MOVE: %[[D:.*]] = dist.move %[[W]] to device
  // MOVE: aten.add.Tensor(%[[D]], %[[G]]
  // MOVE-NEXT: %[[BACK:.*]] = dist.move %{{.*}} to host
  // MOVE-NEXT: train.write %[[BACK]], @"w:segment"
  // BOTH: %[[W:.*]] = train.read @"w:segment"
  // BOTH: %[[GH:.*]] = dist.move %{{.*}} to host
  // BOTH: %[[N:.*]] = aten.add.Tensor(%[[W]], %[[GH]]
  // BOTH-NEXT: train.write %[[N]], @"w:segment"
  %gr = train.read @"w:grad:segment" : tensor<256xf32>
  %w = train.read @"w:segment" : tensor<256xf32>
  %lr = train.hyper lr group 0
  %n = aten.add.Tensor(%w, %gr, %lr) : (tensor<256xf32>, tensor<256xf32>, f64) -> tensor<256xf32>
  train.write %n, @"w:segment" : tensor<256xf32>
}
