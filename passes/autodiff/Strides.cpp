//===- Strides.cpp - Which order a value's elements lie in ----------------===//
#include "passes/autodiff/Strides.h"

#include "dialects/aten/AtenOps.h"
#include "passes/autodiff/AtenBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

using Strides = SmallVector<int64_t>;

static Strides contiguousStrides(ArrayRef<int64_t> sizes) {
  Strides strides(sizes.size());
  int64_t stride = 1;
  for (size_t i = sizes.size(); i-- > 0; stride *= std::max<int64_t>(sizes[i], 1))
    strides[i] = stride;
  return strides;
}

/// Strides of a view of `from` with sizes `to`, or none if a view cannot alias (then the elements
/// are copied).
static std::optional<Strides> viewStrides(ArrayRef<int64_t> from, ArrayRef<int64_t> fromStrides,
                                          ArrayRef<int64_t> to) {
  Strides strides(to.size());
  int64_t next = to.size() - 1;
  // Walk from the innermost dimension; a chunk of `from` that is contiguous in itself may be cut
  // freely.
  int64_t chunkBase = fromStrides.empty() ? 1 : fromStrides.back();
  int64_t chunkSize = 1, taken = 1;
  for (int64_t dim = int64_t(from.size()) - 1; dim >= 0; --dim) {
    chunkSize *= from[dim];
    bool chunkEnds =
        dim == 0 || (from[dim - 1] != 1 && fromStrides[dim - 1] != chunkSize * chunkBase);
    if (!chunkEnds)
      continue;
    while (next >= 0 && (taken < chunkSize || to[next] == 1)) {
      strides[next] = taken * chunkBase;
      taken *= to[next--];
    }
    if (taken != chunkSize)
      return std::nullopt;
    if (dim > 0) {
      chunkBase = fromStrides[dim - 1];
      chunkSize = taken = 1;
    }
  }
  return next < 0 ? std::optional(strides) : std::nullopt;
}

/// Strides of a dense tensor of sizes `sizes` whose dimensions are ordered as by `order`.
static Strides denseLike(ArrayRef<int64_t> sizes, ArrayRef<int64_t> order) {
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, sizes.size()));
  llvm::stable_sort(dims, [&](int64_t x, int64_t y) { return order[x] > order[y]; });
  Strides strides(sizes.size());
  int64_t stride = 1;
  for (int64_t dim : llvm::reverse(dims)) {
    strides[dim] = stride;
    stride *= sizes[dim];
  }
  return strides;
}

static Strides dimRemoved(Strides strides, int64_t dim) {
  strides.erase(strides.begin() + dim);
  return strides;
}

static Strides viewOpStrides(Operation *op, Value self, unsigned result) {
  Strides strides = stridesOf(self);
  int64_t rank = strides.size();
  ArrayRef<int64_t> from = sizesOf(self), to = sizesOf(op->getResult(result));
  return TypeSwitch<Operation *, Strides>(op)
      .Case<aten::TOp>([&](auto) { return Strides(llvm::reverse(strides)); })
      .Case<aten::TransposeIntOp>([&](aten::TransposeIntOp transpose) {
        std::swap(strides[wrapDim(transpose.getDim0(), rank)],
                  strides[wrapDim(transpose.getDim1(), rank)]);
        return strides;
      })
      .Case<aten::PermuteOp>([&](aten::PermuteOp permute) {
        return llvm::map_to_vector(permute.getDims(),
                                   [&](int64_t dim) { return strides[wrapDim(dim, rank)]; });
      })
      .Case<aten::SelectIntOp>([&](aten::SelectIntOp select) {
        return dimRemoved(strides, wrapDim(select.getDim(), rank));
      })
      .Case<aten::UnbindIntOp>([&](aten::UnbindIntOp unbind) {
        return dimRemoved(strides, wrapDim(unbind.getDim(), rank));
      })
      .Case<aten::SliceTensorOp>([&](aten::SliceTensorOp slice) {
        strides[wrapDim(slice.getDim(), rank)] *= slice.getStep();
        return strides;
      })
      .Case<aten::UnsqueezeOp>([&](aten::UnsqueezeOp unsqueeze) {
        int64_t dim = wrapDim(unsqueeze.getDim(), rank + 1);
        strides.insert(strides.begin() + dim, dim < rank ? from[dim] * strides[dim] : 1);
        return strides;
      })
      .Case<aten::ExpandOp>([&](auto) {
        Strides expanded(to.size(), 0);
        for (int64_t i = 0, leading = to.size() - rank; i < rank; ++i)
          expanded[leading + i] = from[i] == to[leading + i] ? strides[i] : 0;
        return expanded;
      })
      .Case<aten::SplitTensorOp, aten::SplitWithSizesOp, aten::AliasOp, aten::DetachOp>(
          [&](auto) { return strides; })
      .Default([&](Operation *) {
        // view and squeeze: a logical reshape.
        return viewStrides(from, strides, to).value_or(contiguousStrides(to));
      });
}

/// TensorIterator's choice for a pointwise result: the order of the first operand of full size.
static Strides pointwiseStrides(Operation *op, ArrayRef<int64_t> sizes) {
  for (Value operand : op->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType()) || sizesOf(operand) != sizes)
      continue;
    Strides strides = stridesOf(operand);
    if (!llvm::is_contained(strides, 0))
      return denseLike(sizes, strides);
  }
  return contiguousStrides(sizes);
}

Strides passes::stridesOf(Value value) {
  ArrayRef<int64_t> sizes = sizesOf(value);
  Operation *op = value.getDefiningOp();
  if (!op || !isa<aten::AtenOpInterface>(op))
    return contiguousStrides(sizes);
  unsigned result = cast<OpResult>(value).getResultNumber();
  if (op->hasTrait<aten::ViewLike>())
    return viewOpStrides(op, op->getOperand(0), result);
  if (isa<aten::ScaledDotProductFlashAttentionForCpuOp>(op) && result == 0) {
    // The kernel writes (batch, length, heads, size) and returns it transposed.
    Strides strides = contiguousStrides({sizes[0], sizes[2], sizes[1], sizes[3]});
    std::swap(strides[1], strides[2]);
    return strides;
  }
  if (isa<aten::CloneOp, aten::ToCopyOp>(op)) {
    auto format = op->getAttrOfType<IntegerAttr>("memory_format");
    return format && format.getInt() == 0 ? contiguousStrides(sizes) : pointwiseStrides(op, sizes);
  }
  if (isa<aten::AddTensorOp, aten::SubTensorOp, aten::MulTensorOp, aten::DivTensorOp,
          aten::AddScalarOp, aten::SubScalarOp, aten::MulScalarOp, aten::DivScalarOp, aten::NegOp,
          aten::ReluOp, aten::GeluOp, aten::SiluOp, aten::TanhOp, aten::SigmoidOp, aten::ExpOp,
          aten::WhereSelfOp, aten::PowTensorScalarOp, aten::GeluBackwardOp, aten::SiluBackwardOp,
          aten::TanhBackwardOp, aten::SigmoidBackwardOp, aten::ThresholdBackwardOp>(op))
    return pointwiseStrides(op, sizes);
  return contiguousStrides(sizes);
}

bool passes::isContiguous(Value value) {
  ArrayRef<int64_t> sizes = sizesOf(value);
  Strides strides = stridesOf(value), expected = contiguousStrides(sizes);
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] != 1 && strides[i] != expected[i])
      return false;
  return true;
}

bool passes::isColumnMajor(Value value) {
  Strides strides = stridesOf(value);
  return strides.size() == 2 && strides[0] == 1 && strides[1] == sizesOf(value)[0];
}
