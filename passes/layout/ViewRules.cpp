//===- ViewRules.cpp - Windows that views are -----------------------------===//
#include "passes/layout/LayoutRules.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

using Views = std::optional<SmallVector<Layout>>;

static const Layout &self(const LayoutArgs &args) { return *args.tensor("self"); }

/// `dim`, counted from the end if negative, of `rank` axes (a 0-d tensor has one).
static int64_t wrap(int64_t dim, int64_t rank) {
  return dim < 0 ? dim + std::max<int64_t>(rank, 1) : dim;
}

static Views one(Layout layout) { return SmallVector<Layout>{std::move(layout)}; }

static void eraseAxis(Layout &layout, int64_t axis) {
  layout.sizes.erase(layout.sizes.begin() + axis);
  layout.strides.erase(layout.strides.begin() + axis);
}

std::optional<SmallVector<int64_t>> passes::reshapeStrides(const Layout &from,
                                                           ArrayRef<int64_t> sizes) {
  int64_t count = from.numElements();
  SmallVector<int64_t> strides(sizes.size(), 1);
  if (count == 0) {
    if (ArrayRef(from.sizes) == sizes)
      return from.strides;
    return contiguousStrides(sizes);
  }
  // Walks both shapes from the back, chunk by chunk of axes that lie contiguously in the tensor.
  int64_t view = int64_t(sizes.size()) - 1;
  int64_t base = from.rank() ? from.strides.back() : 1;
  int64_t chunk = 1, covered = 1;
  for (int64_t axis = from.rank(); axis-- > 0;) {
    chunk *= from.sizes[axis];
    if (axis > 0 && (from.sizes[axis - 1] == 1 || from.strides[axis - 1] == chunk * base))
      continue;
    while (view >= 0 && (covered < chunk || sizes[view] == 1)) {
      strides[view] = covered * base;
      covered *= sizes[view];
      --view;
    }
    if (covered != chunk)
      return std::nullopt;
    if (axis > 0) {
      base = from.strides[axis - 1];
      chunk = covered = 1;
    }
  }
  if (view != -1 && from.rank())
    return std::nullopt;
  return strides;
}

Views layouts::sameView(const LayoutArgs &args) { return one(self(args)); }

Views layouts::reshapeView(const LayoutArgs &args) {
  const Layout &from = self(args);
  ArrayRef<int64_t> sizes = args.resultSizes(0);
  std::optional<SmallVector<int64_t>> strides = reshapeStrides(from, sizes);
  if (!strides)
    return std::nullopt;
  return one({SmallVector<int64_t>(sizes), *strides, from.offset});
}

Views layouts::expandView(const LayoutArgs &args) {
  const Layout &from = self(args);
  ArrayRef<int64_t> sizes = args.resultSizes(0);
  Layout result{SmallVector<int64_t>(sizes), SmallVector<int64_t>(sizes.size()), from.offset};
  int64_t added = int64_t(sizes.size()) - from.rank();
  for (int64_t axis = sizes.size(); axis-- > 0;) {
    bool old = axis >= added;
    int64_t size = old ? from.sizes[axis - added] : 1;
    int64_t stride = old                                ? from.strides[axis - added]
                     : axis + 1 < int64_t(sizes.size()) ? sizes[axis + 1] * result.strides[axis + 1]
                                                        : 1;
    result.strides[axis] = size == sizes[axis] ? stride : 0;
  }
  return one(std::move(result));
}

Views layouts::diagonalView(const LayoutArgs &args) {
  Layout result = self(args);
  int64_t first = wrap(args.integer("dim1", 0), result.rank()),
          second = wrap(args.integer("dim2", 1), result.rank()), offset = args.integer("offset", 0);
  int64_t stride = result.strides[first] + result.strides[second];
  if (args.resultSizes(0).back() > 0)
    result.offset +=
        offset >= 0 ? offset * result.strides[second] : -offset * result.strides[first];
  eraseAxis(result, std::max(first, second));
  eraseAxis(result, std::min(first, second));
  result.sizes.push_back(args.resultSizes(0).back());
  result.strides.push_back(stride);
  return one(std::move(result));
}

