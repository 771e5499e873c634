//===- Layout.cpp - Where the elements of a tensor lie --------------------===//
#include "passes/layout/Layout.h"

#include "llvm/ADT/STLExtras.h"
#include <numeric>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

int64_t Layout::numElements() const {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t(1), std::multiplies<>());
}

bool Layout::isContiguous() const {
  int64_t expected = 1;
  for (int64_t axis = rank(); axis-- > 0;) {
    if (sizes[axis] == 0)
      return true;
    if (sizes[axis] == 1)
      continue;
    if (strides[axis] != expected)
      return false;
    expected *= sizes[axis];
  }
  return true;
}

bool Layout::isNonOverlappingAndDense() const {
  // As c10's compute_non_overlapping_and_dense: axes by stride, those of fewer than two elements
  // last.
  if (rank() == 1)
    return sizes[0] < 2 || strides[0] == 1;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, rank()));
  llvm::stable_sort(axes, [&](int64_t a, int64_t b) {
    if (sizes[a] < 2)
      return false;
    return sizes[b] < 2 || strides[a] < strides[b];
  });
  int64_t expected = 1;
  for (int64_t axis : axes) {
    if (sizes[axis] < 2)
      return true;
    if (strides[axis] != expected)
      return false;
    expected *= sizes[axis];
  }
  return true;
}

bool Layout::isColumnMajor() const {
  return rank() == 2 && strides[0] == 1 && strides[1] == sizes[0];
}

bool Layout::sameAs(const Layout &other) const {
  if (sizes != other.sizes || offset != other.offset)
    return false;
  for (int64_t axis = 0; axis < rank(); ++axis)
    if (sizes[axis] > 1 && strides[axis] != other.strides[axis])
      return false;
  return true;
}

SmallVector<int64_t> passes::contiguousStrides(ArrayRef<int64_t> sizes) {
  SmallVector<int64_t> strides(sizes.size());
  int64_t stride = 1;
  for (size_t axis = sizes.size(); axis-- > 0;) {
    strides[axis] = stride;
    // An empty axis counts as one element, as in ATen.
    stride *= std::max<int64_t>(sizes[axis], 1);
  }
  return strides;
}

Layout passes::contiguousLayout(ArrayRef<int64_t> sizes) {
  return {SmallVector<int64_t>(sizes), contiguousStrides(sizes), 0};
}

LayoutArgs::LayoutArgs(Operation *op, LayoutOf layoutOf) : op(op), layoutOf(std::move(layoutOf)) {}

SmallVector<const Layout *> LayoutArgs::tensors() const {
  SmallVector<const Layout *> layouts;
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      layouts.push_back(&layoutOf(operand));
  return layouts;
}

const Layout *LayoutArgs::tensor(StringRef name) const {
  const aten::SchemaArg *arg = cast<aten::AtenOpInterface>(op).getSchema().find(name);
  OperandRange values = arg ? aten::getOperandsOf(op, *arg) : op->getOperands().slice(0, 0);
  return values.empty() ? nullptr : &layoutOf(values.front());
}

bool LayoutArgs::hasScalarOperand() const {
  return llvm::any_of(op->getOperandTypes(), [](Type type) { return !isa<ShapedType>(type); });
}

std::optional<int64_t> LayoutArgs::optionalInteger(StringRef name) const {
  auto attr =
      llvm::dyn_cast_if_present<IntegerAttr>(op->getInherentAttr(name).value_or(Attribute()));
  return attr ? std::optional(attr.getInt()) : std::nullopt;
}

int64_t LayoutArgs::integer(StringRef name, int64_t fallback) const {
  return optionalInteger(name).value_or(fallback);
}

ArrayRef<int64_t> LayoutArgs::integers(StringRef name) const {
  auto attr =
      llvm::dyn_cast_if_present<DenseI64ArrayAttr>(op->getInherentAttr(name).value_or(Attribute()));
  return attr ? attr.asArrayRef() : ArrayRef<int64_t>();
}

ArrayRef<int64_t> LayoutArgs::resultSizes(unsigned index) const {
  return cast<RankedTensorType>(op->getResult(index).getType()).getShape();
}
