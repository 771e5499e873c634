//===- Passes.h - The import stage ------------------------------*- C++ -*-===//
//
// In:  what importProgram() made of an archive (ImportPt2.h).
// Out: the same math without shape arithmetic: positions and masks folded, causal masks recognised,
//      identities and dead code gone. Float ops are neither folded nor reordered.
//
//   %mask = aten.le.Tensor(%keys, %queries)                       (gone)
//   %o = aten.scaled_dot_product_attention(%q, %k, %v, %mask)
// becomes
//   %o = aten.scaled_dot_product_attention(%q, %k, %v) {is_causal = true}
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_IMPORT_PASSES_H
#define REGIMEN_PASSES_IMPORT_PASSES_H

#include "dialects/aten/AtenDialect.h"
#include "dialects/train/TrainDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace regimen {
struct CompileConfig;
}

namespace regimen::passes {

#define GEN_PASS_DECL
#include "passes/import/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/import/Passes.h.inc"

/// Appends the stage's passes; its verifier is the last.
void buildImportPipeline(mlir::OpPassManager &passes, const CompileConfig &config);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_PASSES_H
