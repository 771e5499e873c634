//===- TypeRulesReductions.cpp - Result types of reductions and scans -----===//
#include "dialects/aten/rules/TypeRuleSupport.h"
#include "dialects/aten/rules/TypeRules.h"

using namespace mlir;
using namespace regimen::aten;

/// `self` without the dimensions of attribute `dim` (an integer, a list, or absent or empty for
/// all).
static FailureOr<Shape> reducedShape(const InferArgs &args) {
  RankedTensorType self = args.tensor("self");
  Shape named(args.integers("dim"));
  if (std::optional<int64_t> dim = optionalInteger(args, "dim"))
    named = {*dim};
  FailureOr<Shape> dims = wrapDims(args, named, self.getRank());
  if (failed(dims))
    return failure();
  bool keep = boolean(args, "keepdim");
  Shape shape;
  for (auto [i, size] : llvm::enumerate(self.getShape())) {
    bool reduced = dims->empty() || llvm::is_contained(*dims, int64_t(i));
    if (!reduced)
      shape.push_back(size);
    else if (keep)
      shape.push_back(1);
  }
  return shape;
}

static LogicalResult reduceTo(const InferArgs &args, Type type, rules::Types &types) {
  FailureOr<Shape> shape = reducedShape(args);
  if (failed(shape))
    return failure();
  types.push_back(RankedTensorType::get(*shape, type));
  return success();
}

/// The dtype of a sum: `dtype`, or i64 for integers, or that of `self`.
static Type sumType(const InferArgs &args) {
  Type own = args.tensor("self").getElementType();
  if (Type type = dtype(args))
    return type;
  return isa<IntegerType>(own) ? IntegerType::get(args.context, 64) : own;
}

LogicalResult rules::sum(const InferArgs &args, Types &types) {
  return reduceTo(args, sumType(args), types);
}

LogicalResult rules::mean(const InferArgs &args, Types &types) {
  Type type = dtype(args);
  if (!type)
    type = args.tensor("self").getElementType();
  if (!isa<FloatType>(type))
    return args.fail("needs a floating-point dtype");
  return reduceTo(args, type, types);
}

LogicalResult rules::amax(const InferArgs &args, Types &types) {
  return reduceTo(args, args.tensor("self").getElementType(), types);
}

LogicalResult rules::logsumexp(const InferArgs &args, Types &types) {
  return reduceTo(args, toFloatType(args.tensor("self").getElementType()), types);
}

LogicalResult rules::anyAll(const InferArgs &args, Types &types) {
  Type own = args.tensor("self").getElementType();
  // PyTorch keeps uint8, its bool of old.
  return reduceTo(args, own.isUnsignedInteger(8) ? own : IntegerType::get(args.context, 1), types);
}

LogicalResult rules::argmax(const InferArgs &args, Types &types) {
  return reduceTo(args, IntegerType::get(args.context, 64), types);
}

LogicalResult rules::amaxWithIndices(const InferArgs &args, Types &types) {
  return failure(failed(amax(args, types)) || failed(argmax(args, types)));
}

LogicalResult rules::argsort(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  if (failed(wrapDim(args, args.integer("dim", -1), self.getRank())))
    return failure();
  types.push_back(self.clone(IntegerType::get(args.context, 64)));
  return success();
}

LogicalResult rules::sort(const InferArgs &args, Types &types) {
  types.push_back(args.tensor("self"));
  return argsort(args, types);
}

LogicalResult rules::topk(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim = wrapDim(args, args.integer("dim", -1), self.getRank());
  if (failed(dim))
    return failure();
  int64_t k = args.integer("k");
  if (self.getRank() == 0 || k < 0 || k > self.getDimSize(*dim))
    return args.fail("k = " + Twine(k) + " is out of range for " + shapeText(self.getShape()));
  Shape shape(self.getShape());
  shape[*dim] = k;
  types.push_back(self.clone(shape));
  types.push_back(RankedTensorType::get(shape, IntegerType::get(args.context, 64)));
  return success();
}

LogicalResult rules::bincount(const InferArgs &args, Types &types) {
  int64_t count = args.integer("minlength");
  if (count < 1)
    return args.fail("the number of counts depends on data: give minlength");
  if (args.tensor("weights"))
    return args.fail("with weights is not supported: use scatter_add");
  types.push_back(RankedTensorType::get({count}, IntegerType::get(args.context, 64)));
  return success();
}

LogicalResult rules::cumsum(const InferArgs &args, Types &types) {
  if (failed(wrapDim(args, args.integer("dim"), args.tensor("self").getRank())))
    return failure();
  types.push_back(args.tensor("self").clone(sumType(args)));
  return success();
}

LogicalResult rules::diff(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim = wrapDim(args, args.integer("dim", -1), self.getRank());
  if (failed(dim))
    return failure();
  int64_t order = args.integer("n", 1);
  if (self.getRank() == 0 || order < 0)
    return args.fail("needs a tensor with dimensions and an order n of at least 0");
  // Without differences to take, prepend and append are not joined either.
  if (order == 0) {
    types.push_back(self);
    return success();
  }
  Shape shape(self.getShape());
  for (StringRef name : {"prepend", "append"})
    if (RankedTensorType more = args.tensor(name)) {
      Shape expected(more.getShape());
      if (int64_t(expected.size()) == self.getRank())
        expected[*dim] = self.getDimSize(*dim);
      if (ArrayRef(expected) != self.getShape())
        return args.fail("'" + name + "' " + shapeText(more.getShape()) + " does not join " +
                         shapeText(self.getShape()));
      shape[*dim] += more.getDimSize(*dim);
    }
  shape[*dim] = std::max<int64_t>(shape[*dim] - order, 0);
  types.push_back(RankedTensorType::get(shape, resultType(args.operands)));
  return success();
}

/// The shape of `self`, dtype `type`, after `dim` was checked.
static LogicalResult alongDim(const InferArgs &args, Type type, rules::Types &types) {
  RankedTensorType self = args.tensor("self");
  if (failed(wrapDim(args, args.integer("dim"), self.getRank())))
    return failure();
  if (!isa<FloatType>(type))
    return args.fail("needs a floating-point dtype");
  types.push_back(self.clone(type));
  return success();
}

LogicalResult rules::softmax(const InferArgs &args, Types &types) {
  Type type = dtype(args);
  return alongDim(args, type ? type : args.tensor("self").getElementType(), types);
}

LogicalResult rules::softmaxKernel(const InferArgs &args, Types &types) {
  Type type = args.tensor("self").getElementType();
  return alongDim(
      args, boolean(args, "half_to_float") ? Type(Float32Type::get(args.context)) : type, types);
}

LogicalResult rules::softmaxBackward(const InferArgs &args, Types &types) {
  RankedTensorType grad = args.tensor("grad_output");
  if (grad.getShape() != args.tensor("output").getShape())
    return args.fail("gradient " + shapeText(grad.getShape()) + " and output " +
                     shapeText(args.tensor("output").getShape()) + " differ in shape");
  Type type = dtype(args, "input_dtype");
  types.push_back(type ? grad.clone(type) : grad);
  return success();
}
