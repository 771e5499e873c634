//===- Passes.h - The stage schedule ----------------------------*- C++ -*-===//
//
// In:  train programs over aten ops, and dist.bucket ops (from shard).
// Out: exec programs: kernel calls over buffers that have no arena yet, lanes, events.
//
//   exec.static @bucket0.params bytes 1024 category(params)
//   exec.bind @"fc.weight" at @bucket0.params[0] : memref<4x8xf32>
//   exec.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"]
//   loss 0 events 1 {
//     %0 = exec.buffer "x" bytes 64 category(activations)
//     %x = exec.view %0[0] : memref<2x8xf32>
//     exec.load_input 0 -> %x : memref<2x8xf32>
//     exec.record 0 lane(copy)
//     exec.wait 0 lane(compute)
//     %1 = exec.get @bucket0.params
//     ...
//     exec.call "aten::addmm.out" out(%b, %x, %w) -> (%y) : (memref<4xf32>, ...) ->
//     (memref<2x4xf32>)
//
// The reference path (fuse.enable=false) calls ATen's kernels with the strides that PyTorch gives
// their operands, so its bits are PyTorch's. LayoutAnalysis says what these are, StoragePlan where
// values lie.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_SCHEDULE_PASSES_H
#define REGIMEN_PASSES_SCHEDULE_PASSES_H

#include "dialects/exec/ExecDialect.h"
#include "passes/CompileConfig.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace regimen::passes {

#define GEN_PASS_DECL
#include "passes/schedule/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/schedule/Passes.h.inc"

/// Appends the stage: lower, assign events, verify.
void buildSchedulePipeline(mlir::OpPassManager &passes, const CompileConfig &config);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SCHEDULE_PASSES_H
