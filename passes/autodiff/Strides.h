//===- Strides.h - Which order a value's elements lie in --------*- C++ -*-===//
//
// PyTorch's matrix gradients depend on the strides of the operands: the gradient of a column-major
// matrix is computed transposed. This answers as eager PyTorch would, before any layout is
// assigned.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_AUTODIFF_STRIDES_H
#define REGIMEN_PASSES_AUTODIFF_STRIDES_H

#include "mlir/IR/Value.h"

namespace regimen::passes {

/// Strides of tensor `value` in elements, as eager PyTorch has them. Inputs, parameters and buffers
/// are contiguous; views have their base's strides; pointwise ops keep their operands' order; other
/// kernels give contiguous results.
llvm::SmallVector<int64_t> stridesOf(mlir::Value value);

/// Row-major without gaps.
bool isContiguous(mlir::Value value);

/// Whether matrix `value` lies column by column without gaps.
bool isColumnMajor(mlir::Value value);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_STRIDES_H
