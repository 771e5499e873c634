//===- EmitPlan.h - The plan file's contents from exec IR -------*- C++ -*-===//
//
// In:  a module after allocate: train storage symbols, dist.mesh, exec arenas, buffers, binds and
// programs. Out: a plan that reads back equal and that formats/plan has proved valid.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_EMIT_EMITPLAN_H
#define REGIMEN_PASSES_EMIT_EMITPLAN_H

#include "formats/plan/Plan.h"
#include "formats/pt2/ExportedProgram.h"
#include "passes/CompileConfig.h"

#include "mlir/IR/BuiltinOps.h"
#include <filesystem>

namespace regimen::passes {

struct EmitOptions {
  /// The .pt2 archive, and where the plan will be: the plan names the archive by its path relative
  /// to it.
  std::filesystem::path modelPath;
  std::filesystem::path planPath;
};

/// What the plan says of the archive that holds the weights.
struct ArchiveFacts {
  std::string file;         // name without folder
  std::string relativePath; // from the plan's folder; "" if there is no relative path
  uint64_t bytes = 0;
  std::string digest; // SHA-256 of the directory, hexadecimal
  bool hasWeights = false;
};

/// The plan of an allocated module. The same module gives the same bytes. Throws Error where the
/// module does not fit a plan; that is a defect of an earlier stage, and the message says so.
plan::fb::PlanT emitPlan(mlir::ModuleOp module, const CompileConfig &config,
                         const ArchiveFacts &archive);

/// As above, with the facts of `archive`, whose graph is `program`.
plan::fb::PlanT emitPlan(mlir::ModuleOp module, const CompileConfig &config,
                         const pt2::Archive &archive, const pt2::ExportedProgram &program,
                         const EmitOptions &options);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_EMIT_EMITPLAN_H
