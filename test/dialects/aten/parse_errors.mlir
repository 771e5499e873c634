// RUN: regimen-opt %s --split-input-file --verify-diagnostics

func.func @missing_argument(%x: tensor<2xf32>) {
  // expected-error @+1 {{expected argument 'other' of aten::mul.Tensor}}
  %0 = aten.mul.Tensor(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @too_many_arguments(%x: tensor<2xf32>) {
  // expected-error @+1 {{expected ')'}}
  %0 = aten.relu(%x, %x) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @required_argument_is_none(%x: tensor<2xf32>) {
  // expected-error @+1 {{expected SSA operand}}
  %0 = aten.mul.Tensor(%x, none) : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @types_and_operands_differ(%x: tensor<2xf32>) {
  // expected-error @+1 {{got 1 operands and 2 types}}
  %0 = aten.relu(%x) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @missing_attribute(%x: tensor<2xf32>) {
  // expected-error @+1 {{requires attribute 'size'}}
  %0 = aten.view(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @dtype_of_no_tensor(%x: tensor<2xi7>) {
  // expected-error @+1 {{operand #0 must be ranked tensor of}}
  %0 = aten.relu(%x) : (tensor<2xi7>) -> tensor<2xi7>
  return
}

// -----

func.func @scalar_for_tensor(%x: tensor<2xf32>, %s: f64) {
  // expected-error @+1 {{operand #1 must be ranked tensor of}}
  %0 = aten.mul.Tensor(%x, %s) : (tensor<2xf32>, f64) -> tensor<2xf32>
  return
}

// -----

func.func @dynamic_shape(%x: tensor<?xf32>) {
  // expected-error @+2 {{aten::relu: argument 'self' must be a ranked tensor of static shape}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.relu(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return
}
