//===- TypeRulesNorms.cpp - Result types of normalisations and losses -----===//
#include "dialects/aten/rules/TypeRuleSupport.h"
#include "dialects/aten/rules/TypeRules.h"

using namespace mlir;
using namespace regimen::aten;

/// The dtype of saved statistics: the weight's where it differs from the input's (mixed precision).
static Type statisticsType(const InferArgs &args) {
  RankedTensorType weight = args.tensor("weight");
  return (weight ? weight : args.tensor("input")).getElementType();
}

/// Checks that the input ends in `normalized_shape` and that weight and bias have it.
static LogicalResult checkLayerNorm(const InferArgs &args) {
  RankedTensorType input = args.tensor("input");
  ArrayRef<int64_t> normalized = args.integers("normalized_shape");
  if (normalized.empty() || input.getShape().take_back(normalized.size()) != normalized)
    return args.fail("input " + shapeText(input.getShape()) + " does not end in normalized_shape " +
                     shapeText(normalized));
  for (StringRef name : {"weight", "bias"})
    if (RankedTensorType affine = args.tensor(name); affine && affine.getShape() != normalized)
      return args.fail("'" + name + "' " + shapeText(affine.getShape()) +
                       " differs from normalized_shape " + shapeText(normalized));
  return success();
}

LogicalResult rules::layerNorm(const InferArgs &args, Types &types) {
  if (failed(checkLayerNorm(args)))
    return failure();
  types.push_back(args.tensor("input"));
  return success();
}

LogicalResult rules::nativeLayerNorm(const InferArgs &args, Types &types) {
  if (failed(layerNorm(args, types)))
    return failure();
  RankedTensorType input = args.tensor("input");
  int64_t count = args.integers("normalized_shape").size();
  Shape shape(input.getShape());
  for (int64_t i = 1; i <= count; ++i)
    shape[shape.size() - i] = 1;
  types.append(2, RankedTensorType::get(shape, statisticsType(args)));
  return success();
}

/// Gradients of input, weight and bias, those that `output_mask` switches off as undefined.
static LogicalResult normGradients(const InferArgs &args, ArrayRef<int64_t> affine,
                                   rules::Types &types) {
  RankedTensorType input = args.tensor("input");
  auto mask = args.attr<DenseBoolArrayAttr>("output_mask");
  if (!mask || mask.size() != 3)
    return args.fail("'output_mask' must have 3 values");
  RankedTensorType weight = RankedTensorType::get(affine, statisticsType(args));
  RankedTensorType gradients[] = {input, weight, weight};
  for (auto [type, wanted] : llvm::zip(gradients, mask.asArrayRef()))
    types.push_back(wanted ? type : rules::undefinedResult(type.getElementType()));
  return success();
}

LogicalResult rules::nativeLayerNormBackward(const InferArgs &args, Types &types) {
  if (failed(checkLayerNorm(args)))
    return failure();
  return normGradients(args, args.integers("normalized_shape"), types);
}

LogicalResult rules::nativeGroupNorm(const InferArgs &args, Types &types) {
  RankedTensorType input = args.tensor("input");
  int64_t n = args.integer("N"), c = args.integer("C"), group = args.integer("group");
  if (input.getNumElements() != n * c * args.integer("HxW") || group < 1 || c % group)
    return args.fail("N, C, HxW and group do not fit input " + shapeText(input.getShape()));
  types.push_back(input);
  types.append(2, RankedTensorType::get({n, group}, statisticsType(args)));
  return success();
}

LogicalResult rules::nativeGroupNormBackward(const InferArgs &args, Types &types) {
  return normGradients(args, {args.integer("C")}, types);
}

/// Batch norm's statistics, one a channel.
static FailureOr<RankedTensorType> channelStatistics(const InferArgs &args) {
  RankedTensorType input = args.tensor("input");
  if (input.getRank() < 2)
    return args.fail("takes 2 dimensions or more, got " + shapeText(input.getShape()));
  Shape channels{input.getDimSize(1)};
  for (StringRef name : {"weight", "bias", "running_mean", "running_var"})
    if (RankedTensorType one = args.tensor(name); one && one.getShape() != ArrayRef(channels))
      return args.fail("'" + name + "' must have shape " + shapeText(channels) + ", got " +
                       shapeText(one.getShape()));
  return RankedTensorType::get(channels, statisticsType(args));
}

LogicalResult rules::batchNorm(const InferArgs &args, Types &types) {
  FailureOr<RankedTensorType> statistics = channelStatistics(args);
  if (failed(statistics))
    return failure();
  if (!boolean(args, "training"))
    return args.fail("with running statistics that are updated must be in training");
  types.push_back(args.tensor("input"));
  types.append(2, *statistics);
  types.push_back(args.tensor("running_mean"));
  types.push_back(args.tensor("running_var"));
  return success();
}

LogicalResult rules::batchNormInference(const InferArgs &args, Types &types) {
  FailureOr<RankedTensorType> statistics = channelStatistics(args);
  if (failed(statistics))
    return failure();
  types.push_back(args.tensor("input"));
  types.append(2, statistics->clone(Shape{0}));
  return success();
}

