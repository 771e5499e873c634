// RUN: regimen-opt %s -split-input-file -regimen-lower-to-exec=fuse=false | FileCheck %s
// RUN: regimen-opt %s -split-input-file -regimen-lower-to-exec=fuse=true | FileCheck %s --check-prefix=FUSE

// A bucket's parameters, gradients and states lie at the same offsets; a gradient is made in its place through views.
// CHECK-LABEL: module @buckets
module @buckets {
  train.parameter @a : tensor<3xf32> trainable
  train.parameter @w : tensor<4x2xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4x2xf32>
  dist.bucket @b parameters [@a, @w] offsets [0, 64] elements 256 : f32 trainable
  // CHECK: exec.static @b.params bytes 1024
  // CHECK: exec.bind @a at @b.params[0] : memref<3xf32>
  // CHECK: exec.bind @w at @b.params[256] : memref<4x2xf32>
  // CHECK: exec.static @b.grads bytes 1024
  // CHECK: exec.bind @"w:grad" at @b.grads[256] : memref<4x2xf32>
  // CHECK: exec.program @step
  train.program @step micro_step contribution(first) inputs ["x", "unused", "g"] outputs ["y", "loss"] loss 1 {
  ^bb0(%x: tensor<3x2xf32>, %unused: tensor<8xf32>, %g: tensor<3x4xf32>):
    // CHECK-SAME: inputs ["x", "g"] outputs ["loss"] loss 0
    // CHECK: %[[X:[a-z0-9_]+]] = exec.view %{{.+}}[0] : memref<3x2xf32>
    // CHECK: exec.load_input 0 -> %[[X]]
    // CHECK: exec.load_input 1 -> %[[G:[a-z0-9_]+]] : memref<3x4xf32>
    %loss = train.seed accumulate 4 : tensor<f32>
    // CHECK: exec.call "regimen::fill" own (scalar_float 2.500000e-01 : f64)
    %xt = aten.t(%x) : (tensor<3x2xf32>) -> tensor<2x3xf32>
    %gt = aten.mm(%xt, %g) : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
    %gw = aten.t(%gt) : (tensor<2x4xf32>) -> tensor<4x2xf32>
    // The transposed gradient is not in the order of its storage: made apart, and copied.
    // CHECK: %[[XT:[a-z0-9_]+]] = exec.view %{{.+}}[0] : memref<2x3xf32, strided<[1, 2]>>
    // CHECK: exec.call "aten::mm.out" out (%[[XT]], %[[G]])
    // CHECK: %[[GT:[a-z0-9_]+]] = exec.view %{{.+}}[0] : memref<4x2xf32, strided<[1, 4]>>
    // CHECK: %[[GRADS:[a-z0-9_]+]] = exec.get @b.grads
    // CHECK: %[[GRAD:[a-z0-9_]+]] = exec.view %[[GRADS]][256] : memref<4x2xf32>
    // CHECK: exec.call "regimen::copy" own (%[[GT]]) -> (%[[GRAD]])
    train.write %gw, @"w:grad" : tensor<4x2xf32>
    train.return %x, %loss : tensor<3x2xf32>, tensor<f32>
  }
}

// -----

// CHECK-LABEL: module @direct
module @direct {
  train.parameter @w : tensor<4x2xf32> trainable
  train.gradient @"w:grad" of @w : tensor<4x2xf32>
  train.program @step micro_step contribution(first) inputs ["x", "g"] outputs [] {
  ^bb0(%x: tensor<3x2xf32>, %g: tensor<3x4xf32>):
    %gt = aten.t(%g) : (tensor<3x4xf32>) -> tensor<4x3xf32>
    %m = aten.mm(%gt, %x) : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
    %a = aten.t(%m) : (tensor<4x2xf32>) -> tensor<2x4xf32>
    %b = aten.t(%a) : (tensor<2x4xf32>) -> tensor<4x2xf32>
    // CHECK: %[[STORAGE:[a-z0-9_]+]] = exec.get @"w:grad:storage"
    // CHECK: %[[GRAD:[a-z0-9_]+]] = exec.view %[[STORAGE]][0] : memref<4x2xf32>
    // CHECK: exec.call "aten::mm.out" out (%{{.+}}, %{{.+}}) -> (%[[GRAD]])
    // CHECK-NOT: exec.call
    train.write %b, @"w:grad" : tensor<4x2xf32>
    train.return
  }
}

