//===- AtenBuilder.h - Writing aten ops as expressions ----------*- C++ -*-===//
#ifndef REGIMEN_PASSES_AUTODIFF_ATENBUILDER_H
#define REGIMEN_PASSES_AUTODIFF_ATENBUILDER_H

#include "dialects/aten/AtenDialect.h"

#include "mlir/IR/Builders.h"

namespace regimen::passes {

/// The type of `value`, which must be a tensor.
mlir::RankedTensorType typeOf(mlir::Value value);
/// The sizes of tensor `value`.
llvm::ArrayRef<int64_t> sizesOf(mlir::Value value);
/// `dim` counted from the front, for a tensor of `rank` dimensions.
int64_t wrapDim(int64_t dim, int64_t rank);
/// The dimensions that a reduction with attribute `dims` (absent or empty: all) reduces, counted
/// from the front.
llvm::SmallVector<int64_t> reducedDims(mlir::DenseI64ArrayAttr dims, int64_t rank);

/// Builds aten ops at one location; types are inferred. Methods are named as in PyTorch.
class AtenBuilder {
public:
  AtenBuilder(mlir::OpBuilder &builder, mlir::Location loc) : b(builder), loc(loc) {}

  using Groups = llvm::ArrayRef<llvm::SmallVector<mlir::Value>>;

  /// Any op by its ATen name; a group of operands each. Null, with a diagnostic, if the types do
  /// not fit.
  mlir::Operation *op(llvm::StringRef name, Groups operands,
                      llvm::ArrayRef<mlir::NamedAttribute> attributes = {});
  /// The same for an op with one result of interest, the first.
  mlir::Value call(llvm::StringRef name, Groups operands,
                   llvm::ArrayRef<mlir::NamedAttribute> attributes = {});

  mlir::Value scalar(double value);
  mlir::Value scalar(int64_t value);

  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  /// x * y for a Scalar y.
  mlir::Value mulScalar(mlir::Value x, mlir::Value y);
  /// x * y, or x itself where y is absent or the constant 1 (maybe_multiply).
  mlir::Value maybeMultiply(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, mlir::Value y);
  mlir::Value divScalar(mlir::Value x, mlir::Value y);
  mlir::Value neg(mlir::Value x);
  mlir::Value powScalar(mlir::Value x, mlir::Value exponent);
  mlir::Value mm(mlir::Value x, mlir::Value y);
  mlir::Value bmm(mlir::Value x, mlir::Value y);
  mlir::Value t(mlir::Value x);
  mlir::Value transpose(mlir::Value x, int64_t dim0, int64_t dim1);
  mlir::Value permute(mlir::Value x, llvm::ArrayRef<int64_t> dims);
  mlir::Value view(mlir::Value x, llvm::ArrayRef<int64_t> sizes);
  mlir::Value unsafeView(mlir::Value x, llvm::ArrayRef<int64_t> sizes);
  mlir::Value expand(mlir::Value x, llvm::ArrayRef<int64_t> sizes);
  mlir::Value unsqueeze(mlir::Value x, int64_t dim);
  mlir::Value squeeze(mlir::Value x, int64_t dim);
  mlir::Value slice(mlir::Value x, int64_t dim, int64_t start, int64_t end, int64_t step = 1);
  mlir::Value select(mlir::Value x, int64_t dim, int64_t index);
  mlir::Value cat(llvm::ArrayRef<mlir::Value> tensors, int64_t dim);
  mlir::Value sum(mlir::Value x, llvm::ArrayRef<int64_t> dims, bool keepdim);
  mlir::Value zeros(mlir::RankedTensorType type);
  /// `x` itself if it has that dtype (Tensor::to).
  mlir::Value to(mlir::Value x, mlir::Type dtype);
  /// `x` summed over the dimensions in which `sizes` broadcasts (at::sum_to).
  mlir::Value sumTo(mlir::Value x, llvm::ArrayRef<int64_t> sizes);

  mlir::NamedAttribute i64(llvm::StringRef name, int64_t value);
  mlir::NamedAttribute f64(llvm::StringRef name, double value);
  mlir::NamedAttribute boolean(llvm::StringRef name, bool value);
  mlir::NamedAttribute ints(llvm::StringRef name, llvm::ArrayRef<int64_t> values);
  mlir::NamedAttribute bools(llvm::StringRef name, llvm::ArrayRef<bool> values);
  mlir::NamedAttribute type(llvm::StringRef name, mlir::Type value);

  mlir::OpBuilder &builder() { return b; }
  mlir::Location location() const { return loc; }

private:
  mlir::OpBuilder &b;
  mlir::Location loc;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_ATENBUILDER_H
