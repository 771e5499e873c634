//===- TypeRulesCopies.cpp - Result types of creation, padding, indexing --===//
#include "dialects/aten/rules/TypeRuleSupport.h"
#include "dialects/aten/rules/TypeRules.h"

#include <cmath>

using namespace mlir;
using namespace regimen::aten;

static LogicalResult append(rules::Types &types, ArrayRef<int64_t> shape, Type elementType) {
  types.push_back(RankedTensorType::get(shape, elementType));
  return success();
}

/// The tensor types of list argument `name`.
static SmallVector<RankedTensorType> tensors(const InferArgs &args, StringRef name) {
  SmallVector<RankedTensorType> result;
  for (Value value : args.values(name))
    result.push_back(cast<RankedTensorType>(value.getType()));
  return result;
}

static bool isIndexType(Type type) { return type.isInteger(64) || type.isInteger(32); }

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

LogicalResult rules::arange(const InferArgs &args, Types &types) {
  bool floating = false;
  struct {
    StringRef name;
    int64_t integer;
    double real;
  } bounds[] = {{"start", 0, 0}, {"end", 0, 0}, {"step", 1, 1}};
  for (auto &bound : bounds) {
    ValueRange values = args.values(bound.name);
    if (values.empty())
      continue;
    Attribute attr = constantScalar(values.front());
    if (auto value = dyn_cast_if_present<FloatAttr>(attr)) {
      floating = true;
      bound.real = value.getValueAsDouble();
    } else if (auto value = dyn_cast_if_present<IntegerAttr>(attr)) {
      bound.integer =
          value.getType().isInteger(1) ? value.getValue().getZExtValue() : value.getInt();
      bound.real = bound.integer;
    } else {
      return args.fail("'" + bound.name + "' must be a constant: shapes are static");
    }
  }
  auto [start, end, step] = bounds;
  Type type = dtype(args);
  if (!type)
    type = floating ? Type(Float32Type::get(args.context)) : IntegerType::get(args.context, 64);
  if (step.real == 0 || (end.real - start.real) / step.real < 0)
    return args.fail("the range is not reached with this step");
  int64_t count;
  if (floating) {
    count = std::ceil((end.real - start.real) / step.real);
  } else {
    int64_t distance = end.integer - start.integer;
    count = (distance + step.integer - (step.integer > 0 ? 1 : -1)) / step.integer;
  }
  return append(types, {count}, type);
}

LogicalResult rules::filled(const InferArgs &args, Types &types) {
  Type type = dtype(args);
  return append(types, args.integers("size"), type ? type : Float32Type::get(args.context));
}

LogicalResult rules::full(const InferArgs &args, Types &types) {
  Type type = dtype(args);
  return append(types, args.integers("size"), type ? type : resultType(args.values("fill_value")));
}

LogicalResult rules::newFilled(const InferArgs &args, Types &types) {
  Type type = dtype(args);
  return append(types, args.integers("size"), type ? type : args.tensor("self").getElementType());
}

LogicalResult rules::scalarTensor(const InferArgs &args, Types &types) {
  Type type = dtype(args);
  return append(types, {}, type ? type : Float32Type::get(args.context));
}

//===----------------------------------------------------------------------===//
// Joining, padding, repeating
//===----------------------------------------------------------------------===//

LogicalResult rules::cat(const InferArgs &args, Types &types) {
  SmallVector<RankedTensorType> all = tensors(args, "tensors"), parts;
  if (all.empty())
    return args.fail("needs at least one tensor");
  // An empty 1-d tensor joins with any shape: PyTorch keeps that for old code.
  for (RankedTensorType part : all)
    if (part.getRank() != 1 || part.getDimSize(0) != 0)
      parts.push_back(part);
  Type type = resultType(args.values("tensors"));
  if (parts.empty())
    return append(types, {0}, type);
  Shape shape(parts.front().getShape());
  if (shape.empty())
    return args.fail("cannot join 0-d tensors");
  FailureOr<int64_t> dim = wrapDim(args, args.integer("dim"), shape.size());
  if (failed(dim))
    return failure();
  for (RankedTensorType part : ArrayRef(parts).drop_front()) {
    Shape expected(part.getShape());
    if (expected.size() == shape.size())
      expected[*dim] = shape[*dim];
    if (expected != shape)
      return args.fail("cannot join " + shapeText(parts.front().getShape()) + " and " +
                       shapeText(part.getShape()) + " along dimension " + Twine(*dim));
    shape[*dim] += part.getDimSize(*dim);
  }
  return append(types, shape, type);
}

