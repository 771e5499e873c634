//===- Attention.cpp - scaled_dot_product_attention -----------------------===//
#include "dialects/aten/AtenOps.h"
#include "passes/autodiff/AtenBuilder.h"
#include "passes/autodiff/Strides.h"
#include "passes/autodiff/composites/Composites.h"

#include <limits>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

/// To the kernel that PyTorch chooses on a CPU. What it would compute by its slow composite path
/// instead is refused.
class DecomposeAttention : public OpRewritePattern<aten::ScaledDotProductAttentionOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(aten::ScaledDotProductAttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (failed(check(op)))
      return failure();
    AtenBuilder a(rewriter, op.getLoc());
    SmallVector<Value> mask;
    if (op.getAttnMask())
      mask.push_back(additiveMask(a, op.getAttnMask(), typeOf(op.getQuery()).getElementType()));
    SmallVector<NamedAttribute> attributes;
    if (op.getIsCausal())
      attributes.push_back(a.boolean("is_causal", true));
    if (std::optional<APFloat> scale = op.getScale())
      attributes.push_back(a.f64("scale", scale->convertToDouble()));
    Value result = a.call("aten::_scaled_dot_product_flash_attention_for_cpu",
                          {{op.getQuery()}, {op.getKey()}, {op.getValue()}, mask}, attributes);
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  static LogicalResult check(aten::ScaledDotProductAttentionOp op) {
    if (!op.getDropoutP().isZero())
      return op.emitError() << "dropout in scaled_dot_product_attention is not supported: export "
                               "the model with attention dropout 0";
    if (op.getEnableGqa())
      return op.emitError() << "scaled_dot_product_attention with enable_gqa is not supported: "
                               "repeat the key and value heads in the model";
    for (Value operand : {Value(op.getQuery()), Value(op.getKey()), Value(op.getValue())}) {
      if (sizesOf(operand).size() != 4)
        return op.emitError() << "scaled_dot_product_attention needs operands of rank 4 (batch, "
                                 "heads, length, size), not "
                              << operand.getType();
      if (stridesOf(operand).back() != 1)
        return op.emitError() << "scaled_dot_product_attention needs operands whose last dimension "
                                 "is contiguous: call .contiguous() on them";
    }
    if (sizesOf(op.getQuery()).back() != sizesOf(op.getValue()).back())
      return op.emitError() << "scaled_dot_product_attention needs heads of one size, not "
                            << op.getQuery().getType() << " and " << op.getValue().getType();
    return success();
  }

  /// A boolean mask as what is added to the scores: 0 where it is true, -inf elsewhere.
  static Value additiveMask(AtenBuilder &a, Value mask, Type dtype) {
    if (!typeOf(mask).getElementType().isInteger(1))
      return mask;
    auto scalarTensor = [&](double value) {
      return a.call("aten::scalar_tensor", {{a.scalar(value)}}, {a.type("dtype", dtype)});
    };
    Value blocked = scalarTensor(-std::numeric_limits<double>::infinity());
    Value open = scalarTensor(0.0);
    return a.call("aten::where.self", {{mask}, {open}, {blocked}});
  }
};

} // namespace

void passes::addAttentionPatterns(RewritePatternSet &patterns) {
  patterns.add<DecomposeAttention>(patterns.getContext());
}
