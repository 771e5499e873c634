//===- ConstantEvaluator.h - Integer and boolean aten ops on constants -*- C++ -*-===//
#ifndef REGIMEN_DIALECTS_ATEN_CONSTANTEVALUATOR_H
#define REGIMEN_DIALECTS_ATEN_CONSTANTEVALUATOR_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

namespace regimen::aten {

/// Whether evaluate() knows the op and all its tensors are integer or boolean: float math is the
/// kernels' business, so that its bits are theirs.
bool isEvaluable(mlir::Operation *op);

/// The results of `op` for constant operands: a DenseElementsAttr for each tensor, a number for
/// each Scalar. Splats stay splats. Fails for an op that isEvaluable() refuses, without a
/// diagnostic.
mlir::LogicalResult evaluate(mlir::Operation *op, llvm::ArrayRef<mlir::Attribute> operands,
                             llvm::SmallVectorImpl<mlir::DenseElementsAttr> &results);

} // namespace regimen::aten

#endif // REGIMEN_DIALECTS_ATEN_CONSTANTEVALUATOR_H
