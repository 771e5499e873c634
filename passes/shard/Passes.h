//===- Passes.h - The stage shard -------------------------------*- C++ -*-===//
//
// In:  a module of train.parameter ops and train programs (from autodiff).
// Out: the same with one dist.mesh and the dist.bucket ops that place every parameter.
//
//   dist.mesh @mesh [dp = 1]
//   dist.bucket @bucket0 parameters [@"fc1.weight", @"fc1.bias"] offsets [0, 576] elements 768 :
//   f32 trainable
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_SHARD_PASSES_H
#define REGIMEN_PASSES_SHARD_PASSES_H

#include "dialects/dist/DistDialect.h"
#include "passes/CompileConfig.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace regimen::passes {

#define GEN_PASS_DECL
#include "passes/shard/Passes.h.inc"

/// Appends the stage's passes, the verifier last.
void buildShardPipeline(mlir::OpPassManager &pm, const CompileConfig &config);

#define GEN_PASS_REGISTRATION
#include "passes/shard/Passes.h.inc"

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SHARD_PASSES_H
