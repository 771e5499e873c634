//===- Shape.cpp - Padding, differences, repetition and selection ---------===//
#include "passes/autodiff/composites/Composites.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

static Value clone(AtenBuilder &a, Value x) {
  return a.call("aten::clone", {{x}}, {a.i64("memory_format", 0)});
}

static Value pad(AtenBuilder &a, aten::PadOp op) {
  StringRef mode = op.getMode();
  if (mode == "constant") {
    std::optional<APFloat> value = op.getValue();
    Value fill = a.scalar(value ? value->convertToDouble() : 0.0);
    return a.call("aten::constant_pad_nd", {{op.getSelf()}, {fill}}, {a.ints("pad", op.getPad())});
  }
  size_t axes = op.getPad().size() / 2, rank = sizesOf(op.getSelf()).size();
  bool known = (mode == "reflect" || mode == "replicate") && (axes == 1 || axes == 2) &&
               (rank == axes + 1 || rank == axes + 2);
  if (!known) {
    op.emitError() << "aten.pad with mode '" << mode << "' of " << axes
                   << " axes of a tensor of rank " << rank
                   << " is not supported: only 'constant', and 'reflect' and 'replicate' of 1 or 2 "
                      "axes behind a channel";
    return {};
  }
  std::string name = (Twine("aten::") + (mode == "reflect" ? "reflection" : "replication") +
                      "_pad" + Twine(axes) + "d")
                         .str();
  return a.call(name, {{op.getSelf()}}, {a.ints("padding", op.getPad())});
}

static Value diff(AtenBuilder &a, aten::DiffOp op) {
  Value self = op.getSelf();
  if (typeOf(self).getElementType().isInteger(1)) {
    op.emitError() << "aten.diff of booleans is not supported: cast to an integer first";
    return {};
  }
  int64_t dim = op.getDim();
  SmallVector<Value> parts;
  for (Value part : {Value(op.getPrepend()), self, Value(op.getAppend())})
    if (part)
      parts.push_back(part);
  Value x = parts.size() > 1 ? a.cat(parts, dim) : self;
  int64_t axis = wrapDim(dim, sizesOf(x).size());
  for (int64_t i = 0, e = op.getN(); i < e; ++i) {
    int64_t size = sizesOf(x)[axis];
    Value before = a.slice(x, dim, 0, size - 1);
    x = a.sub(a.slice(x, dim, 1, size), before);
  }
  return x;
}

static Value repeatInterleave(AtenBuilder &a, aten::RepeatInterleaveSelfIntOp op) {
  Value self = op.getSelf();
  std::optional<int64_t> given = op.getDim();
  if (!given)
    self = a.view(self, {typeOf(self).getNumElements()});
  int64_t dim = wrapDim(given.value_or(0), sizesOf(self).size());
  Value repeated = a.unsqueeze(self, dim + 1);
  SmallVector<int64_t> sizes(sizesOf(repeated));
  sizes[dim + 1] = op.getRepeats();
  return a.view(clone(a, a.expand(repeated, sizes)), sizesOf(op.getResult()));
}

static Value tile(AtenBuilder &a, aten::TileOp op) {
  SmallVector<int64_t> repeats(op.getDims());
  if (size_t rank = sizesOf(op.getSelf()).size(); rank > repeats.size())
    repeats.insert(repeats.begin(), rank - repeats.size(), 1);
  return a.call("aten::repeat", {{op.getSelf()}}, {a.ints("repeats", repeats)});
}

static Value oneHot(AtenBuilder &a, aten::OneHotOp op) {
  Value classes = a.call("aten::arange", {{a.scalar(int64_t(op.getNumClasses()))}});
  Value hot = a.call("aten::eq.Tensor", {{a.unsqueeze(op.getSelf(), -1)}, {classes}});
  return a.to(hot, typeOf(op.getSelf()).getElementType());
}

static Value takeAlong(AtenBuilder &a, aten::TakeAlongDimOp op) {
  Value self = op.getSelf(), indices = op.getIndices();
  int64_t dim = 0;
  if (std::optional<int64_t> given = op.getDim()) {
    dim = wrapDim(*given, sizesOf(self).size());
    SmallVector<int64_t> to(sizesOf(op.getResult())), from(to);
    from[dim] = sizesOf(self)[dim];
    indices = a.expand(indices, to);
    self = a.expand(self, from);
  } else {
    self = a.view(self, {typeOf(self).getNumElements()});
    indices = a.view(indices, {typeOf(indices).getNumElements()});
  }
  indices = a.call("aten::remainder.Scalar", {{indices}, {a.scalar(int64_t(sizesOf(self)[dim]))}});
  return a.call("aten::gather", {{self}, {indices}},
                {a.i64("dim", dim), a.boolean("sparse_grad", false)});
}

static SmallVector<Value> embeddingBag(AtenBuilder &a, aten::EmbeddingBagPaddingIdxOp op) {
  if (op.getSparse()) {
    op.emitError() << "embedding_bag with sparse gradients is not supported: set sparse to false";
    return {};
  }
  if (op.getPerSampleWeights()) {
    op.emitError() << "embedding_bag with per_sample_weights is not supported: multiply an "
                      "embedding by them and sum it";
    return {};
  }
  std::optional<int64_t> padding = op.getPaddingIdx();
  Operation *kernel =
      a.op("aten::_embedding_bag", {{op.getWeight()}, {op.getIndices()}, {op.getOffsets()}, {}},
           {a.boolean("scale_grad_by_freq", op.getScaleGradByFreq()), a.i64("mode", op.getMode()),
            a.boolean("sparse", false), a.boolean("include_last_offset", op.getIncludeLastOffset()),
            a.i64("padding_idx", padding ? wrapDim(*padding, sizesOf(op.getWeight())[0]) : -1)});
  return kernel ? SmallVector<Value>(kernel->getResults()) : SmallVector<Value>();
}

void passes::addShapePatterns(RewritePatternSet &patterns) {
  addDecomposition(patterns, pad);
  addDecomposition(patterns, diff);
  addDecomposition(patterns, repeatInterleave);
  addDecomposition(patterns, tile);
  addDecomposition(patterns, oneHot);
  addDecomposition(patterns, takeAlong);
  addDecomposition(patterns, embeddingBag);
}
