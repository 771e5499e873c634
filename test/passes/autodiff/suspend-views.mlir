// RUN: regimen-opt %s --split-input-file --pass-pipeline='builtin.module(regimen-suspend{config={{"driver":"python"}}},regimen-split-at-suspension)' | FileCheck %s

// Views of saved values and of parameters are made again; their bases are saved once.
// CHECK-LABEL: module @views
module @views {
  train.parameter @w : tensor<4x2xf32> trainable
  // CHECK: train.saved @saved0 : tensor<3x4xf32>
  // CHECK-NOT: train.saved
  train.program @forward forward inputs ["x"] outputs ["loss"] loss 0 {
  ^bb0(%x: tensor<3x4xf32>):
    %w = train.read @w : tensor<4x2xf32>
    %h = aten.exp(%x) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %y = aten.mm(%h, %w) : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
    %loss = aten.sum(%y) : (tensor<3x2xf32>) -> tensor<f32>
    train.return %loss : tensor<f32>
  }
  // CHECK: train.program @backward0
  // CHECK: %[[H:.*]] = train.read @saved0
  // CHECK: aten.t(%[[H]])
}

// -----

// A buffer that the forward updates is saved as it was.
// CHECK-LABEL: module @buffers
module @buffers {
  train.parameter @w : tensor<4xf32> trainable
  train.buffer @b : tensor<4xf32> persistent
  train.program @forward forward inputs [] outputs ["loss"] loss 0 {
    %w = train.read @w : tensor<4xf32>
    %b = train.read @b : tensor<4xf32>
    %y = aten.mul.Tensor(%w, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %new = aten.exp(%b) : (tensor<4xf32>) -> tensor<4xf32>
    train.write %new, @b : tensor<4xf32>
    %loss = aten.sum(%y) : (tensor<4xf32>) -> tensor<f32>
    train.return %loss : tensor<f32>
  }
  // CHECK: train.program @forward
  // CHECK: %[[B:.*]] = train.read @b
  // CHECK-NEXT: train.write %[[B]], @saved0
  // CHECK: train.program @backward0
  // CHECK-NOT: @b :
  // CHECK: train.read @saved0
}

// -----

// An output of inputs alone is none of the usual ones that bring a gradient.
// CHECK-LABEL: module @apart
module @apart {
  train.parameter @w : tensor<4xf32> trainable
  train.program @forward forward inputs ["x"] outputs ["doubled", "y"] {
  ^bb0(%x: tensor<4xf32>):
    %w = train.read @w : tensor<4xf32>
    %doubled = aten.add.Tensor(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %y = aten.mul.Tensor(%x, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    train.return %doubled, %y : tensor<4xf32>, tensor<4xf32>
  }
  // CHECK: train.program @backward0 {{.*}} inputs ["y:grad", "x"]
  // CHECK-SAME: variant <outputs[1]parameters[0]gradients[0]>
}
