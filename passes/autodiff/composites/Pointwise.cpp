//===- Pointwise.cpp - Activations, casts and synonyms --------------------===//
#include "passes/autodiff/composites/Composites.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

/// x.type_as(y): a cast, if any.
static Value typeAs(AtenBuilder &a, aten::TypeAsOp op) {
  return a.to(op.getSelf(), typeOf(op.getOther()).getElementType());
}

/// `x` with the type of `like`.
static Value broadcastLike(AtenBuilder &a, Value x, Value like) {
  x = a.to(x, typeOf(like).getElementType());
  return sizesOf(x) == sizesOf(like) ? x : a.expand(x, sizesOf(like));
}

/// The functional copy_ and fill_.
static Value copy(AtenBuilder &a, aten::CopyOp op) {
  return broadcastLike(a, op.getSrc(), op.getSelf());
}
static Value fill(AtenBuilder &a, aten::FillTensorOp op) {
  return broadcastLike(a, op.getValue(), op.getSelf());
}

static SmallVector<Value> broadcastTensors(AtenBuilder &a, aten::BroadcastTensorsOp op) {
  SmallVector<Value> results;
  for (auto [tensor, result] : llvm::zip_equal(op.getTensors(), op->getResults()))
    results.push_back(sizesOf(tensor) == sizesOf(result) ? Value(tensor)
                                                         : a.expand(tensor, sizesOf(result)));
  return results;
}

static Value elu(AtenBuilder &a, Value self, Value alpha, double scale, double inputScale) {
  return a.call("aten::elu", {{self}, {alpha}, {a.scalar(scale)}, {a.scalar(inputScale)}});
}

static Value selu(AtenBuilder &a, aten::SeluOp op) {
  return elu(a, op.getSelf(), a.scalar(1.6732632423543772848170429916717),
             1.0507009873554804934193349852946, 1);
}

static Value celu(AtenBuilder &a, aten::CeluOp op) {
  Value alpha = op.getAlpha() ? Value(op.getAlpha()) : a.scalar(1.0);
  Attribute constant;
  if (!matchPattern(alpha, m_Constant(&constant))) {
    op.emitError() << "aten.celu needs a constant alpha";
    return {};
  }
  auto real = dyn_cast<FloatAttr>(constant);
  double number = real ? real.getValueAsDouble() : double(cast<IntegerAttr>(constant).getInt());
  return elu(a, op.getSelf(), alpha, 1, 1 / number);
}

static Value relu6(AtenBuilder &a, aten::Relu6Op op) {
  return a.call("aten::hardtanh", {{op.getSelf()}, {a.scalar(int64_t(0))}, {a.scalar(int64_t(6))}});
}

static Value logSigmoid(AtenBuilder &a, aten::LogSigmoidOp op) {
  return a.call("aten::log_sigmoid_forward", {{op.getSelf()}});
}

/// The weight, one a channel, is brought in line with dimension 1.
static Value prelu(AtenBuilder &a, aten::PreluOp op) {
  Value weight = op.getWeight();
  size_t rank = sizesOf(op.getSelf()).size();
  if (sizesOf(weight).size() != rank) {
    SmallVector<int64_t> sizes(rank, 1);
    if (rank > 0)
      sizes[rank > 1 ? 1 : 0] = typeOf(weight).getNumElements();
    weight = a.view(weight, sizes);
  }
  return a.call("aten::_prelu_kernel", {{op.getSelf()}, {weight}});
}

static Value square(AtenBuilder &a, aten::SquareOp op) {
  return a.powScalar(op.getSelf(), a.scalar(int64_t(2)));
}

static Value rsub(AtenBuilder &a, aten::RsubTensorOp op) {
  return a.call("aten::sub.Tensor", {{op.getOther()}, {op.getSelf()}, optional(op.getAlpha())});
}

/// std.dim and var.dim: the same with a number for `unbiased`.
template <typename SpreadOp> static Value spread(AtenBuilder &a, SpreadOp op, StringRef name) {
  SmallVector<NamedAttribute> attributes{a.boolean("keepdim", op.getKeepdim())};
  if (std::optional<ArrayRef<int64_t>> dims = op.getDim())
    attributes.push_back(a.ints("dim", *dims));
  return a.call(name, {{op.getSelf()}, {a.scalar(int64_t(op.getUnbiased()))}}, attributes);
}

namespace {

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

void passes::addPointwisePatterns(RewritePatternSet &patterns) {
  addDecomposition(patterns, typeAs);
  addDecomposition(patterns, copy);
  addDecomposition(patterns, fill);
  addDecomposition(patterns, broadcastTensors);
  addDecomposition(patterns, selu);
  addDecomposition(patterns, celu);
  addDecomposition(patterns, relu6);
  addDecomposition(patterns, logSigmoid);
  addDecomposition(patterns, prelu);
  addDecomposition(patterns, square);
  addDecomposition(patterns, rsub);
  addDecomposition(
      patterns,
      +[](AtenBuilder &a, aten::StdDimOp op) { return spread(a, op, "aten::std.correction"); });
  addDecomposition(
      patterns,
      +[](AtenBuilder &a, aten::VarDimOp op) { return spread(a, op, "aten::var.correction"); });
  MLIRContext *context = patterns.getContext();
  patterns.add<DecomposeSynonym<aten::AndTensorOp>>(context, "aten::bitwise_and.Tensor");
  patterns.add<DecomposeSynonym<aten::OrTensorOp>>(context, "aten::bitwise_or.Tensor");
  patterns.add<DecomposeSynonym<aten::MinOtherOp>>(context, "aten::minimum");
  patterns.add<DecomposeSynonym<aten::MaxOtherOp>>(context, "aten::maximum");
}
