//===- Convolution.cpp - conv1d, conv2d and pooling -----------------------===//
#include "dialects/aten/AtenOps.h"
#include "passes/autodiff/AtenBuilder.h"
#include "passes/autodiff/composites/Composites.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

template <typename ConvOp> class DecomposeConv : public OpRewritePattern<ConvOp> {
public:
  using OpRewritePattern<ConvOp>::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    size_t rank = sizesOf(op.getWeight()).size();
    if (sizesOf(op.getInput()).size() != rank)
      return op.emitError() << op->getName() << " of an input without batch dimension is not "
                            << "supported: unsqueeze it";
    SmallVector<int64_t> outputPadding(rank - 2, 0);
    SmallVector<Value> bias;
    if (op.getBias())
      bias.push_back(op.getBias());
    Value result =
        a.call("aten::convolution", {{op.getInput()}, {op.getWeight()}, bias},
               {a.ints("stride", op.getStride()), a.ints("padding", op.getPadding()),
                a.ints("dilation", op.getDilation()), a.boolean("transposed", false),
                a.ints("output_padding", outputPadding), a.i64("groups", op.getGroups())});
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }
};

class DecomposeMaxPool2d : public OpRewritePattern<aten::MaxPool2dOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::MaxPool2dOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    Value result =
        a.call("aten::max_pool2d_with_indices", {{op.getSelf()}},
               {a.ints("kernel_size", op.getKernelSize()), a.ints("stride", op.getStride()),
                a.ints("padding", op.getPadding()), a.ints("dilation", op.getDilation()),
                a.boolean("ceil_mode", op.getCeilMode())});
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// To one pixel it is a mean.
class DecomposeAdaptiveAvgPool2d : public OpRewritePattern<aten::AdaptiveAvgPool2dOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::AdaptiveAvgPool2dOp op,
                                PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    ArrayRef<int64_t> size = op.getOutputSize();
    bool one = llvm::all_of(size, [](int64_t n) { return n == 1; });
    Value result =
        one ? a.call("aten::mean.dim", {{op.getSelf()}},
                     {a.ints("dim", {-1, -2}), a.boolean("keepdim", true)})
            : a.call("aten::_adaptive_avg_pool2d", {{op.getSelf()}}, {a.ints("output_size", size)});
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }
};

} // namespace

void passes::addConvolutionPatterns(RewritePatternSet &patterns) {
  patterns.add<DecomposeConv<aten::Conv1dOp>, DecomposeConv<aten::Conv2dOp>, DecomposeMaxPool2d,
               DecomposeAdaptiveAvgPool2d>(patterns.getContext());
}
