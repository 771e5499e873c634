//===- Passes.h - The stage allocate ----------------------------*- C++ -*-===//
//
// In:  exec programs whose buffers have sizes (from schedule).
// Out: the same with arenas, and an offset for every buffer.
//
//   exec.arena @work class(work) space(device) bytes 4096
//   %h = exec.buffer "relu" bytes 1024 category(activations) in @work[512]
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_ALLOCATE_PASSES_H
#define REGIMEN_PASSES_ALLOCATE_PASSES_H

#include "dialects/exec/ExecDialect.h"
#include "passes/CompileConfig.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace regimen::passes {

#define GEN_PASS_DECL
#include "passes/allocate/Passes.h.inc"

/// Appends the stage's passes, the verifier last.
void buildAllocatePipeline(mlir::OpPassManager &pm, const CompileConfig &config);

#define GEN_PASS_REGISTRATION
#include "passes/allocate/Passes.h.inc"

} // namespace regimen::passes

#endif // REGIMEN_PASSES_ALLOCATE_PASSES_H
