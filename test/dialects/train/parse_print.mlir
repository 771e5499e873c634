// RUN: regimen-opt %s | regimen-opt | FileCheck %s

// CHECK: train.parameter @fc.weight : tensor<4x2xf32> trainable
train.parameter @fc.weight : tensor<4x2xf32> trainable
// CHECK: train.parameter @emb.weight : tensor<8x2xf32> trainable group 1 aliases ["head.weight"]
train.parameter @emb.weight : tensor<8x2xf32> trainable group 1 aliases ["head.weight"]
// CHECK: train.parameter @frozen : tensor<2xf32>
// CHECK-NOT: trainable
train.parameter @frozen : tensor<2xf32>
// CHECK: train.buffer @running_mean : tensor<2xf32> persistent
train.buffer @running_mean : tensor<2xf32> persistent
// CHECK: train.buffer @inv_freq : tensor<2xf32> = dense<[1.000000e+00, 5.000000e-01]> : tensor<2xf32>
train.buffer @inv_freq : tensor<2xf32> = dense<[1.0, 0.5]> : tensor<2xf32>
// CHECK: train.gradient @"fc.weight:grad" of @fc.weight : tensor<4x2xf32>
train.gradient @"fc.weight:grad" of @fc.weight : tensor<4x2xf32>
// CHECK: train.state @"fc.weight:exp_avg" of @fc.weight slot "exp_avg" : tensor<4x2xf32>
train.state @"fc.weight:exp_avg" of @fc.weight slot "exp_avg" : tensor<4x2xf32>

// CHECK: train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<f32>):
// CHECK-NEXT: train.return %[[X]] : tensor<f32>
train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
^bb0(%x: tensor<f32>):
  train.return %x : tensor<f32>
}

// CHECK: train.program @micro_step_first micro_step contribution(first) inputs [] outputs []
train.program @micro_step_first micro_step contribution(first) inputs [] outputs [] {
  // CHECK: %[[SEED:.*]] = train.seed accumulate 4 : tensor<f32>
  %seed = train.seed accumulate 4 : tensor<f32>
  // CHECK: %[[W:.*]] = train.read @fc.weight : tensor<4x2xf32>
  %w = train.read @fc.weight : tensor<4x2xf32>
  // CHECK: train.write %[[W]], @"fc.weight:grad" : tensor<4x2xf32>
  train.write %w, @"fc.weight:grad" : tensor<4x2xf32>
  train.return
}

// CHECK: train.program @update update inputs [] outputs ["norm"] grad_norm 0
train.program @update update inputs [] outputs ["norm"] grad_norm 0 {
  %g = train.read @"fc.weight:grad" : tensor<4x2xf32>
  // CHECK: train.hyper lr group 0
  %lr = train.hyper lr group 0
  // CHECK: %[[NORM:.*]] = train.global_norm %{{.*}}, %{{.*}} : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<f32>
  %norm = train.global_norm %g, %g : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<f32>
  // CHECK: train.fused_adamw group 0 parameters(%{{.*}}) gradients(%{{.*}}) exp_avgs(%{{.*}}) exp_avg_sqs(%{{.*}})
  %w, %m, %v = train.fused_adamw group 0 parameters(%g) gradients(%g) exp_avgs(%g) exp_avg_sqs(%g)
    : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
    -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  train.return %norm : tensor<f32>
}
