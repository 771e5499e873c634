//===- Matrix.cpp - linear and matmul -------------------------------------===//
#include "passes/autodiff/composites/Composites.h"
#include "passes/layout/EagerLayout.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

static int64_t product(ArrayRef<int64_t> sizes) {
  int64_t result = 1;
  for (int64_t size : sizes)
    result *= size;
  return result;
}

static Value transposeLast(AtenBuilder &a, Value x) { return a.transpose(x, -2, -1); }

/// Whether the batch dimensions of `x` lie as one, so that folding them costs no copy.
static bool batchIsContiguous(Value x) {
  SmallVector<int64_t> strides = eagerLayoutOf(x).strides;
  ArrayRef<int64_t> sizes = sizesOf(x);
  for (size_t i = 0; i + 2 < sizes.size(); ++i)
    if (strides[i] != strides[i + 1] * sizes[i + 1])
      return false;
  return true;
}

namespace {

/// torch.matmul(x, y). `xGrad` and `yGrad`: whether they require a gradient.
struct Matmul {
  AtenBuilder &a;
  Value x, y;
  bool xGrad, yGrad;

  /// Null for a vector times matrices of rank above 2.
  Value build() {
    int64_t rankX = sizesOf(x).size(), rankY = sizesOf(y).size();
    if (rankX == 1 && rankY == 1)
      return a.call("aten::dot", {{x}, {y}});
    if (rankX == 2 && rankY == 1)
      return a.call("aten::mv", {{x}, {y}});
    if (rankX == 1 && rankY == 2)
      return a.squeeze(a.mm(a.unsqueeze(x, 0), y), 0);
    if (rankY == 1)
      return foldVector();
    if (rankX < 2)
      return {};
    if (rankX == 2 && rankY == 2)
      return a.mm(x, y);
    return shouldFold() ? fold() : batched();
  }

private:
  /// should_fold of ATen/native/LinearAlgebra.cpp.
  bool shouldFold() {
    bool xLarger = sizesOf(x).size() >= sizesOf(y).size();
    Value larger = xLarger ? x : y;
    if (sizesOf(larger).size() < 3 || sizesOf(xLarger ? y : x).size() > 2)
      return false;
    if (xLarger ? yGrad : xGrad)
      return true;
    if (sizesOf(x).size() == 2)
      return false;
    return typeOf(larger).getNumElements() == 0 || batchIsContiguous(larger);
  }

  /// One large product: the batch dimensions become rows.
  Value fold() {
    bool transposed = sizesOf(y).size() > sizesOf(x).size();
    Value large = transposed ? transposeLast(a, y) : x;
    Value small = transposed ? a.t(x) : y;
    SmallVector<int64_t> sizes(sizesOf(large).drop_back());
    Value rows = a.view(large, {product(sizes), sizesOf(large).back()});
    sizes.push_back(sizesOf(small)[1]);
    Value result = a.unsafeView(a.mm(rows, small), sizes);
    if (!transposed)
      return result;
    return a.call("aten::clone", {{transposeLast(a, result)}}, {a.i64("memory_format", 0)});
  }

  /// Matrices times a vector: all their rows at once.
  Value foldVector() {
    SmallVector<int64_t> sizes(sizesOf(x).drop_back());
    Value rows = a.view(x, {product(sizes), sizesOf(x).back()});
    return a.unsafeView(a.call("aten::mv", {{rows}, {y}}), sizes);
  }

  Value batched() {
    ArrayRef<int64_t> batchX = sizesOf(x).drop_back(2), batchY = sizesOf(y).drop_back(2);
    SmallVector<int64_t> batch(std::max(batchX.size(), batchY.size()), 1);
    for (ArrayRef<int64_t> sizes : {batchX, batchY})
      for (size_t i = 0; i < sizes.size(); ++i)
        if (int64_t size = sizes[sizes.size() - 1 - i]; size != 1)
          batch[batch.size() - 1 - i] = size;
    auto flatten = [&](Value value) {
      ArrayRef<int64_t> matrix = sizesOf(value).take_back(2);
      SmallVector<int64_t> sizes(batch);
      llvm::append_range(sizes, matrix);
      return a.view(a.expand(value, sizes), {product(batch), matrix[0], matrix[1]});
    };
    SmallVector<int64_t> sizes(batch);
    sizes.push_back(sizesOf(x)[sizesOf(x).size() - 2]);
    sizes.push_back(sizesOf(y).back());
    Value flatX = flatten(x), flatY = flatten(y);
    return a.unsafeView(a.bmm(flatX, flatY), sizes);
  }
};

class DecomposeMatmul : public OpRewritePattern<aten::MatmulOp> {
public:
  DecomposeMatmul(MLIRContext *context, const RequiresGrad &requiresGrad)
      : OpRewritePattern(context), requiresGrad(requiresGrad) {}

  LogicalResult matchAndRewrite(aten::MatmulOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    ArrayRef<bool> grads = requiresGrad.at(op);
    Value result = Matmul{a, op.getSelf(), op.getOther(), grads[0], grads[1]}.build();
    if (!result)
      return op.emitError()
             << "aten.matmul of a vector and a batch of matrices is not supported: unsqueeze it";
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  const RequiresGrad &requiresGrad;
};

class DecomposeLinear : public OpRewritePattern<aten::LinearOp> {
public:
  DecomposeLinear(MLIRContext *context, const RequiresGrad &requiresGrad)
      : OpRewritePattern(context), requiresGrad(requiresGrad) {}

  LogicalResult matchAndRewrite(aten::LinearOp op, PatternRewriter &rewriter) const override {
    AtenBuilder a(rewriter, op.getLoc());
    Value input = op.getInput(), weight = op.getWeight(), bias = op.getBias();
    ArrayRef<int64_t> sizes = sizesOf(input);
    if (bias && sizes.size() == 2) {
      rewriter.replaceOp(op, addmm(a, bias, input, a.t(weight)));
      return success();
    }
    if (bias && eagerLayoutOf(input).isContiguous()) {
      Value rows = a.view(input, {product(sizes.drop_back()), sizes.back()});
      Value result = addmm(a, bias, rows, a.t(weight));
      rewriter.replaceOp(op, a.view(result, sizesOf(op.getResult())));
      return success();
    }
    ArrayRef<bool> grads = requiresGrad.at(op);
    Value result = Matmul{a, input, a.t(weight), grads[0], grads[1]}.build();
    if (!result)
      return op.emitError() << "aten.linear of this rank is not supported: unsqueeze the input";
    rewriter.replaceOp(op, bias ? a.add(result, bias) : result);
    return success();
  }

private:
  static Value addmm(AtenBuilder &a, Value bias, Value x, Value y) {
    return a.call("aten::addmm", {{bias}, {x}, {y}, {}, {}});
  }

  const RequiresGrad &requiresGrad;
};

} // namespace

static Value outer(AtenBuilder &a, aten::OuterOp op) {
  return a.mul(a.view(op.getSelf(), {sizesOf(op.getSelf())[0], 1}), op.getVec2());
}

void passes::addMatrixPatterns(RewritePatternSet &patterns, const RequiresGrad &requiresGrad) {
  addDecomposition(patterns, outer);
  patterns.add<DecomposeMatmul, DecomposeLinear>(patterns.getContext(), requiresGrad);
}