LogicalResult rules::stack(const InferArgs &args, Types &types) {
  SmallVector<RankedTensorType> parts = tensors(args, "tensors");
  if (parts.empty())
    return args.fail("needs at least one tensor");
  Shape shape(parts.front().getShape());
  FailureOr<int64_t> dim = wrapDim(args, args.integer("dim"), shape.size() + 1);
  if (failed(dim))
    return failure();
  for (RankedTensorType part : parts)
    if (part.getShape() != ArrayRef(shape))
      return args.fail("cannot stack " + shapeText(shape) + " and " + shapeText(part.getShape()));
  shape.insert(shape.begin() + *dim, parts.size());
  return append(types, shape, resultType(args.values("tensors")));
}

LogicalResult rules::pad(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  ArrayRef<int64_t> pad = args.integers(args.schema.find("pad") ? "pad" : "padding");
  if (pad.size() % 2 || int64_t(pad.size() / 2) > self.getRank())
    return args.fail("'pad' must hold a pair for each of at most " + Twine(self.getRank()) +
                     " dimensions");
  Shape shape(self.getShape());
  for (size_t i = 0; i < pad.size(); i += 2) {
    int64_t &size = shape[shape.size() - 1 - i / 2];
    size += pad[i] + pad[i + 1];
    if (size < 0)
      return args.fail("padding " + shapeText(pad) + " leaves a negative size of " +
                       shapeText(self.getShape()));
  }
  return append(types, shape, self.getElementType());
}

/// `self` with each of its last dimensions repeated `counts` times.
static LogicalResult repeated(const InferArgs &args, Shape counts, rules::Types &types) {
  RankedTensorType self = args.tensor("self");
  int64_t added = int64_t(counts.size()) - self.getRank();
  for (int64_t i = 0, e = counts.size(); i < e; ++i)
    if ((counts[i] *= i < added ? 1 : self.getDimSize(i - added)) < 0)
      return args.fail("cannot repeat a negative number of times");
  return append(types, counts, self.getElementType());
}

LogicalResult rules::repeat(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  Shape counts(args.integers("repeats"));
  if (int64_t(counts.size()) < self.getRank())
    return args.fail("'repeats' has fewer values than " + shapeText(self.getShape()) +
                     " has dimensions");
  return repeated(args, counts, types);
}

LogicalResult rules::tile(const InferArgs &args, Types &types) {
  Shape counts(args.integers("dims"));
  if (int64_t missing = args.tensor("self").getRank() - int64_t(counts.size()); missing > 0)
    counts.insert(counts.begin(), missing, 1);
  return repeated(args, counts, types);
}

LogicalResult rules::repeatInterleave(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  Shape shape(self.getShape());
  int64_t dim = 0, repeats = args.integer("repeats");
  if (repeats < 0)
    return args.fail("'repeats' may not be negative");
  if (std::optional<int64_t> named = optionalInteger(args, "dim")) {
    FailureOr<int64_t> wrapped = wrapDim(args, *named, self.getRank());
    if (failed(wrapped))
      return failure();
    dim = *wrapped;
  } else {
    shape = {self.getNumElements()};
  }
  if (shape.empty())
    shape = {1};
  shape[dim] *= repeats;
  return append(types, shape, self.getElementType());
}

//===----------------------------------------------------------------------===//
// Indexing
//===----------------------------------------------------------------------===//

LogicalResult rules::embedding(const InferArgs &args, Types &types) {
  RankedTensorType weight = args.tensor("weight"), indices = args.tensor("indices");
  if (weight.getRank() != 2)
    return args.fail("the weight must have 2 dimensions, got " + shapeText(weight.getShape()));
  if (!isIndexType(indices.getElementType()))
    return args.fail("indices must be of dtype i64 or i32");
  Shape shape(indices.getShape());
  shape.push_back(weight.getDimSize(1));
  return append(types, shape, weight.getElementType());
}

