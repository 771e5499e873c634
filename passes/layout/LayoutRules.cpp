//===- LayoutRules.cpp - Strides of what kernels make ---------------------===//
#include "passes/layout/LayoutRules.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

/// Axes from fastest to slowest by ATen's insertion sort, in which `shouldSwap` may be undecided
/// (0).
SmallVector<int64_t> sortAxes(int64_t rank, llvm::function_ref<int(int64_t, int64_t)> shouldSwap) {
  SmallVector<int64_t> order = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  for (int64_t i = 1; i < rank; ++i) {
    int64_t moving = i;
    for (int64_t before = i - 1; before >= 0; --before) {
      int comparison = shouldSwap(order[before], order[moving]);
      if (comparison > 0) {
        std::swap(order[before], order[moving]);
        moving = before;
      } else if (comparison < 0) {
        break;
      }
    }
  }
  return order;
}

/// Compares two axes of one operand: -1 or 1 if its strides decide, else 0.
int compareAxes(int64_t stride0, int64_t stride1, int64_t size0, int64_t size1) {
  if (stride0 == 0 || stride1 == 0)
    return 0;
  if (stride0 != stride1)
    return stride0 < stride1 ? -1 : 1;
  return size0 > size1 ? 1 : 0;
}

/// Strides of `operand` over the broadcast shape `sizes`; 0 along broadcast axes.
SmallVector<int64_t> broadcastStrides(ArrayRef<int64_t> sizes, const Layout &operand) {
  SmallVector<int64_t> strides(sizes.size(), 0);
  size_t shift = sizes.size() - operand.sizes.size();
  for (size_t axis = 0; axis < operand.sizes.size(); ++axis)
    if (operand.sizes[axis] != 1 || sizes[shift + axis] == 1)
      strides[shift + axis] = operand.strides[axis];
  return strides;
}

/// Channels-last strides of an N, C, H, W shape.
SmallVector<int64_t> channelsLastStrides(ArrayRef<int64_t> sizes) {
  return {sizes[1] * sizes[2] * sizes[3], 1, sizes[1] * sizes[3], sizes[1]};
}

/// As Tensor.is_contiguous(memory_format=torch.channels_last).
bool isChannelsLast(const Layout &layout) {
  if (layout.rank() != 4)
    return false;
  SmallVector<int64_t> strides = channelsLastStrides(layout.sizes);
  for (int64_t axis = 0; axis < 4; ++axis)
    if (layout.sizes[axis] != 1 && layout.strides[axis] != strides[axis])
      return false;
  return true;
}

/// As Tensor.suggest_memory_format: whether strides are in the order of channels-last, dense or
/// not. Where both orders fit, they are not.
bool suggestsChannelsLast(const Layout &layout) {
  if (layout.rank() != 4 || layout.strides[1] == 0)
    return false;
  int64_t least = 0;
  for (int64_t axis : {1, 3, 2, 0}) {
    if (layout.sizes[axis] == 0 || layout.strides[axis] < least)
      return false;
    if (axis == 0 && least == layout.strides[1])
      return false;
    least = layout.strides[axis] * std::max<int64_t>(layout.sizes[axis], 1);
  }
  return true;
}

SmallVector<Layout> likeTypes(const LayoutArgs &args) {
  SmallVector<Layout> results;
  for (unsigned i = 0, e = args.getOp()->getNumResults(); i < e; ++i)
    results.push_back(contiguousLayout(args.resultSizes(i)));
  return results;
}

} // namespace

SmallVector<int64_t> passes::denseStrides(const Layout &from) {
  SmallVector<int64_t> order = sortAxes(from.rank(), [&](int64_t a, int64_t b) {
    return compareAxes(from.strides[a], from.strides[b], from.sizes[a], from.sizes[b]);
  });
  SmallVector<int64_t> strides(from.rank());
  int64_t stride = 1;
  for (int64_t axis : order) {
    strides[axis] = stride;
    stride *= std::max<int64_t>(from.sizes[axis], 1);
  }
  return strides;
}

