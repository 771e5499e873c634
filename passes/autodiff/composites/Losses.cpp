//===- Losses.cpp - Losses and softmax ------------------------------------===//
#include "passes/autodiff/composites/Composites.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

/// What at::Reduction says to do with a loss an element.
static Value reduce(AtenBuilder &a, Value loss, int64_t reduction) {
  constexpr int64_t kMean = 1, kSum = 2;
  if (reduction == kMean)
    return a.call("aten::mean", {{loss}});
  return reduction == kSum ? a.call("aten::sum", {{loss}}) : loss;
}

/// softmax.int and log_softmax.int: a cast, then the kernel.
template <typename SoftmaxOp> static Value softmax(AtenBuilder &a, SoftmaxOp op, StringRef kernel) {
  Value input = a.to(op.getSelf(), typeOf(op.getResult()).getElementType());
  return a.call(kernel, {{input}}, {a.i64("dim", op.getDim()), a.boolean("half_to_float", false)});
}

//===----------------------------------------------------------------------===//
// Likelihoods
//===----------------------------------------------------------------------===//

/// at::nll_loss_nd of (batch, classes, ...) log-probabilities.
static Value negativeLogLikelihood(AtenBuilder &a, Value input, Value target,
                                   SmallVector<Value> weight, int64_t reduction,
                                   int64_t ignoreIndex) {
  SmallVector<int64_t> sizes(sizesOf(input)), outer(sizesOf(target));
  NamedAttribute attributes[] = {a.i64("reduction", reduction), a.i64("ignore_index", ignoreIndex)};
  if (sizes.size() <= 2)
    return a.call("aten::nll_loss_forward", {{input}, {target}, weight}, attributes);
  bool image = sizes.size() == 4;
  if (!image) {
    int64_t pixels = typeOf(target).getNumElements() / std::max<int64_t>(sizes[0], 1);
    input = a.view(input, {sizes[0], sizes[1], 1, pixels});
    target = a.view(target, {sizes[0], 1, pixels});
  }
  Value loss = a.call("aten::nll_loss2d_forward", {{input}, {target}, weight}, attributes);
  return loss && !image && reduction == 0 ? a.view(loss, outer) : loss;
}

static Value nllLoss(AtenBuilder &a, aten::NllLossNdOp op) {
  return negativeLogLikelihood(a, op.getSelf(), op.getTarget(), optional(op.getWeight()),
                               op.getReduction(), op.getIgnoreIndex());
}

/// Against probabilities, smoothed: -(log p * target), summed or divided by the rows.
static Value crossEntropyOfProbabilities(AtenBuilder &a, aten::CrossEntropyLossOp op,
                                         Value logProbabilities, int64_t classDim) {
  int64_t classes = sizesOf(logProbabilities)[classDim];
  double smoothing = op.getLabelSmoothing().convertToDouble();
  Value target = op.getTarget();
  if (smoothing > 0)
    target = a.call("aten::add.Scalar", {{a.mulScalar(target, a.scalar(1 - smoothing))},
                                         {a.scalar(smoothing / double(classes))},
                                         {}});
  Value product = a.mul(logProbabilities, target);
  if (op.getReduction() == 0)
    return a.neg(a.sum(product, {classDim}, false));
  Value loss = a.neg(a.call("aten::sum", {{product}}));
  int64_t rows = typeOf(logProbabilities).getNumElements() / classes;
  return op.getReduction() == 1 ? a.divScalar(loss, a.scalar(rows)) : loss;
}

/// `loss` mixed with that of a uniform distribution.
static Value smoothed(AtenBuilder &a, aten::CrossEntropyLossOp op, Value logProbabilities,
                      Value loss, int64_t classDim) {
  double smoothing = op.getLabelSmoothing().convertToDouble();
  Value uniform = a.neg(a.sum(logProbabilities, {classDim}, false));
  Value ignored =
      a.call("aten::eq.Scalar", {{op.getTarget()}, {a.scalar(int64_t(op.getIgnoreIndex()))}});
  uniform = a.call("aten::masked_fill.Scalar", {{uniform}, {ignored}, {a.scalar(0.0)}});
  if (op.getReduction() != 0) {
    Value kept = op.getReduction() == 1 ? a.call("aten::bitwise_not", {{ignored}}) : Value();
    uniform = a.call("aten::sum", {{uniform}});
    if (kept)
      uniform = a.div(uniform, a.call("aten::sum", {{kept}}));
  }
  int64_t classes = sizesOf(logProbabilities)[classDim];
  Value share = a.mulScalar(uniform, a.scalar(smoothing / double(classes)));
  return a.add(a.mulScalar(loss, a.scalar(1 - smoothing)), share);
}

static Value crossEntropy(AtenBuilder &a, aten::CrossEntropyLossOp op) {
  int64_t classDim = sizesOf(op.getSelf()).size() == 1 ? 0 : 1;
  bool probabilities = !isa<IntegerType>(typeOf(op.getTarget()).getElementType());
  if (op.getWeight() && (probabilities || !op.getLabelSmoothing().isZero())) {
    op.emitError() << "class weights in cross_entropy_loss are not supported with class "
                      "probabilities or label smoothing: leave one of them out";
    return {};
  }
  Value logProbabilities = a.call("aten::_log_softmax", {{op.getSelf()}},
                                  {a.i64("dim", classDim), a.boolean("half_to_float", false)});
  if (probabilities)
    return crossEntropyOfProbabilities(a, op, logProbabilities, classDim);
  Value loss = negativeLogLikelihood(a, logProbabilities, op.getTarget(), optional(op.getWeight()),
                                     op.getReduction(), op.getIgnoreIndex());
  return loss && !op.getLabelSmoothing().isZero()
             ? smoothed(a, op, logProbabilities, loss, classDim)
             : loss;
}

//===----------------------------------------------------------------------===//
// Losses an element
//===----------------------------------------------------------------------===//

static Value l1Loss(AtenBuilder &a, aten::L1LossOp op) {
  Value distance = a.call("aten::abs", {{a.sub(op.getSelf(), op.getTarget())}});
  return reduce(a, distance, op.getReduction());
}

static Value klDivergence(AtenBuilder &a, aten::KlDivOp op) {
  Value input = op.getSelf(), target = op.getTarget(), loss;
  if (op.getLogTarget()) {
    Value difference = a.sub(target, input);
    loss = a.mul(a.call("aten::exp", {{target}}), difference);
  } else {
    Value cross = a.mul(target, input);
    loss = a.sub(a.call("aten::xlogy.Tensor", {{target}, {target}}), cross);
  }
  return reduce(a, loss, op.getReduction());
}

void passes::addLossPatterns(RewritePatternSet &patterns) {
  addDecomposition(patterns, crossEntropy);
  addDecomposition(patterns, klDivergence);
  addDecomposition(patterns, l1Loss);
  addDecomposition(patterns, nllLoss);
  addDecomposition(
      patterns,
      +[](AtenBuilder &a, aten::SoftmaxIntOp op) { return softmax(a, op, "aten::_softmax"); });
  addDecomposition(
      patterns, +[](AtenBuilder &a, aten::LogSoftmaxIntOp op) {
        return softmax(a, op, "aten::_log_softmax");
      });
}
