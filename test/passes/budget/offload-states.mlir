// RUN: regimen-opt %s -split-input-file -regimen-offload-states=optimizer=true | FileCheck %s

// What an update computes of its states runs on the host. Moves for @v start before the ops of @w, and back behind them.
dist.mesh @mesh [dp = 1]
// CHECK: dist.bucket @b {{.*}} trainable host_states
dist.bucket @b parameters [@w, @v] offsets [0, 64] elements 256 : f32 trainable
train.parameter @w : tensor<8xf32> trainable
train.gradient @"w:grad" of @w : tensor<8xf32>
train.state @"w:m" of @w slot "m" : tensor<8xf32>
train.parameter @v : tensor<8xf32> trainable
train.gradient @"v:grad" of @v : tensor<8xf32>
train.state @"v:m" of @v slot "m" : tensor<8xf32>
// CHECK-LABEL: train.program @update
train.program @update update inputs [] outputs ["grad_norm"] grad_norm 0 {
  // CHECK: %[[GW:.*]] = train.read @"w:grad"
  // CHECK: %[[GV:.*]] = train.read @"v:grad"
  // CHECK: train.global_norm %[[GW]], %[[GV]]
  %gw = train.read @"w:grad" : tensor<8xf32>
  %gv = train.read @"v:grad" : tensor<8xf32>
  %norm = train.global_norm %gw, %gv : (tensor<8xf32>, tensor<8xf32>) -> tensor<f32>
  %one = arith.constant 1.0 : f64
  // CHECK: %[[MW:.*]] = train.read @"w:m"
  // CHECK-NEXT: %[[GWH:.*]] = dist.move %[[GW]] to host
  // CHECK: %[[GVH:.*]] = dist.move %[[GV]] to host
  // CHECK: %[[NW:.*]] = aten.add.Tensor(%[[MW]], %[[GWH]]
  %mw = train.read @"w:m" : tensor<8xf32>
  %nw = aten.add.Tensor(%mw, %gw, %one) : (tensor<8xf32>, tensor<8xf32>, f64) -> tensor<8xf32>
  // CHECK: train.write %[[NW]], @"w:m"
  train.write %nw, @"w:m" : tensor<8xf32>
  // CHECK: %[[BACK:.*]] = dist.move %[[NW]] to device
  // CHECK-NEXT: train.write %[[BACK]], @w
  train.write %nw, @w : tensor<8xf32>
  // CHECK: %[[MV:.*]] = train.read @"v:m"
  // CHECK: aten.add.Tensor(%[[MV]], %[[GVH]]
  %mv = train.read @"v:m" : tensor<8xf32>
  %nv = aten.add.Tensor(%mv, %gv, %one) : (tensor<8xf32>, tensor<8xf32>, f64) -> tensor<8xf32>
  train.write %nv, @"v:m" : tensor<8xf32>
  train.write %nv, @v : tensor<8xf32>
  train.return %norm : tensor<f32>
}

// -----

// One fused kernel a bucket, its writes behind it; the operands of the second come before the first.
dist.mesh @mesh [dp = 1]
dist.bucket @b0 parameters [@w] offsets [0] elements 256 : f32 trainable
dist.bucket @b1 parameters [@v] offsets [0] elements 256 : f32 trainable
train.parameter @w : tensor<8xf32> trainable
train.gradient @"w:grad" of @w : tensor<8xf32>
train.state @"w:exp_avg" of @w slot "exp_avg" : tensor<8xf32>
train.state @"w:exp_avg_sq" of @w slot "exp_avg_sq" : tensor<8xf32>
train.parameter @v : tensor<4xf32> trainable
train.gradient @"v:grad" of @v : tensor<4xf32>
train.state @"v:exp_avg" of @v slot "exp_avg" : tensor<4xf32>
train.state @"v:exp_avg_sq" of @v slot "exp_avg_sq" : tensor<4xf32>
// CHECK-LABEL: train.program @update
train.program @update update inputs [] outputs [] {
  %gw = train.read @"w:grad" : tensor<8xf32>
  %gv = train.read @"v:grad" : tensor<4xf32>
  %w = train.read @w : tensor<8xf32>
  %mw = train.read @"w:exp_avg" : tensor<8xf32>
  %sw = train.read @"w:exp_avg_sq" : tensor<8xf32>
  %v = train.read @v : tensor<4xf32>
  %mv = train.read @"v:exp_avg" : tensor<4xf32>
  %sv = train.read @"v:exp_avg_sq" : tensor<4xf32>
  // CHECK-COUNT-2: dist.move %{{.*}} to host : tensor<8xf32>
  // CHECK-COUNT-2: dist.move %{{.*}} to host : tensor<4xf32>
  // CHECK-NEXT: %[[W:.*]], %[[M:.*]], %{{.*}} = train.fused_adamw group 0 parameters(%{{[0-9]+}}) gradients
  // CHECK-NEXT: %[[BACK:.*]] = dist.move %[[W]] to device : tensor<8xf32>
  // CHECK-NEXT: train.write %[[BACK]], @w
  // CHECK-NEXT: train.write %[[M]], @"w:exp_avg"
  // CHECK: %[[V:.*]], %{{.*}}, %{{.*}} = train.fused_adamw
  // CHECK-NEXT: dist.move %[[V]] to device : tensor<4xf32>
  %r:6 = train.fused_adamw group 0 parameters(%w, %v) gradients(%gw, %gv) exp_avgs(%mw, %mv) exp_avg_sqs(%sw, %sv) : (tensor<8xf32>, tensor<4xf32>, tensor<8xf32>, tensor<4xf32>, tensor<8xf32>, tensor<4xf32>, tensor<8xf32>, tensor<4xf32>) -> (tensor<8xf32>, tensor<4xf32>, tensor<8xf32>, tensor<4xf32>, tensor<8xf32>, tensor<4xf32>)
  train.write %r#0, @w : tensor<8xf32>
  train.write %r#2, @"w:exp_avg" : tensor<8xf32>
  train.write %r#4, @"w:exp_avg_sq" : tensor<8xf32>
  train.write %r#1, @v : tensor<4xf32>
  train.write %r#3, @"v:exp_avg" : tensor<4xf32>
  train.write %r#5, @"v:exp_avg_sq" : tensor<4xf32>
}
