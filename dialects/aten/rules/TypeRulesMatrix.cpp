//===- TypeRulesMatrix.cpp - Products, convolutions, pooling, attention ---===//
#include "dialects/aten/rules/TypeRuleSupport.h"
#include "dialects/aten/rules/TypeRules.h"

using namespace mlir;
using namespace regimen::aten;

RankedTensorType rules::undefinedResult(Type elementType) {
  return RankedTensorType::get({0}, elementType);
}

/// All tensors of the op have one dtype: products do not promote.
static LogicalResult sameDtype(const InferArgs &args) {
  Type type;
  for (Value value : args.operands)
    if (auto tensor = dyn_cast<RankedTensorType>(value.getType())) {
      if (type && tensor.getElementType() != type)
        return args.fail("operands differ in dtype");
      type = tensor.getElementType();
    }
  return success();
}

/// The product of (batches of) matrices `a` and `b`, both of rank `rank`.
static FailureOr<Shape> product(const InferArgs &args, RankedTensorType a, RankedTensorType b,
                                int64_t rank) {
  if (failed(sameDtype(args)))
    return failure();
  bool fit = a.getRank() == rank && b.getRank() == rank &&
             a.getDimSize(rank - 1) == b.getDimSize(rank - 2) &&
             (rank == 2 || a.getDimSize(0) == b.getDimSize(0));
  if (!fit)
    return args.fail("cannot multiply " + shapeText(a.getShape()) + " and " +
                     shapeText(b.getShape()));
  Shape shape(a.getShape());
  shape.back() = b.getShape().back();
  return shape;
}

/// A product that `self` is added to, broadcast.
static LogicalResult addedProduct(const InferArgs &args, StringRef a, StringRef b, int64_t rank,
                                  rules::Types &types) {
  FailureOr<Shape> shape = product(args, args.tensor(a), args.tensor(b), rank);
  if (failed(shape))
    return failure();
  RankedTensorType self = args.tensor("self");
  FailureOr<Shape> common = broadcastShapes(args, {*shape, self.getShape()});
  if (failed(common))
    return failure();
  if (*common != *shape)
    return args.fail("self " + shapeText(self.getShape()) + " does not expand to " +
                     shapeText(*shape));
  types.push_back(self.clone(*shape));
  return success();
}

static LogicalResult plainProduct(const InferArgs &args, int64_t rank, rules::Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<Shape> shape = product(args, self, args.tensor("mat2"), rank);
  if (failed(shape))
    return failure();
  types.push_back(self.clone(*shape));
  return success();
}

LogicalResult rules::mm(const InferArgs &args, Types &types) {
  return plainProduct(args, 2, types);
}
LogicalResult rules::bmm(const InferArgs &args, Types &types) {
  return plainProduct(args, 3, types);
}

LogicalResult rules::addmm(const InferArgs &args, Types &types) {
  return addedProduct(args, "mat1", "mat2", 2, types);
}

LogicalResult rules::baddbmm(const InferArgs &args, Types &types) {
  return addedProduct(args, "batch1", "batch2", 3, types);
}

LogicalResult rules::dot(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), tensor = args.tensor("tensor");
  if (failed(sameDtype(args)))
    return failure();
  if (self.getRank() != 1 || self.getShape() != tensor.getShape())
    return args.fail("needs two vectors of one size, got " + shapeText(self.getShape()) + " and " +
                     shapeText(tensor.getShape()));
  types.push_back(self.clone(Shape()));
  return success();
}

LogicalResult rules::mv(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), vec = args.tensor("vec");
  if (failed(sameDtype(args)))
    return failure();
  if (self.getRank() != 2 || vec.getRank() != 1 || self.getDimSize(1) != vec.getDimSize(0))
    return args.fail("cannot multiply " + shapeText(self.getShape()) + " and " +
                     shapeText(vec.getShape()));
  types.push_back(self.clone(Shape{self.getDimSize(0)}));
  return success();
}

