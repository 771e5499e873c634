//===- Einsum.cpp - Sums of products by labels ----------------------------===//
//
// As ATen's einsum and sumproduct_pair: operands get the axes of the result, then those that are
// summed; a pair becomes one batched product.
//
//===----------------------------------------------------------------------===//
#include "passes/autodiff/composites/Composites.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

struct Equation {
  SmallVector<std::string> terms;
  /// The result's labels, then those that are summed, in alphabetical order.
  std::string labels;
  size_t resultRank;

  explicit Equation(StringRef text) {
    std::string compact;
    for (char c : text)
      if (c != ' ')
        compact += c;
    auto [left, right] = StringRef(compact).split("->");
    SmallVector<StringRef> parts;
    left.split(parts, ',');
    for (StringRef part : parts)
      terms.push_back(part.str());
    labels = right.str();
    resultRank = labels.size();
    std::string summed;
    for (char c : left)
      if (c != ',' && labels.find(c) == std::string::npos && summed.find(c) == std::string::npos)
        summed += c;
    // Capital letters come first.
    llvm::sort(summed);
    labels += summed;
  }

  /// No label twice in a term: that would be a diagonal.
  bool hasDiagonal() const {
    auto repeats = [](StringRef term) {
      return llvm::any_of(term, [&](char c) { return term.count(c) > 1; });
    };
    return repeats(StringRef(labels).take_front(resultRank)) || llvm::any_of(terms, repeats);
  }
};

/// `x` with an axis for each of the equation's labels, of size 1 where its term has none.
Value aligned(AtenBuilder &a, Value x, StringRef term, StringRef labels) {
  std::string order = term.str();
  for (char label : labels)
    if (!term.contains(label)) {
      x = a.unsqueeze(x, order.size());
      order += label;
    }
  SmallVector<int64_t> dims;
  for (char label : labels)
    dims.push_back(order.find(label));
  return a.permute(x, dims);
}

int64_t product(ArrayRef<int64_t> sizes, ArrayRef<int64_t> axes) {
  int64_t result = 1;
  for (int64_t axis : axes)
    result *= sizes[axis];
  return result;
}

/// The product of aligned operands, summed over the axes from `resultRank` on.
Value productOfPair(AtenBuilder &a, Value x, Value y, int64_t resultRank) {
  SmallVector<int64_t> sizesX(sizesOf(x)), sizesY(sizesOf(y));
  int64_t rank = sizesX.size();
  SmallVector<int64_t> batch, onlyX, onlyY, summed;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (axis >= resultRank)
      summed.push_back(axis);
    else if (sizesX[axis] != 1 && sizesY[axis] != 1)
      batch.push_back(axis);
    else
      (sizesX[axis] != 1 ? onlyX : onlyY).push_back(axis);
  }
  auto joined = [](std::initializer_list<ArrayRef<int64_t>> parts) {
    SmallVector<int64_t> all;
    for (ArrayRef<int64_t> part : parts)
      llvm::append_range(all, part);
    return all;
  };
  SmallVector<int64_t> orderX = joined({batch, onlyX, summed, onlyY}),
                       orderY = joined({batch, summed, onlyY, onlyX});
  int64_t batches = product(sizesX, batch), inner = product(sizesX, summed);
  Value left = a.view(a.permute(x, orderX), {batches, product(sizesX, onlyX), inner});
  Value right = a.view(a.permute(y, orderY), {batches, inner, product(sizesY, onlyY)});
  Value result = a.bmm(left, right);
  SmallVector<int64_t> sizes, inverse(rank);
  for (auto [place, axis] : llvm::enumerate(orderX)) {
    inverse[axis] = place;
    sizes.push_back(axis >= resultRank ? 1 : std::max(sizesX[axis], sizesY[axis]));
  }
  result = a.permute(a.view(result, sizes), inverse);
  return a.view(result, sizesOf(result).take_front(resultRank));
}

} // namespace

static Value einsum(AtenBuilder &a, aten::EinsumOp op) {
  Equation equation(op.getEquation());
  size_t count = op.getTensors().size();
  if (count > 2 || equation.hasDiagonal()) {
    op.emitError() << "aten.einsum '" << op.getEquation()
                   << "' is not supported: write it as products of two operands without diagonals";
    return {};
  }
  SmallVector<Value> operands;
  for (auto [operand, term] : llvm::zip_equal(op.getTensors(), equation.terms))
    operands.push_back(aligned(a, operand, term, equation.labels));
  int64_t rank = equation.labels.size(), resultRank = equation.resultRank;
  if (count == 1) {
    SmallVector<int64_t> summed = llvm::to_vector(llvm::seq<int64_t>(resultRank, rank));
    return summed.empty() ? operands[0] : a.sum(operands[0], summed, false);
  }
  for (int64_t axis = resultRank; axis < rank; ++axis)
    if (sizesOf(operands[0])[axis] == 1 || sizesOf(operands[1])[axis] == 1) {
      op.emitError()
          << "aten.einsum '" << op.getEquation() << "' sums label '" << equation.labels[axis]
          << "' of one operand only, or of size 1, which is not supported: sum it before";
      return {};
    }
  return rank == resultRank ? a.mul(operands[0], operands[1])
                            : productOfPair(a, operands[0], operands[1], resultRank);
}

void passes::addEinsumPatterns(RewritePatternSet &patterns) { addDecomposition(patterns, einsum); }
