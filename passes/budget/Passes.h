//===- Passes.h - The stage budget: what fits ------------------*- C++ -*-===//
//
//   in:  micro-steps of one program each, forward and backward
//   out: the same, of whose forward less is kept for the backward
//
// Recomputation comes before what depends on it: the split of suspended programs, which saves what
// the backward still needs, and the gathers of sharded parameters, which stand where they are used.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_BUDGET_PASSES_H
#define REGIMEN_PASSES_BUDGET_PASSES_H

#include "passes/CompileConfig.h"

#include "dialects/train/TrainDialect.h"
#include "mlir/Pass/Pass.h"

namespace regimen::passes {

#define GEN_PASS_DECL
#include "passes/budget/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/budget/Passes.h.inc"

/// Appends recomputation, if the configuration asks for any.
void addRecomputation(mlir::OpPassManager &passes, const CompileConfig &config);

/// Appends what moves values to host memory, if the configuration asks for any. Behind shard: what
/// lasts of a state is known only then.
void addOffload(mlir::OpPassManager &passes, const CompileConfig &config);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_BUDGET_PASSES_H