SmallVector<int64_t> passes::iteratorStrides(ArrayRef<int64_t> sizes,
                                             ArrayRef<const Layout *> operands, bool hasScalars) {
  // TensorIterator's fast set-up, for operands of one shape.
  bool sameShape = !hasScalars && llvm::all_of(operands, [&](const Layout *operand) {
    return ArrayRef(operand->sizes) == sizes;
  });
  if (sameShape) {
    if (llvm::all_of(operands, [](const Layout *operand) { return operand->isContiguous(); }))
      return contiguousStrides(sizes);
    if (llvm::all_of(operands, [](const Layout *operand) { return isChannelsLast(*operand); }))
      return channelsLastStrides(sizes);
    if (llvm::all_of(operands, [&](const Layout *operand) {
          return operand->isNonOverlappingAndDense() && operand->strides == operands[0]->strides;
        }))
      return operands[0]->strides;
  }
  // reorder_dimensions and compatible_stride.
  SmallVector<SmallVector<int64_t>> strides;
  for (const Layout *operand : operands)
    strides.push_back(broadcastStrides(sizes, *operand));
  SmallVector<int64_t> order = sortAxes(sizes.size(), [&](int64_t a, int64_t b) {
    for (ArrayRef<int64_t> operand : strides)
      if (int comparison = compareAxes(operand[a], operand[b], sizes[a], sizes[b]))
        return comparison;
    return 0;
  });
  SmallVector<int64_t> result(sizes.size());
  int64_t stride = 1;
  for (int64_t axis : order) {
    result[axis] = stride;
    stride *= sizes[axis];
  }
  return result;
}

SmallVector<Layout> layouts::contiguous(const LayoutArgs &args) { return likeTypes(args); }

SmallVector<Layout> layouts::pointwise(const LayoutArgs &args) {
  SmallVector<Layout> results = likeTypes(args);
  results[0].strides = iteratorStrides(results[0].sizes, args.tensors(), args.hasScalarOperand());
  return results;
}

SmallVector<Layout> layouts::preserved(const LayoutArgs &args) {
  constexpr int64_t kContiguous = 0, kPreserve = 1, kChannelsLast = 2;
  SmallVector<Layout> results = likeTypes(args);
  const Layout &self = *args.tensors().front();
  int64_t format = args.integer("memory_format", kPreserve);
  if (format == kContiguous || self.sizes != results[0].sizes)
    return results;
  if (format == kChannelsLast)
    results[0].strides = channelsLastStrides(self.sizes);
  else
    results[0].strides = self.isNonOverlappingAndDense() ? self.strides : denseStrides(self);
  return results;
}

SmallVector<Layout> layouts::preservedAll(const LayoutArgs &args) {
  SmallVector<Layout> results = preserved(args);
  for (Layout &result : results)
    result.strides = results[0].strides;
  return results;
}

SmallVector<Layout> layouts::preluBackward(const LayoutArgs &args) {
  SmallVector<Layout> results = pointwise(args);
  results[1].strides = results[0].strides;
  return results;
}

/// Lays axes out in `order`, slowest first.
static void permuteStorage(Layout &layout, ArrayRef<int64_t> order) {
  int64_t stride = 1;
  for (int64_t axis : llvm::reverse(order)) {
    layout.strides[axis] = stride;
    stride *= layout.sizes[axis];
  }
}

/// Results of which those of four dimensions are channels-last if `channelsLast`.
static SmallVector<Layout> inOrder(const LayoutArgs &args, bool channelsLast) {
  SmallVector<Layout> results = likeTypes(args);
  for (Layout &result : results)
    if (channelsLast && result.rank() == 4)
      result.strides = channelsLastStrides(result.sizes);
  return results;
}

SmallVector<Layout> layouts::convolution(const LayoutArgs &args) {
  return inOrder(args, suggestsChannelsLast(*args.tensor("input")) ||
                           suggestsChannelsLast(*args.tensor("weight")));
}

SmallVector<Layout> layouts::images(const LayoutArgs &args) {
  const Layout *input = nullptr;
  for (StringRef name : {"input", "self", "grad_output"})
    if (!input)
      input = args.tensor(name);
  return inOrder(args, suggestsChannelsLast(*input));
}

SmallVector<Layout> layouts::joined(const LayoutArgs &args) {
  return inOrder(args, llvm::all_of(args.tensors(), [](const Layout *tensor) {
                   return suggestsChannelsLast(*tensor);
                 }));
}

SmallVector<Layout> layouts::flashAttention(const LayoutArgs &args) {
  SmallVector<Layout> results = likeTypes(args);
  const Layout &query = *args.tensor("query");
  results[0].strides = query.isNonOverlappingAndDense() ? query.strides : denseStrides(query);
  permuteStorage(results[1], {0, 2, 1});
  return results;
}

SmallVector<Layout> layouts::flashAttentionBackward(const LayoutArgs &args) {
  SmallVector<Layout> results = likeTypes(args);
  for (Layout &layout : results)
    permuteStorage(layout, {0, 2, 1, 3});
  return results;
}
