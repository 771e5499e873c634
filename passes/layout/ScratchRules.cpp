//===- ScratchRules.cpp - Bounds of kernels' own temporaries --------------===//
#include "passes/layout/ScratchRules.h"

#include "dialects/exec/ExecDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

static int64_t aligned(int64_t bytes) { return llvm::alignTo(bytes, exec::kAlignment); }

static int64_t bytesOf(Value value) {
  return aligned(exec::denseBytes(cast<ShapedType>(value.getType())));
}

/// Bytes of the dense copies of tensor operands for which `wanted` holds.
static int64_t copies(const LayoutArgs &args, llvm::function_ref<bool(const Layout &)> wanted) {
  int64_t bytes = 0;
  SmallVector<const Layout *> layouts = args.tensors();
  size_t next = 0;
  for (Value operand : args.getOp()->getOperands())
    if (isa<RankedTensorType>(operand.getType()) && wanted(*layouts[next++]))
      bytes += bytesOf(operand);
  return bytes;
}

int64_t scratch::none(const LayoutArgs &, int64_t) { return 0; }

int64_t scratch::contiguousOperands(const LayoutArgs &args, int64_t) {
  return copies(args, [](const Layout &layout) { return !layout.isContiguous(); });
}

int64_t scratch::matrixOperands(const LayoutArgs &args, int64_t) {
  return copies(args, [](const Layout &layout) {
    if (layout.rank() < 2)
      return false;
    int64_t rows = layout.strides[layout.rank() - 2], columns = layout.strides[layout.rank() - 1];
    return rows != 1 && columns != 1;
  });
}

int64_t scratch::copiesOfAll(const LayoutArgs &args, int64_t) {
  int64_t bytes = 2 * copies(args, [](const Layout &) { return true; });
  for (Value result : args.getOp()->getResults())
    bytes += 2 * bytesOf(result);
  return bytes;
}

int64_t scratch::meanSquareError(const LayoutArgs &args, int64_t) {
  return bytesOf(args.getOp()->getOperand(0)) + 2 * exec::kAlignment;
}

int64_t scratch::layerNormBackward(const LayoutArgs &args, int64_t threads) {
  int64_t width = 1;
  for (int64_t size : args.integers("normalized_shape"))
    width *= size;
  return contiguousOperands(args, threads) + aligned(2 * threads * width * int64_t(sizeof(float)));
}

int64_t scratch::batchNorm(const LayoutArgs &args, int64_t threads) {
  int64_t channels = args.tensor("input")->sizes[1];
  return contiguousOperands(args, threads) +
         6 * aligned((1 + threads) * channels * int64_t(sizeof(double)));
}

int64_t scratch::groupNorm(const LayoutArgs &args, int64_t threads) {
  int64_t channels = args.integer("N") * args.integer("C");
  return contiguousOperands(args, threads) + 2 * aligned(channels * int64_t(sizeof(float)));
}

int64_t scratch::groupNormBackward(const LayoutArgs &args, int64_t threads) {
  return 2 * groupNorm(args, threads);
}

namespace {

/// Sizes of ATen's CPU flash attention (FlashAttentionKernel.cpp).
struct Tiles {
  int64_t queries, keys, head;

  explicit Tiles(const LayoutArgs &args) {
    const Layout &query = *args.tensor("query"), &key = *args.tensor("key");
    int64_t length = query.sizes[2];
    queries = length >= 768 ? 256 : length >= 192 ? 64 : 32;
    keys = std::min<int64_t>(512, key.sizes[2]);
    head = query.sizes[3];
  }
};

} // namespace

int64_t scratch::flashAttention(const LayoutArgs &args, int64_t threads) {
  Tiles t(args);
  return aligned(threads * (t.queries * t.keys + 2 * t.queries + t.queries * t.head) *
                 int64_t(sizeof(float)));
}

int64_t scratch::flashAttentionBackward(const LayoutArgs &args, int64_t threads) {
  Tiles t(args);
  return aligned(2 * threads * t.queries * t.keys * int64_t(sizeof(float))) +
         aligned(threads * t.queries * int64_t(sizeof(float)));
}
