//===- Layout.h - Where the elements of a tensor lie ------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_LAYOUT_LAYOUT_H
#define REGIMEN_PASSES_LAYOUT_LAYOUT_H

#include "dialects/aten/AtenDialect.h"

#include <functional>
#include <optional>

namespace regimen::passes {

/// Strides and start of a tensor, in elements, within the storage of its base value.
struct Layout {
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<int64_t> strides;
  int64_t offset = 0;

  int64_t rank() const { return sizes.size(); }
  int64_t numElements() const;
  /// Row-major without gaps; strides of axes of one element do not matter. As
  /// Tensor.is_contiguous().
  bool isContiguous() const;
  /// A matrix that lies column by column without gaps.
  bool isColumnMajor() const;
  /// A permutation of a row-major tensor. As Tensor.is_non_overlapping_and_dense().
  bool isNonOverlappingAndDense() const;
  /// The same elements at the same places: strides equal but for axes of one element.
  bool sameAs(const Layout &other) const;
};

/// Row-major strides.
llvm::SmallVector<int64_t> contiguousStrides(llvm::ArrayRef<int64_t> sizes);
Layout contiguousLayout(llvm::ArrayRef<int64_t> sizes);

/// What a rule sees of an op: its schema arguments and the layouts of its tensor operands.
class LayoutArgs {
public:
  using LayoutOf = std::function<const Layout &(mlir::Value)>;
  LayoutArgs(mlir::Operation *op, LayoutOf layoutOf);

  mlir::Operation *getOp() const { return op; }
  /// Layouts of all tensor operands in schema order.
  llvm::SmallVector<const Layout *> tensors() const;
  /// Layout of tensor argument `name`; null if absent.
  const Layout *tensor(llvm::StringRef name) const;
  bool hasScalarOperand() const;
  int64_t integer(llvm::StringRef name, int64_t fallback = 0) const;
  llvm::ArrayRef<int64_t> integers(llvm::StringRef name) const;
  /// Attribute `name` as an integer, if the op has it.
  std::optional<int64_t> optionalInteger(llvm::StringRef name) const;
  llvm::ArrayRef<int64_t> resultSizes(unsigned index) const;

private:
  mlir::Operation *op;
  LayoutOf layoutOf;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_LAYOUT_LAYOUT_H
