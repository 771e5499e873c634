// RUN: regimen-opt %s -split-input-file -pass-pipeline='builtin.module(train.program(regimen-recompute{mode=layers}))' | FileCheck %s --check-prefixes=CHECK,LAYERS
// RUN: regimen-opt %s -split-input-file -pass-pipeline='builtin.module(train.program(regimen-recompute{mode=full}))' | FileCheck %s --check-prefixes=CHECK,FULL
// RUN: regimen-opt %s -split-input-file -pass-pipeline='builtin.module(train.program(regimen-recompute{mode=full steps=0}))' | FileCheck %s --check-prefixes=CHECK,NONE

// The product is kept, its relu made again; with full, both are, from what enters the layer. The operand that the caller
// gives and the parameter are there anyway.
module {
  train.parameter @w : tensor<4x4xf32> trainable
  train.parameter @v : tensor<4x4xf32> trainable
  // CHECK-LABEL: @micro_step_first
  train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
  ^bb0(%x: tensor<4x4xf32>):
    %w = train.read @w : tensor<4x4xf32>
    %v = train.read @v : tensor<4x4xf32>
    // CHECK: %[[A:.*]] = aten.mm(%arg0, %{{.*}})
    // CHECK: %[[B:.*]] = aten.relu(%[[A]])
    %a = aten.mm(%x, %w) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32> loc(#inside)
    %b = aten.relu(%a) : (tensor<4x4xf32>) -> tensor<4x4xf32> loc(#inside)
    %c = aten.mm(%b, %v) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32> loc(#inside)
    %loss = aten.sum(%c) : (tensor<4x4xf32>) -> tensor<f32>
    // CHECK: train.seed
    %seed = train.seed accumulate 1 : tensor<f32>
    // LAYERS-NOT: aten.mm
    // LAYERS: %[[AGAIN:.*]] = aten.relu(%[[A]])
    // LAYERS: aten.mm(%[[AGAIN]], %{{.*}})
    // FULL: %[[A2:.*]] = aten.mm(%arg0, %{{.*}})
    // FULL: %[[B2:.*]] = aten.relu(%[[A2]])
    // FULL: aten.mm(%[[B2]], %{{.*}})
    // FULL: aten.add.Tensor(%{{.*}}, %[[A2]])
    // NONE-NOT: aten.relu
    // NONE: aten.mm(%[[B]], %{{.*}})
    %dc = aten.expand(%seed) {size = array<i64: 4, 4>} : (tensor<f32>) -> tensor<4x4xf32>
    %dv = aten.mm(%b, %dc) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    %one = arith.constant 1.0 : f64
    %da = aten.add.Tensor(%dv, %a) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    train.return %loss : tensor<f32>
  }
}
#inside = loc("h.0.mlp"("model.py":3:1))

// -----

// What leaves a layer is kept, so that no chain of layers is computed again; a suspended program's outputs are its caller's.
module {
  train.parameter @w : tensor<4x4xf32> trainable
  // CHECK-LABEL: @backward0
  train.program @backward0 micro_step segment(backward) inputs ["x"] takes [#train.port<argument 0>] outputs ["y"] gives [#train.port<output 0>] variant <outputs [0] parameters [0]> {
  ^bb0(%x: tensor<4x4xf32>):
    // CHECK: %[[H:.*]] = aten.relu(%arg0)
    // CHECK: %[[I:.*]] = aten.tanh(%[[H]])
    // CHECK: %[[Y:.*]] = aten.sigmoid(%[[I]])
    %h = aten.relu(%x) : (tensor<4x4xf32>) -> tensor<4x4xf32> loc(#first)
    %i = aten.tanh(%h) : (tensor<4x4xf32>) -> tensor<4x4xf32> loc(#second)
    %y = aten.sigmoid(%i) : (tensor<4x4xf32>) -> tensor<4x4xf32> loc(#second)
    // CHECK: train.suspend
    %g = train.suspend [0](%y) : (tensor<4x4xf32>) -> tensor<4x4xf32>
    // CHECK-NOT: aten.relu
    // LAYERS: %[[I2:.*]] = aten.tanh(%[[H]])
    // LAYERS: aten.mul.Tensor(%{{.*}}, %[[I2]])
    // LAYERS: aten.mul.Tensor(%{{.*}}, %[[Y]])
    %a = aten.mul.Tensor(%g, %i) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    %b = aten.mul.Tensor(%a, %y) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    %c = aten.mul.Tensor(%b, %h) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    train.return %y : tensor<4x4xf32>
  }
}
#first = loc("h.0"("model.py":3:1))
#second = loc("h.1"("model.py":3:1))

// -----

// A program without a backward stays as it is.
module {
  // CHECK-LABEL: @inference
  // CHECK: aten.relu
  // CHECK-NOT: aten.relu
  train.program @inference evaluation inputs ["x"] outputs ["y"] {
  ^bb0(%x: tensor<4xf32>):
    %y = aten.relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    train.return %y : tensor<4xf32>
  }
}
