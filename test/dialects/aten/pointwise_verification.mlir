// RUN: regimen-opt %s --split-input-file --verify-diagnostics

func.func @broadcast(%a: tensor<2x3xf32>, %b: tensor<4xf32>) {
  // expected-error @+2 {{aten::add.Tensor: shapes [2, 3] and [4] do not broadcast}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.add.Tensor(%a, %b) : (tensor<2x3xf32>, tensor<4xf32>) -> (tensor<2x3xf32>)
  return
}

// -----

func.func @condition(%a: tensor<2xi64>, %b: tensor<2xf32>) {
  // expected-error @+2 {{the condition must be of dtype i1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.where.self(%a, %b, %b) : (tensor<2xi64>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
  return
}
