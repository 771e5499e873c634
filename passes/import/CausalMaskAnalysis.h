//===- CausalMaskAnalysis.h - What an attention mask lets through -*- C++ -*-===//
#ifndef REGIMEN_PASSES_IMPORT_CAUSALMASKANALYSIS_H
#define REGIMEN_PASSES_IMPORT_CAUSALMASKANALYSIS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"

namespace regimen::passes {

/// What is known of boolean masks [..., queries, keys], true where attention may look.
enum class MaskKind {
  Unknown,
  /// True everywhere.
  Full,
  /// True exactly where key <= query, for every batch and head; queries == keys.
  Causal,
};

/// Classifies masks through the ops that build them: constants, comparisons of two ranges,
/// conjunctions, and views. Takes time linear in ranges, however large the mask that they span.
class CausalMaskAnalysis {
public:
  explicit CausalMaskAnalysis(mlir::Operation *) {}

  MaskKind classify(mlir::Value mask);

private:
  MaskKind compute(mlir::Value mask);

  llvm::DenseMap<mlir::Value, MaskKind> kinds;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_CAUSALMASKANALYSIS_H
