//===- Normalization.cpp - Norms and dropout ------------------------------===//
#include "passes/autodiff/composites/Composites.h"
#include "passes/layout/EagerLayout.h"

#include <limits>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

static Value layerNorm(AtenBuilder &a, aten::LayerNormOp op) {
  return a.call("aten::native_layer_norm",
                {{op.getInput()}, optional(op.getWeight()), optional(op.getBias())},
                {a.ints("normalized_shape", op.getNormalizedShape()),
                 a.f64("eps", op.getEps().convertToDouble())});
}

static Value groupNorm(AtenBuilder &a, aten::GroupNormOp op) {
  Value input = op.getInput();
  ArrayRef<int64_t> sizes = sizesOf(input);
  if (!eagerLayoutOf(input).isContiguous())
    input = a.call("aten::clone", {{input}}, {a.i64("memory_format", 0)});
  int64_t pixels = 1;
  for (int64_t size : sizes.drop_front(2))
    pixels *= size;
  return a.call("aten::native_group_norm",
                {{input}, optional(op.getWeight()), optional(op.getBias())},
                {a.i64("N", sizes[0]), a.i64("C", sizes[1]), a.i64("HxW", pixels),
                 a.i64("group", op.getNumGroups()), a.f64("eps", op.getEps().convertToDouble())});
}

/// x / sqrt(mean(x^2) + eps), in f32 or wider.
static Value rmsNorm(AtenBuilder &a, aten::RmsNormOp op) {
  Type type = typeOf(op.getInput()).getElementType();
  bool wide = type.isF64();
  Value input =
      wide ? Value(op.getInput()) : a.to(op.getInput(), Float32Type::get(op.getContext()));
  double eps =
      wide ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  if (std::optional<APFloat> given = op.getEps())
    eps = wide ? given->convertToDouble() : double(float(given->convertToDouble()));
  int64_t rank = sizesOf(input).size();
  SmallVector<int64_t> dims =
      llvm::to_vector(llvm::seq<int64_t>(rank - int64_t(op.getNormalizedShape().size()), rank));
  Value squares = a.powScalar(input, a.scalar(int64_t(2)));
  Value mean =
      a.call("aten::mean.dim", {{squares}}, {a.ints("dim", dims), a.boolean("keepdim", true)});
  Value shifted = a.call("aten::add.Scalar", {{mean}, {a.scalar(eps)}, {}});
  Value result = a.to(a.mul(input, a.call("aten::rsqrt", {{shifted}})), type);
  return op.getWeight() ? a.mul(result, op.getWeight()) : result;
}

static Value dropout(AtenBuilder &, aten::DropoutOp op) {
  if (!op.getTrain() || op.getP().isZero())
    return op.getInput();
  op.emitError() << "dropout with p = " << op.getP().convertToDouble()
                 << " is not supported: export the model with dropout 0";
  return {};
}

void passes::addNormalizationPatterns(RewritePatternSet &patterns) {
  addDecomposition(patterns, layerNorm);
  addDecomposition(patterns, groupNorm);
  addDecomposition(patterns, rmsNorm);
  addDecomposition(patterns, dropout);
}
