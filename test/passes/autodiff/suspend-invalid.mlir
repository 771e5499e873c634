// RUN: not regimen-opt %s --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"python","backward":[{"outputs":[1]}]}}})' 2>&1 | FileCheck %s --check-prefix=OUTPUT
// RUN: not regimen-opt %s --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"python","backward":[{"outputs":[0],"inputs":[3]}]}}})' 2>&1 | FileCheck %s --check-prefix=INPUT
// RUN: not regimen-opt %s --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"python","backward":[{"outputs":[0],"parameters":["v"]}]}}})' 2>&1 | FileCheck %s --check-prefix=PARAMETER
// RUN: not regimen-opt %s --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"python","backward":[{"outputs":[2]}]}}})' 2>&1 | FileCheck %s --check-prefix=APART
// RUN: not regimen-opt %s --pass-pipeline='builtin.module(regimen-suspend{config={{"drive":"python"}}})' 2>&1 | FileCheck %s --check-prefix=CONFIG
// RUN: not regimen-opt %s --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"python"}}},regimen-build-update{config={{"driver":"python","update":["v"]}}})' 2>&1 | FileCheck %s --check-prefix=UPDATE

// OUTPUT: key 'backward': output 1 brings no gradient: it does not exist, is no floating-point tensor, or depends on no parameter and no input
// INPUT: key 'backward': there is no input 3
// PARAMETER: key 'backward': there is no trainable parameter 'v'
// APART: key 'backward': output 2 depends on no input and no parameter that wants a gradient
// CONFIG: unknown configuration key 'drive'
// UPDATE: key 'update': 'v' is no parameter that gets a gradient
train.parameter @w : tensor<4xf32> trainable
train.parameter @v : tensor<4xf32>
train.program @forward forward inputs ["x"] outputs ["loss", "mask", "doubled"] loss 0 {
^bb0(%x: tensor<4xf32>):
  %w = train.read @w : tensor<4xf32>
  %y = aten.mul.Tensor(%x, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %loss = aten.sum(%y) : (tensor<4xf32>) -> tensor<f32>
  %zero = arith.constant 0.0 : f64
  %mask = aten.gt.Scalar(%y, %zero) : (tensor<4xf32>, f64) -> tensor<4xi1>
  %doubled = aten.add.Tensor(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  train.return %loss, %mask, %doubled : tensor<f32>, tensor<4xi1>, tensor<4xf32>
}