LogicalResult rules::embeddingBackward(const InferArgs &args, Types &types) {
  RankedTensorType grad = args.tensor("grad_output");
  if (grad.getRank() == 0)
    return args.fail("the gradient must have dimensions");
  return append(types, {args.integer("num_weights"), grad.getShape().back()},
                grad.getElementType());
}

/// The number of bags that `offsets` cut the indices into.
static int64_t numberOfBags(const InferArgs &args) {
  return args.tensor("offsets").getNumElements() - boolean(args, "include_last_offset");
}

LogicalResult rules::embeddingBag(const InferArgs &args, Types &types) {
  constexpr int64_t kSum = 0, kMax = 2;
  RankedTensorType weight = args.tensor("weight"), indices = args.tensor("indices"),
                   offsets = args.tensor("offsets");
  if (weight.getRank() != 2 || indices.getRank() != 1 || offsets.getRank() != 1)
    return args.fail("needs a weight of 2 dimensions, and indices and offsets of one");
  int64_t bags = numberOfBags(args), mode = args.integer("mode", 0);
  if (!isIndexType(indices.getElementType()) ||
      indices.getElementType() != offsets.getElementType())
    return args.fail("indices and offsets must be of one dtype, i64 or i32");
  if (bags < 0 || mode < kSum || mode > kMax)
    return args.fail("needs offsets, and a mode of 0 (sum), 1 (mean) or 2 (max)");
  Type index = indices.getElementType();
  // Sums without padding take a path that needs no map from indices to bags.
  bool fast = mode == kSum && args.integer("padding_idx", -1) < 0;
  types.push_back(weight.clone({bags, weight.getDimSize(1)}));
  types.push_back(RankedTensorType::get({fast ? 0 : indices.getNumElements()}, index));
  // Sums count for every offset, the last included.
  int64_t counts = mode == kSum ? offsets.getNumElements() : bags;
  types.push_back(RankedTensorType::get({counts}, index));
  types.push_back(mode == kMax ? RankedTensorType::get({bags, weight.getDimSize(1)}, index)
                               : RankedTensorType::get({counts}, index));
  return success();
}

LogicalResult rules::embeddingBagBackward(const InferArgs &args, Types &types) {
  RankedTensorType grad = args.tensor("grad");
  if (grad.getRank() != 2)
    return args.fail("the gradient must have 2 dimensions");
  return append(types, {args.integer("num_weights"), grad.getDimSize(1)}, grad.getElementType());
}

LogicalResult rules::oneHot(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  int64_t classes = args.integer("num_classes", -1);
  if (classes < 1)
    return args.fail("the number of classes depends on data: give num_classes");
  if (!self.getElementType().isInteger(64))
    return args.fail("indices must be of dtype i64");
  Shape shape(self.getShape());
  shape.push_back(classes);
  return append(types, shape, self.getElementType());
}

LogicalResult rules::scatterAlong(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), index = args.tensor("index");
  if (failed(wrapDim(args, args.integer("dim"), self.getRank())))
    return failure();
  if (!isIndexType(index.getElementType()))
    return args.fail("the index must be of dtype i64 or i32");
  for (StringRef name : {"src", "source"})
    if (args.schema.find(name) && args.tensor(name).getElementType() != self.getElementType())
      return args.fail("'" + name + "' must have the dtype of 'self'");
  types.push_back(self);
  return success();
}

LogicalResult rules::takeAlong(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), indices = args.tensor("indices");
  if (!indices.getElementType().isInteger(64))
    return args.fail("indices must be of dtype i64");
  std::optional<int64_t> given = optionalInteger(args, "dim");
  if (!given)
    return append(types, {indices.getNumElements()}, self.getElementType());
  FailureOr<int64_t> dim = wrapDim(args, *given, self.getRank());
  if (failed(dim))
    return failure();
  if (self.getRank() == 0 || indices.getRank() != self.getRank())
    return args.fail("indices must have as many dimensions as " + shapeText(self.getShape()));
  Shape from(self.getShape());
  from[*dim] = indices.getDimSize(*dim);
  FailureOr<Shape> shape = broadcastShapes(args, {from, indices.getShape()});
  return failed(shape) ? failure() : append(types, *shape, self.getElementType());
}