Views layouts::permuteView(const LayoutArgs &args) {
  const Layout &from = self(args);
  Layout result{{}, {}, from.offset};
  for (int64_t dim : args.integers("dims")) {
    result.sizes.push_back(from.sizes[wrap(dim, from.rank())]);
    result.strides.push_back(from.strides[wrap(dim, from.rank())]);
  }
  return one(std::move(result));
}

Views layouts::transposeView(const LayoutArgs &args) {
  Layout result = self(args);
  if (result.rank() == 0 || (result.rank() == 1 && !args.optionalInteger("dim0")))
    return one(std::move(result));
  int64_t a = wrap(args.integer("dim0", 0), result.rank()),
          b = wrap(args.integer("dim1", 1), result.rank());
  std::swap(result.sizes[a], result.sizes[b]);
  std::swap(result.strides[a], result.strides[b]);
  return one(std::move(result));
}

Views layouts::selectView(const LayoutArgs &args) {
  Layout result = self(args);
  int64_t axis = wrap(args.integer("dim"), result.rank());
  result.offset += wrap(args.integer("index"), result.sizes[axis]) * result.strides[axis];
  eraseAxis(result, axis);
  return one(std::move(result));
}

Views layouts::sliceView(const LayoutArgs &args) {
  Layout result = self(args);
  int64_t axis = wrap(args.integer("dim"), result.rank()), size = result.sizes[axis];
  int64_t start = args.integer("start");
  start = std::clamp<int64_t>(start < 0 ? start + size : start, 0, size);
  int64_t step = args.integer("step", 1);
  result.offset += start * result.strides[axis];
  result.sizes[axis] = args.resultSizes(0)[axis];
  result.strides[axis] *= step;
  return one(std::move(result));
}

/// Consecutive windows along `axis`, as long as the results are.
Views layouts::splitView(const LayoutArgs &args) {
  Layout window = self(args);
  int64_t axis = wrap(args.integer("dim"), window.rank());
  SmallVector<Layout> results;
  for (unsigned i = 0, e = args.getOp()->getNumResults(); i < e; ++i) {
    window.sizes[axis] = args.resultSizes(i)[axis];
    results.push_back(window);
    window.offset += window.sizes[axis] * window.strides[axis];
  }
  return results;
}

Views layouts::unbindView(const LayoutArgs &args) {
  const Layout &from = self(args);
  int64_t axis = wrap(args.integer("dim"), from.rank());
  SmallVector<Layout> results;
  for (int64_t i = 0; i < from.sizes[axis]; ++i) {
    Layout &result = results.emplace_back(from);
    result.offset += i * from.strides[axis];
    eraseAxis(result, axis);
  }
  return results;
}

Views layouts::squeezeView(const LayoutArgs &args) {
  Layout result = self(args);
  SmallVector<int64_t> axes;
  for (int64_t dim : args.integers("dim"))
    axes.push_back(wrap(dim, result.rank()));
  if (std::optional<int64_t> dim = args.optionalInteger("dim"))
    axes.push_back(wrap(*dim, result.rank()));
  if (!cast<aten::AtenOpInterface>(args.getOp()).getSchema().find("dim"))
    axes = llvm::to_vector(llvm::seq<int64_t>(0, result.rank()));
  llvm::sort(axes, std::greater<>());
  for (int64_t axis : axes)
    if (axis < result.rank() && result.sizes[axis] == 1)
      eraseAxis(result, axis);
  return one(std::move(result));
}

Views layouts::unsqueezeView(const LayoutArgs &args) {
  Layout result = self(args);
  int64_t axis = args.integer("dim");
  if (axis < 0)
    axis += result.rank() + 1;
  int64_t stride = axis >= result.rank() ? 1 : result.sizes[axis] * result.strides[axis];
  result.sizes.insert(result.sizes.begin() + axis, 1);
  result.strides.insert(result.strides.begin() + axis, stride);
  return one(std::move(result));
}