// -----

// A later contribution is added in place; a broadcast operand is not overwritten.
// CHECK-LABEL: module @accumulate
module @accumulate {
  train.parameter @w : tensor<2xf32> trainable
  train.gradient @"w:grad" of @w : tensor<2xf32>
  train.program @step micro_step contribution(later) inputs ["g"] outputs [] {
  ^bb0(%g: tensor<1xf32>):
    %e = aten.exp(%g) : (tensor<1xf32>) -> tensor<1xf32>
    %old = train.read @"w:grad" : tensor<2xf32>
    %new = aten.add.Tensor(%old, %e) : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf32>
    // CHECK: %[[GRAD:[a-z0-9_]+]] = exec.view %{{.+}}[0] : memref<2xf32>
    // CHECK: exec.call "aten::add.out" out (%[[GRAD]], %{{.+}}) -> (%[[GRAD]])
    // CHECK-NOT: exec.call
    train.write %new, @"w:grad" : tensor<2xf32>
    train.return
  }
}

// -----

// The old value is used after the new one is made: the new one is copied in, the old one kept aside.
// CHECK-LABEL: module @overtaken
module @overtaken {
  train.parameter @w : tensor<2xf32> trainable
  train.buffer @last : tensor<2xf32>
  train.program @p update inputs [] outputs [] {
    %w = train.read @w : tensor<2xf32>
    %new = aten.exp(%w) : (tensor<2xf32>) -> tensor<2xf32>
    // CHECK: exec.call "regimen::copy" own (%[[W:[a-z0-9_]+]]) -> (%[[OLD:[a-z0-9_]+]])
    // CHECK: exec.call "aten::exp.out" out (%[[OLD]]) -> (%[[NEW:[a-z0-9_]+]])
    // CHECK: exec.call "regimen::copy" own (%[[NEW]]) -> (%[[W]])
    train.write %new, @w : tensor<2xf32>
    // CHECK: exec.call "regimen::copy" own (%[[OLD]]) -> (%{{.+}})
    train.write %w, @last : tensor<2xf32>
    train.return
  }
}

// -----

// Scalars from the host are registers; an operand that dies gives its buffer to an elementwise result.
// CHECK-LABEL: module @scalars
module @scalars {
  train.parameter @w : tensor<2xf32> trainable
  train.program @p update inputs [] outputs [] {
    %w = train.read @w : tensor<2xf32>
    %lr = train.hyper lr group 0
    %one = arith.constant 1.0 : f64
    %factor = arith.subf %one, %lr : f64
    // CHECK: %[[A:[a-z0-9_]+]] = exec.view %{{.+}}[0] : memref<2xf32>
    // CHECK: exec.call "aten::sin.out" out (%{{.+}}) -> (%[[B:[a-z0-9_]+]]) :
    // CHECK: %[[ONE:[a-z0-9_]+]] = arith.constant 1.0
    // CHECK: %[[LR:[a-z0-9_]+]] = train.hyper lr group 0
    // CHECK: %[[FACTOR:[a-z0-9_]+]] = arith.subf %[[ONE]], %[[LR]]
    // CHECK: exec.call "aten::mul.out" out (%[[B]], %[[FACTOR]] register) -> (%[[B]])
    // CHECK: exec.call "aten::add.out" out (%{{.+}}, scalar_float 1.000000e+00 : f64) -> (%{{.+}})
    %s = aten.sin(%w) : (tensor<2xf32>) -> tensor<2xf32>
    %m = aten.mul.Scalar(%s, %factor) : (tensor<2xf32>, f64) -> tensor<2xf32>
    %n = aten.add.Scalar(%m, %one) : (tensor<2xf32>, f64) -> tensor<2xf32>
    train.write %n, @w : tensor<2xf32>
    train.return
  }
}

