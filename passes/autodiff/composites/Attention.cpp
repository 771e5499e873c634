//===- Attention.cpp - scaled_dot_product_attention -----------------------===//
#include "passes/autodiff/composites/Composites.h"
#include "passes/layout/EagerLayout.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

/// To the kernel that PyTorch chooses on a CPU, or to products and a softmax where it finds none.
class DecomposeAttention : public OpRewritePattern<aten::ScaledDotProductAttentionOp> {
public:
  DecomposeAttention(MLIRContext *context, const RequiresGrad &requiresGrad)
      : OpRewritePattern(context), requiresGrad(requiresGrad) {}

  LogicalResult matchAndRewrite(aten::ScaledDotProductAttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (failed(check(op)))
      return failure();
    AtenBuilder a(rewriter, op.getLoc());
    if (!takesFlash(op)) {
      rewriter.replaceOp(op, productsAndSoftmax(a, op));
      return success();
    }
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
  LogicalResult check(aten::ScaledDotProductAttentionOp op) const {
    if (!op.getDropoutP().isZero())
      return op.emitError() << "dropout in scaled_dot_product_attention is not supported: export "
                               "the model with attention dropout 0";
    if (!takesFlash(op) && (op.getIsCausal() || op.getEnableGqa()))
      return op.emitError() << "scaled_dot_product_attention that is causal or of groups needs "
                               "operands of rank 4 (batch, heads, length, size), heads of one "
                               "size, and a contiguous last dimension: call .contiguous() on the "
                               "operands";
    return success();
  }

  /// Whether PyTorch takes its flash kernel: for heads of one size whose elements are neighbours,
  /// and a mask that is not trained, for which that kernel has no gradient.
  bool takesFlash(aten::ScaledDotProductAttentionOp op) const {
    Value operands[] = {op.getQuery(), op.getKey(), op.getValue()};
    if (op.getAttnMask() && requiresGrad.at(op)[3])
      return false;
    return sizesOf(op.getQuery()).back() == sizesOf(op.getValue()).back() &&
           llvm::all_of(operands, [](Value operand) {
             return sizesOf(operand).size() == 4 && eagerLayoutOf(operand).strides.back() == 1;
           });
  }

  /// Batches of matrices, multiplied as torch.matmul does.
  static Value batchedProduct(AtenBuilder &a, Value x, Value y) {
    auto flat = [&](Value value) {
      ArrayRef<int64_t> matrix = sizesOf(value).take_back(2);
      int64_t batch = typeOf(value).getNumElements() / std::max<int64_t>(matrix[0] * matrix[1], 1);
      return a.view(value, {batch, matrix[0], matrix[1]});
    };
    SmallVector<int64_t> sizes(sizesOf(x).drop_back());
    sizes.push_back(sizesOf(y).back());
    Value flatX = flat(x), flatY = flat(y);
    return a.unsafeView(a.bmm(flatX, flatY), sizes);
  }

  /// _scaled_dot_product_attention_math: query and key get a root of the scale each. Rows that a
  /// mask blocks altogether give zeros.
  static Value productsAndSoftmax(AtenBuilder &a, aten::ScaledDotProductAttentionOp op) {
    std::optional<APFloat> given = op.getScale();
    double scale =
        given ? given->convertToDouble() : 1 / std::sqrt(double(sizesOf(op.getQuery()).back()));
    Value root = a.scalar(std::sqrt(scale));
    Value query = a.mulScalar(op.getQuery(), root);
    Value key = a.mulScalar(a.transpose(op.getKey(), -2, -1), root);
    Value scores = batchedProduct(a, query, key);
    Value weights;
    if (Value mask = op.getAttnMask()) {
      Value masked = a.add(scores, additiveMask(a, mask, typeOf(scores).getElementType()));
      weights = a.call("aten::_safe_softmax", {{masked}}, {a.i64("dim", -1)});
    } else {
      weights = a.call("aten::_softmax", {{scores}},
                       {a.i64("dim", -1), a.boolean("half_to_float", false)});
    }
    return batchedProduct(a, weights, op.getValue());
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

  const RequiresGrad &requiresGrad;
};

} // namespace

void passes::addAttentionPatterns(RewritePatternSet &patterns, const RequiresGrad &requiresGrad) {
  patterns.add<DecomposeAttention>(patterns.getContext(), requiresGrad);
}
