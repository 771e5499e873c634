//===- ScratchRules.cpp - Bounds of kernels' own temporaries --------------===//
#include "passes/layout/ScratchRules.h"

#include "dialects/exec/ExecDialect.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

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

int64_t scratch::safeSoftmax(const LayoutArgs &args, int64_t threads) {
  int64_t elements = args.tensor("self")->numElements();
  return contiguousOperands(args, threads) + bytesOf(args.getOp()->getResult(0)) +
         2 * aligned(elements) + 2 * exec::kAlignment;
}

int64_t scratch::elementwiseLoss(const LayoutArgs &args, int64_t) {
  return 2 * bytesOf(args.getOp()->getOperand(0)) + 4 * exec::kAlignment;
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

int64_t scratch::batchNormBackward(const LayoutArgs &args, int64_t threads) {
  return batchNorm(args, threads) + bytesOf(args.getOp()->getResult(0));
}

int64_t scratch::roll(const LayoutArgs &args, int64_t threads) {
  int64_t axes = std::max<int64_t>(args.integers("dims").size(), 1);
  return contiguousOperands(args, threads) + (axes - 1) * bytesOf(args.getOp()->getResult(0));
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

//===----------------------------------------------------------------------===//
// Convolutions. oneDNN chooses among many kernels; these bounds were fitted to what it took for
// 1,200 random shapes, strides and groups on 1, 2 and 4 threads: one took 2% more.
//===----------------------------------------------------------------------===//

namespace {

/// Bytes of a convolution's tensors as oneDNN's kernels take them: channels, those of each group
/// for weights, are padded to whole blocks.
struct ConvBytes {
  int64_t input, output, weight, blockedWeight;
  /// Images as matrices, one a thread.
  int64_t lowered;
  /// Blocks and offsets of a thread, whatever the shape.
  int64_t fixed;
  /// Neither grouped nor transposed: kernels for these lower images.
  bool plain;

  ConvBytes(const LayoutArgs &args, ArrayRef<int64_t> outputSizes, int64_t threads) {
    constexpr int64_t kChannelBlock = 16, kFixedBytes = 64 << 10;
    const Layout &in = *args.tensor("input"), &w = *args.tensor("weight");
    bool transposed = args.integer("transposed") != 0;
    int64_t groups = args.integer("groups"), outputPixels = product(outputSizes.drop_front(2)),
            inputPixels = product(ArrayRef(in.sizes).drop_front(2)),
            kernel = product(ArrayRef(w.sizes).drop_front(2));
    auto blocked = [](int64_t channels) { return llvm::alignTo(channels, kChannelBlock); };
    // A transposed convolution's weight has the input's channels first.
    int64_t inChannels = transposed ? w.sizes[0] / groups : w.sizes[1],
            outChannels = transposed ? w.sizes[1] : w.sizes[0] / groups;
    auto bytes = [&](int64_t elements) { return aligned(elements * elementBytes(args)); };
    input = bytes(in.sizes[0] * blocked(in.sizes[1]) * inputPixels);
    output = bytes(outputSizes[0] * blocked(outputSizes[1]) * outputPixels);
    weight = bytes(w.numElements());
    blockedWeight = bytes(groups * blocked(inChannels) * blocked(outChannels) * kernel);
    plain = groups == 1 && !transposed;
    lowered = 0;
    if (!plain || in.sizes[0] < threads) {
      int64_t columns = inChannels * outputPixels;
      if (transposed)
        columns = std::max(columns, outChannels * inputPixels);
      lowered = threads * bytes(columns * kernel);
    }
    fixed = threads * kFixedBytes;
  }

  static int64_t product(ArrayRef<int64_t> sizes) {
    return std::accumulate(sizes.begin(), sizes.end(), int64_t(1), std::multiplies<>());
  }
  /// What is narrower than f32 is summed in f32.
  static int64_t elementBytes(const LayoutArgs &args) {
    Type element = cast<ShapedType>(args.getOp()->getOperand(0).getType()).getElementType();
    return std::max<int64_t>(element.getIntOrFloatBitWidth() / 8, sizeof(float));
  }
};

} // namespace

int64_t scratch::convolution(const LayoutArgs &args, int64_t threads) {
  ConvBytes c(args, args.resultSizes(0), threads);
  int64_t reordered =
      c.plain ? c.output + 2 * c.blockedWeight : 2 * c.output + c.blockedWeight + 2 * c.weight;
  return c.input + reordered + c.lowered + c.fixed;
}

int64_t scratch::convolutionBackward(const LayoutArgs &args, int64_t threads) {
  ConvBytes c(args, args.tensor("grad_output")->sizes, threads);
  int64_t weights =
      c.plain ? (3 + threads) * c.blockedWeight : c.blockedWeight + (3 + 4 * threads) * c.weight;
  return c.input + c.output + std::max(c.input, c.output) + weights + c.lowered + c.fixed;
}
