//===- Composites.h - PyTorch's own decompositions --------------*- C++ -*-===//
//
// One pattern a composite op, in files by family. A pattern that cannot lower an op says why with
// an error at the op, and leaves it.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_AUTODIFF_COMPOSITES_COMPOSITES_H
#define REGIMEN_PASSES_AUTODIFF_COMPOSITES_COMPOSITES_H

#include "dialects/aten/AtenOps.h"
#include "passes/autodiff/AtenBuilder.h"

#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/DenseMap.h"

namespace regimen::passes {

/// For each composite of the graph as exported, whether its operands depend on a trainable
/// parameter: torch.matmul's and attention's choice of kernel depends on it.
using RequiresGrad = llvm::DenseMap<mlir::Operation *, llvm::SmallVector<bool>>;

/// Replaces an op by what a function writes in its place: one value a result, or, after an error at
/// the op, null or none.
template <typename CompositeOp, typename Result>
class Decompose : public mlir::OpRewritePattern<CompositeOp> {
public:
  using Function = Result (*)(AtenBuilder &, CompositeOp);
  Decompose(mlir::MLIRContext *context, Function function)
      : mlir::OpRewritePattern<CompositeOp>(context), function(function) {}

  mlir::LogicalResult matchAndRewrite(CompositeOp op,
                                      mlir::PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    llvm::SmallVector<mlir::Value> results = listOf(function(a, op));
    if (llvm::is_contained(results, mlir::Value()) || results.size() != op->getNumResults())
      return mlir::failure();
    rewriter.replaceOp(op, results);
    return mlir::success();
  }

private:
  static llvm::SmallVector<mlir::Value> listOf(mlir::Value value) { return {value}; }
  static llvm::SmallVector<mlir::Value> listOf(llvm::SmallVector<mlir::Value> values) {
    return values;
  }

  Function function;
};

template <typename CompositeOp, typename Result>
void addDecomposition(mlir::RewritePatternSet &patterns,
                      Result (*function)(AtenBuilder &, CompositeOp)) {
  patterns.add<Decompose<CompositeOp, Result>>(patterns.getContext(), function);
}

/// The operand group of an argument that may be absent.
inline llvm::SmallVector<mlir::Value> optional(mlir::Value value) {
  return value ? llvm::SmallVector<mlir::Value>{value} : llvm::SmallVector<mlir::Value>{};
}

void addMatrixPatterns(mlir::RewritePatternSet &patterns, const RequiresGrad &requiresGrad);
void addAttentionPatterns(mlir::RewritePatternSet &patterns, const RequiresGrad &requiresGrad);
void addConvolutionPatterns(mlir::RewritePatternSet &patterns);
void addLossPatterns(mlir::RewritePatternSet &patterns);
void addEinsumPatterns(mlir::RewritePatternSet &patterns);
void addNormalizationPatterns(mlir::RewritePatternSet &patterns);
void addPointwisePatterns(mlir::RewritePatternSet &patterns);
void addRecurrentPatterns(mlir::RewritePatternSet &patterns);
void addShapePatterns(mlir::RewritePatternSet &patterns);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_COMPOSITES_COMPOSITES_H
