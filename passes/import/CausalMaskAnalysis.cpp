//===- CausalMaskAnalysis.cpp - What an attention mask lets through -------===//
#include "passes/import/CausalMaskAnalysis.h"

#include "dialects/aten/AtenOps.h"

#include "mlir/IR/Matchers.h"
#include <algorithm>

using namespace mlir;
using namespace regimen;
using passes::MaskKind;

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// The sizes of queries and keys; empty below rank 2.
ArrayRef<int64_t> matrixOf(Value value) {
  ArrayRef<int64_t> shape = shapeOf(value);
  return shape.size() < 2 ? ArrayRef<int64_t>() : shape.take_back(2);
}

MaskKind classifyConstant(DenseElementsAttr mask) {
  if (!mask.getElementType().isInteger(1))
    return MaskKind::Unknown;
  if (mask.isSplat() && mask.getSplatValue<bool>())
    return MaskKind::Full;
  ArrayRef<int64_t> shape = mask.getType().getShape();
  size_t rank = shape.size();
  if (rank < 2 || shape[rank - 1] != shape[rank - 2] || mask.empty())
    return MaskKind::Unknown;
  int64_t size = shape[rank - 1], query = 0, key = 0;
  for (bool value : mask.getValues<bool>()) {
    if (value != (key <= query))
      return MaskKind::Unknown;
    if (++key == size) {
      key = 0;
      query = query + 1 == size ? 0 : query + 1;
    }
  }
  return MaskKind::Causal;
}

/// A comparison as `keys < queries` or `keys <= queries`, whichever operand is which.
struct Comparison {
  Value lesser, greater;
  bool strict;
};

std::optional<Comparison> comparison(Operation *op) {
  if (isa<aten::LeTensorOp, aten::LtTensorOp>(op))
    return Comparison{op->getOperand(0), op->getOperand(1), isa<aten::LtTensorOp>(op)};
  if (isa<aten::GeTensorOp, aten::GtTensorOp>(op))
    return Comparison{op->getOperand(1), op->getOperand(0), isa<aten::GtTensorOp>(op)};
  return std::nullopt;
}

/// The integers of a constant that varies along one axis at most; `fromEnd` counts it from the end.
std::optional<SmallVector<int64_t>> rangeAlong(Value value, size_t fromEnd) {
  DenseElementsAttr attr;
  ArrayRef<int64_t> shape = shapeOf(value);
  if (!matchPattern(value, m_Constant(&attr)) || !attr.getElementType().isInteger(64) ||
      shape.size() < fromEnd || attr.getNumElements() != shape[shape.size() - fromEnd])
    return std::nullopt;
  return llvm::to_vector(attr.getValues<int64_t>());
}

/// `keys <= queries` of two ranges is causal if for query i it holds for keys 0 to i and no other.
MaskKind classifyRanges(const Comparison &comparison, int64_t size) {
  auto keys = rangeAlong(comparison.lesser, 1), queries = rangeAlong(comparison.greater, 2);
  if (!keys || !queries || int64_t(keys->size()) != size || int64_t(queries->size()) != size ||
      !llvm::is_sorted(*keys))
    return MaskKind::Unknown;
  for (auto [i, query] : llvm::enumerate(*queries)) {
    auto end = comparison.strict ? std::lower_bound(keys->begin(), keys->end(), query)
                                 : std::upper_bound(keys->begin(), keys->end(), query);
    if (end - keys->begin() != int64_t(i) + 1)
      return MaskKind::Unknown;
  }
  return MaskKind::Causal;
}

/// A comparison of two constants that are each one value everywhere.
std::optional<bool> compareSplats(Operation *op) {
  DenseElementsAttr a, b;
  if (op->getNumOperands() != 2 || !matchPattern(op->getOperand(0), m_Constant(&a)) ||
      !matchPattern(op->getOperand(1), m_Constant(&b)) || !a.isSplat() || !b.isSplat() ||
      !isa<IntegerType>(a.getElementType()) || a.getElementType() != b.getElementType())
    return std::nullopt;
  APInt x = a.getSplatValue<APInt>(), y = b.getSplatValue<APInt>();
  if (isa<aten::EqTensorOp>(op))
    return x == y;
  if (isa<aten::NeTensorOp>(op))
    return x != y;
  if (std::optional<Comparison> order = comparison(op); order && x.getBitWidth() > 1) {
    bool swapped = order->lesser != op->getOperand(0);
    const APInt &lesser = swapped ? y : x, &greater = swapped ? x : y;
    return order->strict ? lesser.slt(greater) : lesser.sle(greater);
  }
  return std::nullopt;
}

} // namespace

MaskKind passes::CausalMaskAnalysis::classify(Value mask) {
  auto it = kinds.find(mask);
  if (it != kinds.end())
    return it->second;
  MaskKind kind = compute(mask);
  kinds[mask] = kind;
  return kind;
}

MaskKind passes::CausalMaskAnalysis::compute(Value mask) {
  Operation *op = mask.getDefiningOp();
  if (!op || !cast<RankedTensorType>(mask.getType()).getElementType().isInteger(1))
    return MaskKind::Unknown;
  DenseElementsAttr constant;
  if (matchPattern(mask, m_Constant(&constant)))
    return classifyConstant(constant);
  if (isa<aten::NewOnesOp, aten::OnesOp, aten::OnesLikeOp>(op))
    return MaskKind::Full;

  // These repeat or regroup whole matrices if they leave the last two axes as they are.
  if (isa<aten::AliasOp, aten::CloneOp, aten::DetachOp, aten::ExpandOp, aten::UnsafeViewOp,
          aten::UnsqueezeOp, aten::ViewOp>(op)) {
    MaskKind kind = classify(op->getOperand(0));
    bool sameMatrix = !matrixOf(mask).empty() && matrixOf(mask) == matrixOf(op->getOperand(0));
    return kind == MaskKind::Full || sameMatrix ? kind : MaskKind::Unknown;
  }
  if (isa<aten::AndTensorOp, aten::BitwiseAndTensorOp, aten::LogicalAndOp>(op)) {
    MaskKind kinds[] = {classify(op->getOperand(0)), classify(op->getOperand(1))};
    MaskKind result = MaskKind::Full;
    for (auto [kind, operand] : llvm::zip_equal(kinds, op->getOperands())) {
      if (kind == MaskKind::Full)
        continue;
      if (kind != MaskKind::Causal || matrixOf(operand) != matrixOf(mask))
        return MaskKind::Unknown;
      result = MaskKind::Causal;
    }
    return result;
  }
  if (std::optional<bool> everywhere = compareSplats(op))
    return *everywhere ? MaskKind::Full : MaskKind::Unknown;
  if (std::optional<Comparison> order = comparison(op)) {
    ArrayRef<int64_t> matrix = matrixOf(mask);
    if (!matrix.empty() && matrix[0] == matrix[1])
      return classifyRanges(*order, matrix[0]);
  }
  return MaskKind::Unknown;
}
