//===- Shape.cpp - Padding, differences, repetition and synonyms ----------===//
#include "dialects/aten/AtenOps.h"
#include "passes/autodiff/AtenBuilder.h"
#include "passes/autodiff/composites/Composites.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

class DecomposePad : public OpRewritePattern<aten::PadOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::PadOp op, PatternRewriter &rewriter) const override {
    if (op.getMode() != "constant")
      return op.emitError() << "aten.pad with mode '" << op.getMode()
                            << "' is not supported: only 'constant' is";
    AtenBuilder a(rewriter, op.getLoc());
    std::optional<APFloat> value = op.getValue();
    Value fill = a.scalar(value ? value->convertToDouble() : 0.0);
    Value result =
        a.call("aten::constant_pad_nd", {{op.getSelf()}, {fill}}, {a.ints("pad", op.getPad())});
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }
};

class DecomposeDiff : public OpRewritePattern<aten::DiffOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::DiffOp op, PatternRewriter &rewriter) const override {
    Value self = op.getSelf();
    if (typeOf(self).getElementType().isInteger(1))
      return op.emitError() << "aten.diff of booleans is not supported: cast to an integer first";
    AtenBuilder a(rewriter, op.getLoc());
    int64_t dim = op.getDim();
    SmallVector<Value> parts;
    for (Value part : {Value(op.getPrepend()), self, Value(op.getAppend())})
      if (part)
        parts.push_back(part);
    Value x = parts.size() > 1 ? a.cat(parts, dim) : self;
    int64_t axis = wrapDim(dim, sizesOf(x).size());
    for (int64_t i = 0, e = op.getN(); i < e; ++i) {
      int64_t size = sizesOf(x)[axis];
      Value before = a.slice(x, dim, 0, size - 1);
      x = a.sub(a.slice(x, dim, 1, size), before);
    }
    rewriter.replaceOp(op, x);
    return success();
  }
};

class DecomposeRepeatInterleave : public OpRewritePattern<aten::RepeatInterleaveSelfIntOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::RepeatInterleaveSelfIntOp op,
                                PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    Value self = op.getSelf();
    std::optional<int64_t> given = op.getDim();
    if (!given)
      self = a.view(self, {typeOf(self).getNumElements()});
    int64_t dim = wrapDim(given.value_or(0), sizesOf(self).size());
    Value repeated = a.unsqueeze(self, dim + 1);
    SmallVector<int64_t> sizes(sizesOf(repeated));
    sizes[dim + 1] = op.getRepeats();
    Value copy = a.call("aten::clone", {{a.expand(repeated, sizes)}}, {a.i64("memory_format", 0)});
    rewriter.replaceOp(op, a.view(copy, sizesOf(op.getResult())));
    return success();
  }
};

/// x.type_as(y): a cast, if any.
class DecomposeTypeAs : public OpRewritePattern<aten::TypeAsOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::TypeAsOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    rewriter.replaceOp(op, a.to(op.getSelf(), typeOf(op.getOther()).getElementType()));
    return success();
  }
};

/// The functional copy_: `src` with the type of `self`.
class DecomposeCopy : public OpRewritePattern<aten::CopyOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::CopyOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    Value x = a.to(op.getSrc(), typeOf(op.getSelf()).getElementType());
    if (sizesOf(x) != sizesOf(op.getSelf()))
      x = a.expand(x, sizesOf(op.getSelf()));
    rewriter.replaceOp(op, x);
    return success();
  }
};

/// An op that is another one by a second name.
template <typename SynonymOp> class DecomposeSynonym : public OpRewritePattern<SynonymOp> {
public:
  DecomposeSynonym(MLIRContext *context, StringRef name)
      : OpRewritePattern<SynonymOp>(context), name(name) {}

  LogicalResult matchAndRewrite(SynonymOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    rewriter.replaceOp(op, a.call(name, {{op.getSelf()}, {op.getOther()}}));
    return success();
  }

private:
  StringRef name;
};

} // namespace

void passes::addShapePatterns(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns
      .add<DecomposePad, DecomposeDiff, DecomposeRepeatInterleave, DecomposeTypeAs, DecomposeCopy>(
          context);
  patterns.add<DecomposeSynonym<aten::AndTensorOp>>(context, "aten::bitwise_and.Tensor");
  patterns.add<DecomposeSynonym<aten::OrTensorOp>>(context, "aten::bitwise_or.Tensor");
  patterns.add<DecomposeSynonym<aten::MinOtherOp>>(context, "aten::minimum");
}
