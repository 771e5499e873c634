//===- Normalization.cpp - layer_norm, group_norm and dropout -------------===//
#include "dialects/aten/AtenOps.h"
#include "passes/autodiff/AtenBuilder.h"
#include "passes/autodiff/Strides.h"
#include "passes/autodiff/composites/Composites.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

static SmallVector<Value> optional(Value value) {
  return value ? SmallVector<Value>{value} : SmallVector<Value>{};
}

namespace {

class DecomposeLayerNorm : public OpRewritePattern<aten::LayerNormOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::LayerNormOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    Value result = a.call("aten::native_layer_norm",
                          {{op.getInput()}, optional(op.getWeight()), optional(op.getBias())},
                          {a.ints("normalized_shape", op.getNormalizedShape()),
                           a.f64("eps", op.getEps().convertToDouble())});
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }
};

class DecomposeGroupNorm : public OpRewritePattern<aten::GroupNormOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::GroupNormOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    Value input = op.getInput();
    ArrayRef<int64_t> sizes = sizesOf(input);
    if (!isContiguous(input))
      input = a.call("aten::clone", {{input}}, {a.i64("memory_format", 0)});
    int64_t pixels = 1;
    for (int64_t size : sizes.drop_front(2))
      pixels *= size;
    Value result = a.call(
        "aten::native_group_norm", {{input}, optional(op.getWeight()), optional(op.getBias())},
        {a.i64("N", sizes[0]), a.i64("C", sizes[1]), a.i64("HxW", pixels),
         a.i64("group", op.getNumGroups()), a.f64("eps", op.getEps().convertToDouble())});
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }
};

class DecomposeDropout : public OpRewritePattern<aten::DropoutOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::DropoutOp op, PatternRewriter &rewriter) const override {
    if (op.getTrain() && !op.getP().isZero())
      return op.emitError() << "dropout with p = " << op.getP().convertToDouble()
                            << " is not supported: export the model with dropout 0";
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
};

} // namespace

void passes::addNormalizationPatterns(RewritePatternSet &patterns) {
  patterns.add<DecomposeLayerNorm, DecomposeGroupNorm, DecomposeDropout>(patterns.getContext());
}
