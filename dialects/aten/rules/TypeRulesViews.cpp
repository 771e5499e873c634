//===- TypeRulesViews.cpp - Result types of views -------------------------===//
#include "dialects/aten/rules/TypeRuleSupport.h"
#include "dialects/aten/rules/TypeRules.h"

using namespace mlir;
using namespace regimen::aten;

/// Attribute `dim` of a tensor of rank `rank`, from the front.
static FailureOr<int64_t> dimOf(const InferArgs &args, int64_t rank, StringRef name = "dim") {
  return wrapDim(args, args.integer(name), rank);
}

LogicalResult rules::view(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<Shape> shape = inferViewSize(args, args.integers("size"), self.getNumElements());
  if (failed(shape))
    return failure();
  types.push_back(self.clone(*shape));
  return success();
}

LogicalResult rules::expand(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  Shape shape(args.integers("size"));
  int64_t added = int64_t(shape.size()) - self.getRank();
  if (added < 0)
    return args.fail("size " + shapeText(shape) + " has fewer dimensions than " +
                     shapeText(self.getShape()));
  for (int64_t i = 0, e = shape.size(); i < e; ++i) {
    int64_t old = i < added ? 1 : self.getDimSize(i - added);
    if (shape[i] == -1 && i >= added)
      shape[i] = old;
    if (shape[i] < 0 || (shape[i] != old && old != 1))
      return args.fail("cannot expand " + shapeText(self.getShape()) + " to " +
                       shapeText(args.integers("size")));
  }
  types.push_back(self.clone(shape));
  return success();
}

LogicalResult rules::broadcastTensors(const InferArgs &args, Types &types) {
  FailureOr<Shape> shape = broadcastValues(args, args.operands);
  if (failed(shape))
    return failure();
  for (Value tensor : args.operands)
    types.push_back(cast<RankedTensorType>(tensor.getType()).clone(*shape));
  return success();
}

LogicalResult rules::diagonal(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<Shape> dims =
      wrapDims(args, {args.integer("dim1", 0), args.integer("dim2", 1)}, self.getRank());
  if (failed(dims))
    return failure();
  int64_t offset = args.integer("offset", 0);
  int64_t size = std::min(self.getDimSize((*dims)[0]) + std::min<int64_t>(offset, 0),
                          self.getDimSize((*dims)[1]) - std::max<int64_t>(offset, 0));
  Shape shape;
  for (auto [i, extent] : llvm::enumerate(self.getShape()))
    if (!llvm::is_contained(*dims, int64_t(i)))
      shape.push_back(extent);
  shape.push_back(std::max<int64_t>(size, 0));
  types.push_back(self.clone(shape));
  return success();
}

LogicalResult rules::permute(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<Shape> dims = wrapDims(args, args.integers("dims"), self.getRank());
  if (failed(dims))
    return failure();
  if (int64_t(dims->size()) != self.getRank())
    return args.fail("'dims' must name every dimension");
  Shape shape;
  for (int64_t dim : *dims)
    shape.push_back(self.getDimSize(dim));
  types.push_back(self.clone(shape));
  return success();
}

LogicalResult rules::transpose(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim0 = dimOf(args, self.getRank(), "dim0"),
                     dim1 = dimOf(args, self.getRank(), "dim1");
  if (failed(dim0) || failed(dim1))
    return failure();
  Shape shape(self.getShape());
  if (self.getRank())
    std::swap(shape[*dim0], shape[*dim1]);
  types.push_back(self.clone(shape));
  return success();
}

LogicalResult rules::t(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  if (self.getRank() > 2)
    return args.fail("takes at most 2 dimensions, got " + shapeText(self.getShape()));
  types.push_back(self.clone(llvm::to_vector(llvm::reverse(self.getShape()))));
  return success();
}

