//===- Losses.cpp - cross_entropy_loss and softmax ------------------------===//
#include "dialects/aten/AtenOps.h"
#include "passes/autodiff/AtenBuilder.h"
#include "passes/autodiff/composites/Composites.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

class DecomposeCrossEntropy : public OpRewritePattern<aten::CrossEntropyLossOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::CrossEntropyLossOp op,
                                PatternRewriter &rewriter) const override {
    size_t rank = sizesOf(op.getSelf()).size();
    if (!isa<IntegerType>(typeOf(op.getTarget()).getElementType()))
      return op.emitError() << "cross_entropy_loss with class probabilities is not supported: give "
                               "class indices";
    if (!op.getLabelSmoothing().isZero())
      return op.emitError()
             << "label smoothing in cross_entropy_loss is not supported: set it to 0";
    if (rank > 2)
      return op.emitError() << "cross_entropy_loss of rank " << rank
                            << " is not supported: reshape the logits to (rows, classes)";
    AtenBuilder a(rewriter, op.getLoc());
    Value logProbabilities =
        a.call("aten::_log_softmax", {{op.getSelf()}},
               {a.i64("dim", rank == 1 ? 0 : 1), a.boolean("half_to_float", false)});
    SmallVector<Value> weight;
    if (op.getWeight())
      weight.push_back(op.getWeight());
    Value result =
        a.call("aten::nll_loss_forward", {{logProbabilities}, {op.getTarget()}, weight},
               {a.i64("reduction", op.getReduction()), a.i64("ignore_index", op.getIgnoreIndex())});
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// softmax.int and log_softmax.int: a cast, then the kernel.
template <typename SoftmaxOp> class DecomposeSoftmax : public OpRewritePattern<SoftmaxOp> {
public:
  DecomposeSoftmax(MLIRContext *context, StringRef kernel)
      : OpRewritePattern<SoftmaxOp>(context), kernel(kernel) {}

  LogicalResult matchAndRewrite(SoftmaxOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    Value input = a.to(op.getSelf(), typeOf(op.getResult()).getElementType());
    Value result =
        a.call(kernel, {{input}}, {a.i64("dim", op.getDim()), a.boolean("half_to_float", false)});
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  StringRef kernel;
};

} // namespace

void passes::addLossPatterns(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<DecomposeCrossEntropy>(context);
  patterns.add<DecomposeSoftmax<aten::SoftmaxIntOp>>(context, "aten::_softmax");
  patterns.add<DecomposeSoftmax<aten::LogSoftmaxIntOp>>(context, "aten::_log_softmax");
}
