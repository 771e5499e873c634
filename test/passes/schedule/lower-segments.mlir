// RUN: regimen-opt %s -split-input-file -regimen-lower-to-exec=fuse=false -regimen-verify-schedule | FileCheck %s

// What a forward saves is made in its frame, with the strides that it has there; arguments and outputs are the caller's.
// CHECK-LABEL: module @segments
module @segments {
  // CHECK: exec.arena @caller class(caller) space(device) bytes 0
  train.parameter @w : tensor<4x2xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4x2xf32>
  train.saved @h : tensor<3x4xf32>
  // CHECK: exec.frame @"h:frame" bytes 48 category(activations)
  // CHECK: exec.bind @h at @"h:frame"[0] : memref<3x4xf32, strided<[1, 3]>>

  // CHECK-LABEL: exec.program @forward micro_step segment(forward) inputs ["x"] takes [#train.port<argument 0>] outputs ["y"] gives [#train.port<output 0>] dependences
  train.program @forward micro_step segment(forward) inputs ["x", "unused"] takes [#train.port<argument 0>, #train.port<argument 1>] outputs ["y"] gives [#train.port<output 0>] dependences [#train.depends<arguments [0] parameters [0]>] {
  ^bb0(%x: tensor<4x3xf32>, %unused: tensor<f32>):
    // CHECK: %[[XB:.*]] = exec.buffer "x" bytes 48 category(activations) in @caller[0]
    // CHECK: %[[X:.*]] = exec.view %[[XB]][0] : memref<4x3xf32>
    // CHECK: exec.given 0 in %[[X]]
    // CHECK: %[[XT:.*]] = exec.view %[[XB]][0] : memref<3x4xf32, strided<[1, 3]>>
    // CHECK: %[[F:.*]] = exec.get @"h:frame"
    // CHECK: %[[H:.*]] = exec.view %[[F]][0] : memref<3x4xf32, strided<[1, 3]>>
    // CHECK: exec.call "aten::exp.out" out (%[[XT]]) -> (%[[H]])
    %xt = aten.t(%x) : (tensor<4x3xf32>) -> tensor<3x4xf32>
    %h = aten.exp(%xt) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    train.write %h, @h : tensor<3x4xf32>
    %w = train.read @w : tensor<4x2xf32>
    // CHECK: %[[YB:.*]] = exec.buffer "aten.mm" bytes 24 category(activations) in @caller[0]
    // CHECK: %[[Y:.*]] = exec.view %[[YB]][0] : memref<3x2xf32>
    // CHECK: exec.call "aten::mm.out" out (%[[H]], %{{.*}}) -> (%[[Y]])
    %y = aten.mm(%h, %w) : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
    // CHECK: exec.return %[[Y]]
    train.return %y : tensor<3x2xf32>
  }

  // CHECK-LABEL: exec.program @backward micro_step contribution(later) segment(backward)
  train.program @backward micro_step contribution(later) segment(backward) inputs ["y:grad"] takes [#train.port<output_gradient 0>] outputs [] gives [] variant <outputs [0] parameters [0] gradients [0]> {
  ^bb0(%g: tensor<3x2xf32>):
    // CHECK: %[[F:.*]] = exec.get @"h:frame"
    // CHECK: %[[HT:.*]] = exec.view %[[F]][0] : memref<4x3xf32>
    // CHECK: %[[DWB:.*]] = exec.buffer "aten.mm" bytes 32 category(activations)
    // CHECK-NOT: in @caller
    // CHECK: exec.call "aten::mm.out" out (%[[HT]], %{{.*}}) -> (%[[DW:.*]]) :
    // CHECK: %[[GRAD:.*]] = exec.view %{{.*}}[0] : memref<4x2xf32>
    // CHECK: %[[HAS:.*]] = train.hyper has_gradient group 0
    // CHECK: exec.call "regimen::accumulate_gradient" own (%[[GRAD]], %[[DW]], %[[HAS]] register) -> (%[[GRAD]])
    %h = train.read @h : tensor<3x4xf32>
    %ht = aten.t(%h) : (tensor<3x4xf32>) -> tensor<4x3xf32>
    %dw = aten.mm(%ht, %g) : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
    train.accumulate %dw, @"w:grad" group 0 : tensor<4x2xf32>
  }
}

// -----

// Every output has storage of its own: an argument, a parameter, a part and the second name of an output are copied.
// CHECK-LABEL: module @outputs
module @outputs {
  train.parameter @w : tensor<4xf32> trainable
  // CHECK-LABEL: exec.program @inference evaluation
  train.program @inference evaluation inputs ["x"] takes [#train.port<argument 0>] outputs ["x", "w", "y", "again", "half"] gives [#train.port<output 0>, #train.port<output 1>, #train.port<output 2>, #train.port<output 3>, #train.port<output 4>] {
  ^bb0(%x: tensor<4xf32>):
    %w = train.read @w : tensor<4xf32>
    // CHECK: exec.call "aten::exp.out" out (%[[X:.*]]) -> (%[[Y:.*]]) :
    %y = aten.exp(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %z = aten.exp(%y) : (tensor<4xf32>) -> tensor<4xf32>
    %half = aten.slice.Tensor(%z) {start = 0 : i64, end = 2 : i64} : (tensor<4xf32>) -> tensor<2xf32>
    // CHECK: exec.call "regimen::copy" own (%[[X]]) -> (%[[X1:.*]]) :
    // CHECK: exec.call "regimen::copy" own (%{{.*}}) -> (%[[W1:.*]]) :
    // CHECK: exec.call "regimen::copy" own (%[[Y]]) -> (%[[Y1:.*]]) :
    // CHECK: exec.call "regimen::copy" own (%{{.*}}) -> (%[[HALF:.*]]) : (memref<2xf32>) -> memref<2xf32>
    // CHECK: exec.return %[[X1]], %[[W1]], %[[Y]], %[[Y1]], %[[HALF]]
    train.return %x, %w, %y, %y, %half : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<2xf32>
  }
}
