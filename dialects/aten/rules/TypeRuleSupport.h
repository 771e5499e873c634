//===- TypeRuleSupport.h - Shapes and dtypes, as PyTorch has them -*- C++ -*-===//
#ifndef REGIMEN_DIALECTS_ATEN_RULES_TYPERULESUPPORT_H
#define REGIMEN_DIALECTS_ATEN_RULES_TYPERULESUPPORT_H

#include "dialects/aten/AtenDialect.h"

namespace regimen::aten {

using Shape = llvm::SmallVector<int64_t>;

/// The dtype of an operation on two tensors of one category (torch.promote_types).
mlir::Type promoteTypes(mlir::Type a, mlir::Type b);

/// `type` if it is a floating-point type, else f32: what true division and functions like exp give
/// for integers.
mlir::Type toFloatType(mlir::Type type);

/// torch.result_type of tensors and Scalars: tensors with dimensions come before 0-d tensors, and
/// these before Scalars; a lower rank only changes the result if its category (bool, integer,
/// float) is higher.
mlir::Type resultType(mlir::ValueRange values);

/// `dim` counted from the front; 0-d tensors have one dimension for this purpose.
mlir::FailureOr<int64_t> wrapDim(const InferArgs &args, int64_t dim, int64_t rank);

/// `dims` counted from the front, each at most once.
mlir::FailureOr<Shape> wrapDims(const InferArgs &args, llvm::ArrayRef<int64_t> dims, int64_t rank);

/// The common shape of `shapes` under broadcasting.
mlir::FailureOr<Shape> broadcastShapes(const InferArgs &args,
                                       llvm::ArrayRef<llvm::ArrayRef<int64_t>> shapes);

/// The common shape of the tensors among `values` under broadcasting.
mlir::FailureOr<Shape> broadcastValues(const InferArgs &args, mlir::ValueRange values);

/// Bounds of slice(start, end, step) along an axis of `size` elements, as PyTorch clamps them.
struct SliceBounds {
  int64_t start;
  int64_t count;
};
SliceBounds sliceBounds(int64_t size, std::optional<int64_t> start, std::optional<int64_t> end,
                        int64_t step);

/// `size` with its -1, if any, replaced so that it holds `numElements`.
mlir::FailureOr<Shape> inferViewSize(const InferArgs &args, llvm::ArrayRef<int64_t> size,
                                     int64_t numElements);

/// The attribute of a Scalar that is a constant; null otherwise.
mlir::Attribute constantScalar(mlir::Value value);

/// A shape as PyTorch prints it, for messages: "[2, 3]".
std::string shapeText(llvm::ArrayRef<int64_t> shape);

/// Integer attribute `name`; none if absent.
std::optional<int64_t> optionalInteger(const InferArgs &args, llvm::StringRef name);

/// Boolean attribute `name`, or `fallback` if absent.
bool boolean(const InferArgs &args, llvm::StringRef name, bool fallback = false);

/// Type attribute `name`; null if absent.
mlir::Type dtype(const InferArgs &args, llvm::StringRef name = "dtype");

/// Integer list `name` with one value an axis: a single value holds for all `rank` axes, none means
/// `fallback`.
mlir::FailureOr<Shape> perAxis(const InferArgs &args, llvm::StringRef name, int64_t rank,
                               int64_t fallback);

} // namespace regimen::aten

#endif // REGIMEN_DIALECTS_ATEN_RULES_TYPERULESUPPORT_H