LogicalResult rules::outer(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), vec = args.tensor("vec2");
  if (self.getRank() != 1 || vec.getRank() != 1)
    return args.fail("needs two vectors");
  types.push_back(
      RankedTensorType::get({self.getDimSize(0), vec.getDimSize(0)}, resultType(args.operands)));
  return success();
}

LogicalResult rules::einsum(const InferArgs &args, Types &types) {
  if (failed(sameDtype(args)))
    return failure();
  std::string equation;
  for (char c : args.attr<StringAttr>("equation").getValue())
    if (c != ' ')
      equation += c;
  auto [left, right] = StringRef(equation).split("->");
  if (equation.find("->") == std::string::npos || left.contains('.'))
    return args.fail("'" + equation + "' is not supported: name every label, and the result's");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != args.operands.size())
    return args.fail("'" + equation + "' does not fit " + Twine(args.operands.size()) +
                     " operands");
  llvm::SmallDenseMap<char, int64_t> sizes;
  for (auto [term, operand] : llvm::zip_equal(terms, args.operands)) {
    auto type = cast<RankedTensorType>(operand.getType());
    if (int64_t(term.size()) != type.getRank())
      return args.fail("'" + term + "' does not fit " + shapeText(type.getShape()));
    for (auto [label, size] : llvm::zip_equal(term, type.getShape()))
      if (sizes.try_emplace(label, size).first->second != size)
        return args.fail("label '" + Twine(label) + "' of '" + equation + "' has two sizes");
  }
  Shape shape;
  for (char label : right) {
    auto size = sizes.find(label);
    if (size == sizes.end())
      return args.fail("label '" + Twine(label) + "' of the result is in no operand");
    shape.push_back(size->second);
  }
  types.push_back(cast<RankedTensorType>(args.operands.front().getType()).clone(shape));
  return success();
}

LogicalResult rules::linear(const InferArgs &args, Types &types) {
  RankedTensorType input = args.tensor("input"), weight = args.tensor("weight"),
                   bias = args.tensor("bias");
  if (failed(sameDtype(args)))
    return failure();
  if (weight.getRank() < 1 || weight.getRank() > 2 || input.getRank() == 0 ||
      input.getShape().back() != weight.getShape().back())
    return args.fail("weight " + shapeText(weight.getShape()) + " does not fit input " +
                     shapeText(input.getShape()));
  Shape shape(input.getShape().drop_back());
  llvm::append_range(shape, weight.getShape().drop_back());
  if (bias && bias.getRank() != 0 &&
      (shape.empty() || bias.getShape() != ArrayRef(shape).take_back()))
    return args.fail("bias " + shapeText(bias.getShape()) + " does not fit weight " +
                     shapeText(weight.getShape()));
  types.push_back(input.clone(shape));
  return success();
}

LogicalResult rules::matmul(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), other = args.tensor("other");
  if (failed(sameDtype(args)))
    return failure();
  Shape a(self.getShape()), b(other.getShape());
  if (a.empty() || b.empty())
    return args.fail("both operands need at least 1 dimension");
  bool vectorA = a.size() == 1, vectorB = b.size() == 1;
  if (vectorA)
    a.insert(a.begin(), 1);
  if (vectorB)
    b.push_back(1);
  if (a.back() != b[b.size() - 2])
    return args.fail("cannot multiply " + shapeText(self.getShape()) + " and " +
                     shapeText(other.getShape()));
  FailureOr<Shape> batch =
      broadcastShapes(args, {ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2)});
  if (failed(batch))
    return failure();
  Shape shape = *batch;
  if (!vectorA)
    shape.push_back(a[a.size() - 2]);
  if (!vectorB)
    shape.push_back(b.back());
  types.push_back(self.clone(shape));
  return success();
}

//===----------------------------------------------------------------------===//
// Convolutions and pooling
//===----------------------------------------------------------------------===//

enum class ConvKind { Plain, Transposed, SamePadding };

