// RUN: regimen-opt %s --split-input-file --verify-diagnostics

func.func @arange_of_run_time_value(%a: i64) {
  // expected-error @+2 {{'end' must be a constant: shapes are static}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.arange(%a) : (i64) -> (tensor<3xi64>)
  return
}

// -----

func.func @arange_step() {
  %a = arith.constant 0 : i64
  %b = arith.constant 3 : i64
  %c = arith.constant -1 : i64
  // expected-error @+2 {{the range is not reached with this step}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.arange.start_step(%a, %b, %c) : (i64, i64, i64) -> (tensor<3xi64>)
  return
}

// -----

func.func @cat_nothing() {
  // expected-error @+2 {{needs at least one tensor}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.cat([]) : () -> (tensor<3xf32>)
  return
}

// -----

func.func @cat_scalars(%a: tensor<f32>) {
  // expected-error @+2 {{cannot join 0-d tensors}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.cat([%a]) : (tensor<f32>) -> (tensor<f32>)
  return
}

// -----

func.func @cat_shapes(%a: tensor<2x3xf32>, %b: tensor<2x4xf32>) {
  // expected-error @+2 {{cannot join [2, 3] and [2, 4] along dimension 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.cat([%a, %b]) : (tensor<2x3xf32>, tensor<2x4xf32>) -> (tensor<4x3xf32>)
  return
}

// -----

func.func @stack_nothing() {
  // expected-error @+2 {{needs at least one tensor}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.stack([]) : () -> (tensor<3xf32>)
  return
}

// -----

func.func @stack_shapes(%a: tensor<2xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{cannot stack [2] and [3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.stack([%a, %b]) : (tensor<2xf32>, tensor<3xf32>) -> (tensor<2x2xf32>)
  return
}

// -----

func.func @pad_pairs(%a: tensor<2xf32>) {
  // expected-error @+2 {{'pad' must hold a pair for each of at most 1 dimensions}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.constant_pad_nd(%a) {pad = array<i64: 1>} : (tensor<2xf32>) -> (tensor<3xf32>)
  return
}

// -----

func.func @pad_negative(%a: tensor<2xf32>) {
  // expected-error @+2 {{padding [-2, -1] leaves a negative size of [2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.constant_pad_nd(%a) {pad = array<i64: -2, -1>} : (tensor<2xf32>) -> (tensor<0xf32>)
  return
}

// -----

func.func @repeat_rank(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{'repeats' has fewer values than [2, 3] has dimensions}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.repeat(%a) {repeats = array<i64: 2>} : (tensor<2x3xf32>) -> (tensor<2x6xf32>)
  return
}

// -----

func.func @repeat_negative(%a: tensor<2xf32>) {
  // expected-error @+2 {{cannot repeat a negative number of times}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.repeat(%a) {repeats = array<i64: -1>} : (tensor<2xf32>) -> (tensor<0xf32>)
  return
}

// -----

func.func @repeat_interleave_negative(%a: tensor<2xf32>) {
  // expected-error @+2 {{'repeats' may not be negative}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.repeat_interleave.self_int(%a) {repeats = -1 : i64} : (tensor<2xf32>) -> (tensor<0xf32>)
  return
}

// -----

func.func @scatter_shape(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) {
  // expected-error @+2 {{src [2, 3] does not fill the part [1, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = aten.slice_scatter(%a, %b) {end = 1 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<2x3xf32>)
  return
}
