// RUN: regimen-opt %s -regimen-plan-memory -remarks-filter=memory -remark-format=emitRemark 2>&1 | FileCheck %s

// CHECK: remark: [Analysis] arena | Category:memory | arena=params, bytes=64
// CHECK: remark: [Analysis] work arena | Category:memory | buffers=1, fragmentationPermille=0, lowerBound=128, peakBytes=128, program=p, strategy="first-fit by size"
module {
  exec.static @s bytes 4 category(params)
  exec.program @p evaluation inputs [] outputs ["y"] {
    %yb = exec.buffer "y" bytes 100 category(activations)
    %y = exec.view %yb[0] : memref<25xf32>
    exec.call "aten::fill.Scalar_out" out () -> (%y) : () -> memref<25xf32>
    exec.return %y : memref<25xf32>
  }
}