// -----

// A view whose strides do not allow one is a copy; dead ops and dead views leave nothing.
// CHECK-LABEL: module @views
module @views {
  train.buffer @y : tensor<6xf32>
  train.program @p update inputs ["x"] outputs [] {
  ^bb0(%x: tensor<2x3xf32>):
    %t = aten.t(%x) : (tensor<2x3xf32>) -> tensor<3x2xf32>
    %v = aten.view(%t) {size = array<i64: 6>} : (tensor<3x2xf32>) -> tensor<6xf32>
    %dead = aten.exp(%v) : (tensor<6xf32>) -> tensor<6xf32>
    // CHECK: %[[T:[a-z0-9_]+]] = exec.view %{{.+}}[0] : memref<3x2xf32, strided<[1, 3]>>
    // CHECK: %[[V:[a-z0-9_]+]] = exec.view %{{.+}}[0] : memref<3x2xf32>
    // CHECK: exec.call "regimen::copy" own (%[[T]]) -> (%[[V]])
    // CHECK-NOT: aten::exp.out
    train.write %v, @y : tensor<6xf32>
    train.return
  }
}

// -----

// The fused optimizer works on its operands; its step is a tensor.
// CHECK-LABEL: module @fused
module @fused {
  train.parameter @w : tensor<2xf32> trainable
  train.gradient @"w:grad" of @w : tensor<2xf32>
  train.state @"w:m" of @w slot "exp_avg" : tensor<2xf32>
  train.state @"w:v" of @w slot "exp_avg_sq" : tensor<2xf32>
  train.program @update update inputs [] outputs [] {
    %w = train.read @w : tensor<2xf32>
    %g = train.read @"w:grad" : tensor<2xf32>
    %m = train.read @"w:m" : tensor<2xf32>
    %v = train.read @"w:v" : tensor<2xf32>
    %nw, %nm, %nv = train.fused_adamw group 1 parameters(%w) gradients(%g) exp_avgs(%m) exp_avg_sqs(%v)
      : (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)
    // CHECK: %[[STEP:[a-z0-9_]+]] = train.hyper step group 1
    // CHECK: exec.call "regimen::fill" own (%[[STEP]] register) -> (%[[TENSOR:[a-z0-9_]+]]) :
    // CHECK: %[[LR:[a-z0-9_]+]] = train.hyper lr group 1
    // CHECK: exec.call "aten::_fused_adamw_" in_place ([%{{.+}}], [%{{.+}}], [%{{.+}}], [%{{.+}}], [], [%[[TENSOR]]], %[[LR]] register, %{{.+}} register, %{{.+}} register, %{{.+}} register, %{{.+}} register, bool false, bool false)
    // CHECK-NOT: exec.call
    train.write %nw, @w : tensor<2xf32>
    train.write %nm, @"w:m" : tensor<2xf32>
    train.write %nv, @"w:v" : tensor<2xf32>
    train.return
  }
}

// -----

// CHECK-LABEL: module @kernels
// FUSE-LABEL: module @kernels
module @kernels {
  train.buffer @y : tensor<2x8xf32>
  train.program @p update inputs ["x"] outputs [] {
  ^bb0(%x: tensor<2x8xf32>):
    // CHECK: exec.call "aten::gelu.out" out (%{{.+}}, string "tanh")
    // FUSE: exec.call "regimen::gelu_tanh" own (%{{[^,]+}}) ->
    %y = aten.gelu(%x) {approximate = "tanh"} : (tensor<2x8xf32>) -> tensor<2x8xf32>
    train.write %y, @y : tensor<2x8xf32>
    train.return
  }
}
