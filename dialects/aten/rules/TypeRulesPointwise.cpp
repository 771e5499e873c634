//===- TypeRulesPointwise.cpp - Result types of pointwise ops -------------===//
#include "dialects/aten/rules/TypeRuleSupport.h"
#include "dialects/aten/rules/TypeRules.h"

using namespace mlir;
using namespace regimen::aten;

static RankedTensorType first(const InferArgs &args) {
  return cast<RankedTensorType>(args.operands.front().getType());
}

LogicalResult rules::likeFirst(const InferArgs &args, Types &types) {
  types.push_back(first(args));
  return success();
}

LogicalResult rules::likeFirstCast(const InferArgs &args, Types &types) {
  Type type = dtype(args);
  types.push_back(first(args).clone(type ? type : first(args).getElementType()));
  return success();
}

LogicalResult rules::likeFirstFloat(const InferArgs &args, Types &types) {
  types.push_back(first(args).clone(toFloatType(first(args).getElementType())));
  return success();
}

LogicalResult rules::twiceLikeFirst(const InferArgs &args, Types &types) {
  types.append(2, first(args));
  return success();
}

LogicalResult rules::gatedHalf(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self");
  FailureOr<int64_t> dim = wrapDim(args, args.integer("dim", -1), self.getRank());
  if (failed(dim))
    return failure();
  if (self.getRank() == 0 || self.getDimSize(*dim) % 2)
    return args.fail("needs an even size along the dimension, got " + shapeText(self.getShape()));
  Shape shape(self.getShape());
  shape[*dim] /= 2;
  types.push_back(self.clone(shape));
  return success();
}

LogicalResult rules::likeFirstBool(const InferArgs &args, Types &types) {
  types.push_back(first(args).clone(IntegerType::get(args.context, 1)));
  return success();
}

LogicalResult rules::typeAs(const InferArgs &args, Types &types) {
  types.push_back(args.tensor("self").clone(args.tensor("other").getElementType()));
  return success();
}

/// Appends the broadcast shape of `args`' tensors with dtype `type`.
static LogicalResult broadcastTo(const InferArgs &args, Type type, rules::Types &types) {
  FailureOr<Shape> shape = broadcastValues(args, args.operands);
  if (failed(shape))
    return failure();
  types.push_back(RankedTensorType::get(*shape, type));
  return success();
}

/// The operands that take part in promotion: all but those of the arguments `except`.
static SmallVector<Value> promoted(const InferArgs &args, StringRef except) {
  SmallVector<Value> values;
  for (const SchemaArg &arg : args.schema.args)
    if (arg.isOperand() && arg.name != except)
      llvm::append_range(values, args.values(arg.name));
  return values;
}

LogicalResult rules::promote(const InferArgs &args, Types &types) {
  return broadcastTo(args, resultType(promoted(args, "alpha")), types);
}

LogicalResult rules::trueDivision(const InferArgs &args, Types &types) {
  return broadcastTo(args, toFloatType(resultType(args.operands)), types);
}

LogicalResult rules::promoteTensors(const InferArgs &args, Types &types) {
  SmallVector<Value> tensors;
  for (Value value : args.operands)
    if (isa<RankedTensorType>(value.getType()))
      tensors.push_back(value);
  return broadcastTo(args, resultType(tensors), types);
}

LogicalResult rules::where(const InferArgs &args, Types &types) {
  Type condition = args.tensor("condition").getElementType();
  if (!condition.isInteger(1))
    return args.fail("the condition must be of dtype i1");
  return broadcastTo(args, resultType(promoted(args, "condition")), types);
}

LogicalResult rules::broadcastLikeSelf(const InferArgs &args, Types &types) {
  return broadcastTo(args, args.tensor("self").getElementType(), types);
}

LogicalResult rules::compare(const InferArgs &args, Types &types) {
  return broadcastTo(args, IntegerType::get(args.context, 1), types);
}