static LogicalResult convolved(const InferArgs &args, ConvKind kind, rules::Types &types) {
  RankedTensorType input = args.tensor("input"), weight = args.tensor("weight"),
                   bias = args.tensor("bias");
  int64_t axes = weight.getRank() - 2;
  if (failed(sameDtype(args)))
    return failure();
  if (axes < 1 || (input.getRank() != axes + 2 && input.getRank() != axes + 1))
    return args.fail("weight " + shapeText(weight.getShape()) + " does not fit input " +
                     shapeText(input.getShape()));
  FailureOr<Shape> stride = perAxis(args, "stride", axes, 1),
                   padding = perAxis(args, "padding", axes, 0),
                   dilation = perAxis(args, "dilation", axes, 1),
                   outputPadding = perAxis(args, "output_padding", axes, 0);
  if (failed(stride) || failed(padding) || failed(dilation) || failed(outputPadding))
    return failure();
  bool transposed = kind == ConvKind::Transposed;
  int64_t groups = args.integer("groups", 1), first = input.getRank() - axes;
  int64_t channels = input.getDimSize(first - 1);
  int64_t expected = transposed ? weight.getDimSize(0) : weight.getDimSize(1) * groups;
  if (groups < 1 || channels != expected)
    return args.fail("input " + shapeText(input.getShape()) + " has " + Twine(channels) +
                     " channels, weight " + shapeText(weight.getShape()) + " with " +
                     Twine(groups) + " groups wants " + Twine(expected));
  int64_t outChannels = transposed ? weight.getDimSize(1) * groups : weight.getDimSize(0);
  if (bias && bias.getShape() != ArrayRef<int64_t>{outChannels})
    return args.fail("the bias must have shape " + shapeText({outChannels}));
  Shape shape(input.getShape());
  shape[first - 1] = outChannels;
  for (int64_t i = 0; i < axes; ++i) {
    int64_t &size = shape[first + i], kernel = weight.getDimSize(2 + i);
    if ((*stride)[i] < 1 || (*dilation)[i] < 1)
      return args.fail("strides and dilations must be positive");
    if (kind == ConvKind::SamePadding) {
      if ((*stride)[i] != 1)
        return args.fail("padding 'same' needs strides of 1");
      continue;
    }
    int64_t reach = (*dilation)[i] * (kernel - 1);
    size = transposed
               ? (size - 1) * (*stride)[i] - 2 * (*padding)[i] + reach + (*outputPadding)[i] + 1
               : (size + 2 * (*padding)[i] - reach - 1 + (*stride)[i]) / (*stride)[i];
    if (size < 1)
      return args.fail("the kernel is larger than the padded input " + shapeText(input.getShape()));
  }
  types.push_back(input.clone(shape));
  return success();
}

LogicalResult rules::conv(const InferArgs &args, Types &types) {
  return convolved(args, boolean(args, "transposed") ? ConvKind::Transposed : ConvKind::Plain,
                   types);
}

LogicalResult rules::convTransposed(const InferArgs &args, Types &types) {
  return convolved(args, ConvKind::Transposed, types);
}

LogicalResult rules::convPadding(const InferArgs &args, Types &types) {
  auto padding = args.attr<StringAttr>("padding");
  if (padding && padding.getValue() == "same")
    return convolved(args, ConvKind::SamePadding, types);
  if (padding && padding.getValue() != "valid")
    return args.fail("padding must be 'same' or 'valid', got '" + padding.getValue() + "'");
  return convolved(args, ConvKind::Plain, types);
}

/// Appends `results`, those that `output_mask` switches off as undefined.
static LogicalResult masked(const InferArgs &args, ArrayRef<RankedTensorType> results,
                            rules::Types &types) {
  auto mask = args.attr<DenseBoolArrayAttr>("output_mask");
  if (!mask || mask.size() != int64_t(results.size()))
    return args.fail("'output_mask' must have " + Twine(results.size()) + " values");
  for (auto [result, wanted] : llvm::zip(results, mask.asArrayRef()))
    types.push_back(wanted ? result : rules::undefinedResult(result.getElementType()));
  return success();
}