LogicalResult rules::batchNormBackward(const InferArgs &args, Types &types) {
  if (args.tensor("input").getRank() < 2)
    return args.fail("takes 2 dimensions or more");
  return normGradients(args, {args.tensor("input").getDimSize(1)}, types);
}

LogicalResult rules::recurrentCell(const InferArgs &args, Types &types) {
  RankedTensorType input = args.tensor("input"), hidden = args.tensor("hx");
  if (input.getRank() != 2 || hidden.getRank() != 2 || input.getDimSize(0) != hidden.getDimSize(0))
    return args.fail("input " + shapeText(input.getShape()) + " and state " +
                     shapeText(hidden.getShape()) + " do not fit");
  types.push_back(hidden);
  return success();
}

LogicalResult rules::lstm(const InferArgs &args, Types &types) {
  RankedTensorType input = args.tensor("input");
  ValueRange states = args.values("hx");
  if (states.size() != 2)
    return args.fail("needs a hidden and a cell state");
  auto hidden = cast<RankedTensorType>(states[0].getType());
  int64_t directions = boolean(args, "bidirectional") ? 2 : 1;
  // A state a layer and direction.
  if (input.getRank() != 3 || hidden.getRank() != 3 ||
      hidden.getDimSize(0) != directions * args.integer("num_layers"))
    return args.fail("input " + shapeText(input.getShape()) + " and state " +
                     shapeText(hidden.getShape()) + " do not fit");
  Shape output(input.getShape());
  output.back() = directions * hidden.getShape().back();
  types.push_back(RankedTensorType::get(output, hidden.getElementType()));
  for (Value state : states)
    types.push_back(state.getType());
  return success();
}

//===----------------------------------------------------------------------===//
// Losses. A reduction is 0 (none), 1 (mean) or 2 (sum), as in at::Reduction.
//===----------------------------------------------------------------------===//

static FailureOr<bool> reduces(const InferArgs &args) {
  int64_t reduction = args.integer("reduction", 1);
  if (reduction < 0 || reduction > 2)
    return args.fail("reduction must be 0 (none), 1 (mean) or 2 (sum), got " + Twine(reduction));
  return reduction != 0;
}

LogicalResult rules::pointwiseLoss(const InferArgs &args, Types &types) {
  FailureOr<bool> reduced = reduces(args);
  FailureOr<Shape> shape = broadcastValues(args, args.operands);
  if (failed(reduced) || failed(shape))
    return failure();
  types.push_back(RankedTensorType::get(*reduced ? Shape() : *shape, resultType(args.operands)));
  return success();
}

/// Shape of `self` without its class dimension, which is the first where there is no batch.
static Shape withoutClasses(RankedTensorType self) {
  Shape shape(self.getShape());
  shape.erase(shape.begin() + (shape.size() > 1));
  return shape;
}

LogicalResult rules::crossEntropyLoss(const InferArgs &args, Types &types) {
  RankedTensorType self = args.tensor("self"), target = args.tensor("target");
  FailureOr<bool> reduced = reduces(args);
  if (failed(reduced))
    return failure();
  if (self.getRank() == 0)
    return args.fail("logits need a class dimension");
  bool probabilities =
      target.getShape() == self.getShape() && isa<FloatType>(target.getElementType());
  Shape shape = withoutClasses(self);
  if (!probabilities && target.getShape() != ArrayRef(shape))
    return args.fail("target " + shapeText(target.getShape()) + " does not fit logits " +
                     shapeText(self.getShape()));
  types.push_back(self.clone(*reduced ? Shape() : shape));
  return success();
}

/// A negative log-likelihood over log-probabilities of one of the ranks `low` and `high`.
static LogicalResult likelihood(const InferArgs &args, int64_t low, int64_t high,
                                rules::Types &types) {
  RankedTensorType self = args.tensor("self"), target = args.tensor("target");
  FailureOr<bool> reduced = reduces(args);
  if (failed(reduced))
    return failure();
  if (self.getRank() < low || self.getRank() > high ||
      target.getShape() != ArrayRef(withoutClasses(self)))
    return args.fail("target " + shapeText(target.getShape()) + " does not fit log-probabilities " +
                     shapeText(self.getShape()));
  types.push_back(self.clone(*reduced ? Shape() : withoutClasses(self)));
  types.push_back(self.clone(Shape()));
  return success();
}

LogicalResult rules::nllLoss(const InferArgs &args, Types &types) {
  return likelihood(args, 1, 2, types);
}

LogicalResult rules::nllLoss2d(const InferArgs &args, Types &types) {
  return likelihood(args, 4, 4, types);
}

LogicalResult rules::nllLossBackward(const InferArgs &args, Types &types) {
  if (failed(reduces(args)))
    return failure();
  types.push_back(args.tensor("self"));
  return success();
}

LogicalResult rules::none(const InferArgs &, Types &) { return success(); }