LogicalResult rules::select(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim = dimOf(args, self.getRank());
  if (failed(dim))
    return failure();
  int64_t index = args.integer("index"), size = self.getRank() ? self.getDimSize(*dim) : 0;
  if (index < -size || index >= size)
    return args.fail("index " + Twine(index) + " of an axis of " + Twine(size) + " elements");
  Shape shape(self.getShape());
  shape.erase(shape.begin() + *dim);
  types.push_back(self.clone(shape));
  return success();
}

LogicalResult rules::slice(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim = dimOf(args, self.getRank());
  if (failed(dim))
    return failure();
  if (self.getRank() == 0)
    return args.fail("cannot slice a 0-d tensor");
  int64_t step = args.integer("step", 1);
  if (step <= 0)
    return args.fail("step must be positive, got " + Twine(step));
  Shape shape(self.getShape());
  shape[*dim] =
      sliceBounds(shape[*dim], optionalInteger(args, "start"), optionalInteger(args, "end"), step)
          .count;
  types.push_back(self.clone(shape));
  return success();
}

/// Appends one type a part of `self` along `dim`.
static void appendParts(RankedTensorType self, int64_t dim, ArrayRef<int64_t> sizes,
                        rules::Types &types) {
  for (int64_t size : sizes) {
    Shape shape(self.getShape());
    shape[dim] = size;
    types.push_back(self.clone(shape));
  }
}

LogicalResult rules::split(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim = dimOf(args, self.getRank());
  if (failed(dim))
    return failure();
  if (self.getRank() == 0)
    return args.fail("cannot split a 0-d tensor");
  int64_t size = args.integer("split_size"), total = self.getDimSize(*dim);
  if (size < 0 || (size == 0 && total != 0))
    return args.fail("split_size must be positive, got " + Twine(size));
  Shape sizes;
  for (int64_t begin = 0; begin < total; begin += size)
    sizes.push_back(std::min(size, total - begin));
  if (total == 0)
    sizes.push_back(0);
  appendParts(self, *dim, sizes, types);
  return success();
}

LogicalResult rules::splitWithSizes(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim = dimOf(args, self.getRank());
  if (failed(dim))
    return failure();
  if (self.getRank() == 0)
    return args.fail("cannot split a 0-d tensor");
  ArrayRef<int64_t> sizes = args.integers("split_sizes");
  int64_t sum = 0;
  for (int64_t size : sizes)
    sum += size;
  if (sum != self.getDimSize(*dim) || llvm::any_of(sizes, [](int64_t size) { return size < 0; }))
    return args.fail("split_sizes " + shapeText(sizes) + " do not add up to " +
                     Twine(self.getDimSize(*dim)));
  appendParts(self, *dim, sizes, types);
  return success();
}

LogicalResult rules::squeeze(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  Shape named(args.integers("dim"));
  if (std::optional<int64_t> dim = optionalInteger(args, "dim"))
    named = {*dim};
  FailureOr<Shape> dims = wrapDims(args, named, self.getRank());
  if (failed(dims))
    return failure();
  bool all = !args.schema.find("dim");
  Shape shape;
  for (auto [i, size] : llvm::enumerate(self.getShape()))
    if (size != 1 || (!all && !llvm::is_contained(*dims, int64_t(i))))
      shape.push_back(size);
  types.push_back(self.clone(shape));
  return success();
}

LogicalResult rules::unbind(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim = dimOf(args, self.getRank());
  if (failed(dim))
    return failure();
  if (self.getRank() == 0)
    return args.fail("cannot unbind a 0-d tensor");
  Shape shape(self.getShape());
  shape.erase(shape.begin() + *dim);
  types.append(self.getDimSize(*dim), self.clone(shape));
  return success();
}

LogicalResult rules::unsqueeze(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim = dimOf(args, self.getRank() + 1);
  if (failed(dim))
    return failure();
  Shape shape(self.getShape());
  shape.insert(shape.begin() + *dim, 1);
  types.push_back(self.clone(shape));
  return success();
}

LogicalResult rules::viewBackward(const InferArgs &args, Types &types) {
  types.push_back(args.tensor("grad_output").clone(args.integers("input_sizes")));
  return success();
}