LogicalResult rules::convBackward(const InferArgs &args, Types &types) {
  RankedTensorType input = args.tensor("input"), weight = args.tensor("weight");
  if (weight.getRank() < 3)
    return args.fail("weight " + shapeText(weight.getShape()) + " has too few dimensions");
  int64_t channels = boolean(args, "transposed") ? weight.getDimSize(1) * args.integer("groups", 1)
                                                 : weight.getDimSize(0);
  return masked(args, {input, weight, weight.clone(Shape{channels})}, types);
}

static LogicalResult checkPooledRank(const InferArgs &args, int64_t axes) {
  RankedTensorType self = args.tensor("self");
  if (self.getRank() == axes + 1 || self.getRank() == axes + 2)
    return success();
  return args.fail("takes " + Twine(axes + 1) + " or " + Twine(axes + 2) + " dimensions, got " +
                   shapeText(self.getShape()));
}

/// The result of a pooling of the last `axes` dimensions of `self`.
static FailureOr<RankedTensorType> pooled(const InferArgs &args, int64_t axes = 2) {
  RankedTensorType self = args.tensor("self");
  if (failed(checkPooledRank(args, axes)))
    return failure();
  FailureOr<Shape> kernel = perAxis(args, "kernel_size", axes, 1),
                   padding = perAxis(args, "padding", axes, 0),
                   dilation = perAxis(args, "dilation", axes, 1),
                   stride = perAxis(args, "stride", axes, 1);
  if (failed(kernel) || failed(padding) || failed(dilation) || failed(stride))
    return failure();
  if (args.integers("stride").empty())
    stride = kernel;
  bool ceil = boolean(args, "ceil_mode");
  Shape shape(self.getShape());
  for (int64_t i = 0; i < axes; ++i) {
    int64_t &size = shape[shape.size() - axes + i], step = (*stride)[i], pad = (*padding)[i],
            in = size;
    if (step < 1 || (*kernel)[i] < 1 || (*dilation)[i] < 1)
      return args.fail("kernel sizes, strides and dilations must be positive");
    int64_t room = in + 2 * pad - (*dilation)[i] * ((*kernel)[i] - 1) - 1;
    size = room < 0 ? 0 : (room + (ceil ? step - 1 : 0)) / step + 1;
    // The last window must start inside the input or its left padding.
    if (ceil && (size - 1) * step >= in + pad)
      --size;
    if (size < 1)
      return args.fail("the window is larger than the padded input " + shapeText(self.getShape()));
  }
  return self.clone(shape);
}

static LogicalResult appendPooled(const InferArgs &args, int64_t axes, rules::Types &types) {
  FailureOr<RankedTensorType> result = pooled(args, axes);
  if (failed(result))
    return failure();
  types.push_back(*result);
  return success();
}

LogicalResult rules::pool(const InferArgs &args, Types &types) {
  return appendPooled(args, 2, types);
}

LogicalResult rules::pool1d(const InferArgs &args, Types &types) {
  return appendPooled(args, 1, types);
}

LogicalResult rules::poolWithIndices(const InferArgs &args, Types &types) {
  FailureOr<RankedTensorType> result = pooled(args);
  if (failed(result))
    return failure();
  types.push_back(*result);
  types.push_back(result->clone(IntegerType::get(args.context, 64)));
  return success();
}

static LogicalResult adaptivelyPooled(const InferArgs &args, int64_t axes, rules::Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<Shape> size = perAxis(args, "output_size", axes, 1);
  if (failed(size) || failed(checkPooledRank(args, axes)))
    return failure();
  Shape shape(self.getShape().drop_back(axes));
  llvm::append_range(shape, *size);
  types.push_back(self.clone(shape));
  return success();
}

LogicalResult rules::adaptivePool(const InferArgs &args, Types &types) {
  return adaptivelyPooled(args, 2, types);
}

LogicalResult rules::adaptivePool1d(const InferArgs &args, Types &types) {
  return adaptivelyPooled(args, 1, types);
}