LogicalResult rules::gather(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), index = args.tensor("index");
  if (failed(wrapDim(args, args.integer("dim"), self.getRank())))
    return failure();
  if (!isIndexType(index.getElementType()))
    return args.fail("the index must be of dtype i64 or i32");
  if (std::max<int64_t>(index.getRank(), 1) != std::max<int64_t>(self.getRank(), 1))
    return args.fail("the index must have as many dimensions as " + shapeText(self.getShape()));
  return append(types, index.getShape(), self.getElementType());
}

/// The shape that indexing `self` with `indices` (by position, where `indices_present`) selects.
static FailureOr<Shape> indexedShape(const InferArgs &args, RankedTensorType self) {
  auto presentAttr = args.attr<DenseBoolArrayAttr>("indices_present");
  ValueRange indices = args.values("indices");
  ArrayRef<bool> present = presentAttr ? presentAttr.asArrayRef() : ArrayRef<bool>();
  if (size_t(llvm::count(present, true)) != indices.size())
    return args.fail("'indices_present' must be true once for each index");
  if (int64_t(present.size()) > self.getRank())
    return args.fail("too many indices for " + shapeText(self.getShape()));
  for (Value index : indices) {
    Type type = cast<RankedTensorType>(index.getType()).getElementType();
    if (type.isInteger(1))
      return args.fail(
          "a bool index selects a number of elements that depends on data; rewrite the model with "
          "torch.where or masked_fill");
    if (!isIndexType(type))
      return args.fail("indices must be of dtype i64 or i32");
  }
  FailureOr<Shape> selected = broadcastValues(args, indices);
  if (failed(selected))
    return failure();
  // Indices on neighbouring dimensions put the selection in their place, others in front.
  SmallVector<int64_t> at;
  for (auto [i, isPresent] : llvm::enumerate(present))
    if (isPresent)
      at.push_back(i);
  bool neighbours = !at.empty() && at.back() - at.front() + 1 == int64_t(at.size());
  Shape shape;
  if (!neighbours)
    shape = *selected;
  for (auto [i, size] : llvm::enumerate(self.getShape())) {
    bool indexed = i < present.size() && present[i];
    if (indexed && neighbours && int64_t(i) == at.front())
      llvm::append_range(shape, *selected);
    if (!indexed)
      shape.push_back(size);
  }
  return shape;
}

LogicalResult rules::index(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<Shape> shape = indexedShape(args, self);
  return failed(shape) ? failure() : append(types, *shape, self.getElementType());
}

LogicalResult rules::indexPut(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), values = args.tensor("values");
  FailureOr<Shape> shape = indexedShape(args, self);
  if (failed(shape))
    return failure();
  FailureOr<Shape> common = broadcastShapes(args, {*shape, values.getShape()});
  if (failed(common))
    return failure();
  if (*common != *shape || values.getElementType() != self.getElementType())
    return args.fail("values of " + shapeText(values.getShape()) + " do not fit the selection " +
                     shapeText(*shape) + " of the same dtype");
  types.push_back(self);
  return success();
}

LogicalResult rules::indexSelect(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), index = args.tensor("index");
  FailureOr<int64_t> dim = wrapDim(args, args.integer("dim"), self.getRank());
  if (failed(dim))
    return failure();
  if (!isIndexType(index.getElementType()) || index.getRank() > 1)
    return args.fail("the index must have at most 1 dimension and dtype i64 or i32");
  Shape shape(self.getShape());
  if (!shape.empty())
    shape[*dim] = index.getNumElements();
  return append(types, shape, self.getElementType());
}

/// A scatter of `src` into the part `part` of `self`.
static LogicalResult scatter(const InferArgs &args, ArrayRef<int64_t> part, rules::Types &types) {
  if (args.tensor("src").getShape() != part)
    return args.fail("src " + shapeText(args.tensor("src").getShape()) +
                     " does not fill the part " + shapeText(part));
  types.push_back(args.tensor("self"));
  return success();
}

LogicalResult rules::selectScatter(const InferArgs &args, Types &types) {
  SmallVector<Type> part;
  if (failed(select(args, part)))
    return failure();
  return scatter(args, cast<RankedTensorType>(part.front()).getShape(), types);
}

LogicalResult rules::sliceScatter(const InferArgs &args, Types &types) {
  SmallVector<Type> part;
  if (failed(slice(args, part)))
    return failure();
  return scatter(args, cast<RankedTensorType>(part.front()).getShape(), types);
}
