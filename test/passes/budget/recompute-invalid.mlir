// RUN: regimen-opt %s -verify-diagnostics -pass-pipeline='builtin.module(train.program(regimen-recompute{mode=most}))'

module {
  // expected-error @+1 {{regimen-recompute has no mode 'most'}}
  train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
  ^bb0(%x: tensor<f32>):
    %seed = train.seed accumulate 1 : tensor<f32>
    train.return %x : tensor<f32>
  }
}