LogicalResult rules::upsample(const InferArgs &args, Types &types) {
  RankedTensorType input = args.tensor(args.schema.find("input") ? "input" : "self");
  Shape size(args.integers("output_size"));
  if (input.getRank() != 4)
    return args.fail("takes 4 dimensions, got " + shapeText(input.getShape()));
  auto factors = args.attr<DenseF64ArrayAttr>("scale_factors");
  if (size.empty() && factors)
    for (auto [i, factor] : llvm::enumerate(factors.asArrayRef()))
      size.push_back(int64_t(double(input.getDimSize(2 + i)) * factor));
  if (size.size() != 2 || size[0] < 1 || size[1] < 1)
    return args.fail("needs two positive output sizes or scale factors");
  types.push_back(input.clone(Shape{input.getDimSize(0), input.getDimSize(1), size[0], size[1]}));
  return success();
}

LogicalResult rules::upsampleBackward(const InferArgs &args, Types &types) {
  types.push_back(args.tensor("grad_output").clone(args.integers("input_size")));
  return success();
}

LogicalResult rules::likeSelf(const InferArgs &args, Types &types) {
  types.push_back(args.tensor("self"));
  return success();
}

LogicalResult rules::twiceLikeSelf(const InferArgs &args, Types &types) {
  types.append(2, args.tensor("self"));
  return success();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// The attention result: query's shape with the value's last dimension. An operand's last two
/// dimensions are sequence and features.
static FailureOr<RankedTensorType> attentionResult(const InferArgs &args, bool broadcasting) {
  RankedTensorType query = args.tensor("query"), key = args.tensor("key"),
                   value = args.tensor("value");
  int64_t rank = query.getRank();
  auto batch = [](RankedTensorType type) { return type.getShape().drop_back(2); };
  if (rank < 2 || key.getRank() < 2 || value.getRank() < 2 ||
      query.getShape().back() != key.getShape().back() ||
      key.getDimSize(key.getRank() - 2) != value.getDimSize(value.getRank() - 2) ||
      (!broadcasting &&
       (rank != 4 || query.getDimSize(0) != key.getDimSize(0) || batch(key) != batch(value) ||
        key.getDimSize(1) == 0 || query.getDimSize(1) % key.getDimSize(1) != 0)))
    return args.fail("query " + shapeText(query.getShape()) + ", key " + shapeText(key.getShape()) +
                     " and value " + shapeText(value.getShape()) + " do not fit");
  Shape shape(batch(query));
  if (broadcasting && !boolean(args, "enable_gqa")) {
    FailureOr<Shape> common = broadcastShapes(args, {batch(query), batch(key), batch(value)});
    if (failed(common))
      return failure();
    shape = *common;
  }
  shape.push_back(query.getDimSize(rank - 2));
  shape.push_back(value.getShape().back());
  return query.clone(shape);
}

LogicalResult rules::attention(const InferArgs &args, Types &types) {
  FailureOr<RankedTensorType> result = attentionResult(args, /*broadcasting=*/true);
  if (failed(result))
    return failure();
  types.push_back(*result);
  return success();
}

LogicalResult rules::flashAttention(const InferArgs &args, Types &types) {
  FailureOr<RankedTensorType> result = attentionResult(args, /*broadcasting=*/false);
  if (failed(result))
    return failure();
  types.push_back(*result);
  // The logarithm of each row's sum is kept in the accumulation type.
  Type type = result->getElementType();
  types.push_back(result->clone(Shape(result->getShape().drop_back()))
                      .clone(type.isF64() ? type : Type(Float32Type::get(args.context))));
  return success();
}

LogicalResult rules::flashAttentionBackward(const InferArgs &args, Types &types) {
  if (args.tensor("grad_out") != args.tensor("out"))
    return args.fail("the gradient must have the output's type");
  for (StringRef name : {"query", "key", "value"})
    types.push_back(args.tensor(name));
  return success();
}
