//===- Composites.h - PyTorch's own decompositions --------------*- C++ -*-===//
//
// One pattern a composite op, in files by family. A pattern that cannot lower an op says why with
// an error at the op, and leaves it.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_AUTODIFF_COMPOSITES_COMPOSITES_H
#define REGIMEN_PASSES_AUTODIFF_COMPOSITES_COMPOSITES_H

#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/DenseMap.h"

namespace regimen::passes {

/// For each matrix product of the graph as exported, whether its operands depend on a trainable
/// parameter: torch.matmul's choice of kernel depends on it.
using RequiresGrad = llvm::DenseMap<mlir::Operation *, llvm::SmallVector<bool>>;

void addMatrixPatterns(mlir::RewritePatternSet &patterns, const RequiresGrad &requiresGrad);
void addAttentionPatterns(mlir::RewritePatternSet &patterns);
void addConvolutionPatterns(mlir::RewritePatternSet &patterns);
void addLossPatterns(mlir::RewritePatternSet &patterns);
void addNormalizationPatterns(mlir::RewritePatternSet &patterns);
void addShapePatterns(mlir::RewritePatternSet &patterns);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_COMPOSITES_COMPOSITES_H
