// RUN: regimen-opt %s -split-input-file -verify-diagnostics -regimen-lower-to-exec

train.program @p update inputs ["x"] outputs ["y"] loss 0 {
^bb0(%x: tensor<2xf32>):
  // expected-error @+1 {{has no kernel: add one to dialects/aten/rules/Kernels.td, or a decomposition}}
  %y = aten.softmax.int(%x) {dim = 0 : i64} : (tensor<2xf32>) -> tensor<2xf32>
  train.return %y : tensor<2xf32>
}

// -----

train.parameter @w : tensor<2xf32> trainable
train.program @update update inputs ["g"] outputs ["w"] loss 0 {
^bb0(%g: tensor<2xf32>):
  %w = train.read @w : tensor<2xf32>
  // expected-error @+1 {{works in place: operand}}
  %nw, %nm, %nv = train.fused_adamw group 0 parameters(%w) gradients(%g) exp_avgs(%g) exp_avg_sqs(%g)
    : (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)
  train.return %nw : tensor<2xf32>
}
