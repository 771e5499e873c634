//===- Pipelines.h - The compiler's stages in order -------------*- C++ -*-===//
//
//   import -> autodiff -> shard -> schedule -> allocate -> emit
//
// Import and emit are translations (files to IR and back); what lies between are pass pipelines
// over one module. Each stage's header says what comes in and what goes out, and each ends with its
// verifier pass.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_PIPELINES_H
#define REGIMEN_PASSES_PIPELINES_H

#include "passes/CompileConfig.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include <optional>
#include <string_view>

namespace regimen {

/// The stages of DESIGN's pipeline table that are built.
enum class Stage { Import, Autodiff, Shard, Schedule, Allocate, Emit };

/// The stage called `name`. Throws Error for an unknown name and for a stage that is not built yet.
Stage parseStage(std::string_view name);
std::string_view name(Stage stage);

/// Appends the passes of one stage.
void buildStage(mlir::OpPassManager &passes, Stage stage, const CompileConfig &config);

/// Loads every dialect of the compiler.
void registerAllDialects(mlir::DialectRegistry &registry);
/// Makes every pass and every stage pipeline ("regimen-<stage>") known to textual pipelines.
void registerAllPasses();

} // namespace regimen

#endif // REGIMEN_PASSES_PIPELINES_H
