// RUN: regimen-opt %s -verify-diagnostics -regimen-form-buckets=dp=4

// expected-error @+1 {{mesh.dp = 4: training on several ranks is not built yet; use mesh.dp = 1}}
module {
  train.parameter @w : tensor<4xf32> trainable
}
