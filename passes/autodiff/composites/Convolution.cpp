//===- Convolution.cpp - Convolutions, pooling and upsampling -------------===//
#include "passes/autodiff/composites/Composites.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

struct ConvSettings {
  ArrayRef<int64_t> stride, padding, dilation;
  SmallVector<int64_t> outputPadding;
  int64_t groups;
  bool transposed = false;
};

} // namespace

template <typename ConvOp>
static Value convolution(AtenBuilder &a, ConvOp op, Value input, const ConvSettings &settings) {
  size_t rank = sizesOf(op.getWeight()).size();
  if (sizesOf(input).size() != rank) {
    op.emitError() << op->getName()
                   << " of an input without batch dimension is not supported: unsqueeze it";
    return {};
  }
  SmallVector<int64_t> outputPadding = settings.outputPadding;
  if (outputPadding.empty())
    outputPadding.assign(rank - 2, 0);
  return a.call("aten::convolution", {{input}, {op.getWeight()}, optional(op.getBias())},
                {a.ints("stride", settings.stride), a.ints("padding", settings.padding),
                 a.ints("dilation", settings.dilation),
                 a.boolean("transposed", settings.transposed),
                 a.ints("output_padding", outputPadding), a.i64("groups", settings.groups)});
}

template <typename ConvOp> static Value plainConv(AtenBuilder &a, ConvOp op) {
  return convolution(
      a, op, op.getInput(),
      {op.getStride(), op.getPadding(), op.getDilation(), {}, int64_t(op.getGroups())});
}

template <typename ConvOp> static Value transposedConv(AtenBuilder &a, ConvOp op) {
  return convolution(a, op, op.getInput(),
                     {op.getStride(), op.getPadding(), op.getDilation(),
                      SmallVector<int64_t>(op.getOutputPadding()), int64_t(op.getGroups()), true});
}

/// Padding "same" puts what cannot be halved behind the input, and first.
template <typename ConvOp> static Value namedPaddingConv(AtenBuilder &a, ConvOp op) {
  ArrayRef<int64_t> kernel = sizesOf(op.getWeight()).drop_front(2);
  SmallVector<int64_t> padding(kernel.size(), 0), behind(2 * kernel.size(), 0);
  if (op.getPadding() == "same")
    for (auto [i, size] : llvm::enumerate(kernel)) {
      ArrayRef<int64_t> dilation = op.getDilation();
      int64_t total = dilation[dilation.size() == 1 ? 0 : i] * (size - 1);
      padding[i] = total / 2;
      behind[2 * (kernel.size() - 1 - i) + 1] = total % 2;
    }
  Value input = op.getInput();
  if (llvm::is_contained(behind, 1))
    input =
        a.call("aten::constant_pad_nd", {{input}, {a.scalar(int64_t(0))}}, {a.ints("pad", behind)});
  return convolution(a, op, input,
                     {op.getStride(), padding, op.getDilation(), {}, int64_t(op.getGroups())});
}

//===----------------------------------------------------------------------===//
// Pooling. One dimension is the second of two.
//===----------------------------------------------------------------------===//

static Value maxPool2d(AtenBuilder &a, aten::MaxPool2dOp op) {
  return a.call("aten::max_pool2d_with_indices", {{op.getSelf()}},
                {a.ints("kernel_size", op.getKernelSize()), a.ints("stride", op.getStride()),
                 a.ints("padding", op.getPadding()), a.ints("dilation", op.getDilation()),
                 a.boolean("ceil_mode", op.getCeilMode())});
}

/// A 1-d window's values for two dimensions.
static SmallVector<int64_t> second(ArrayRef<int64_t> values, int64_t first) {
  return {first, values.front()};
}

template <typename PoolOp> static SmallVector<int64_t> strideOf(PoolOp op) {
  return second(op.getStride().empty() ? op.getKernelSize() : op.getStride(), 1);
}

static Value maxPool1d(AtenBuilder &a, aten::MaxPool1dOp op) {
  Value pooled = a.call(
      "aten::max_pool2d_with_indices", {{a.unsqueeze(op.getSelf(), -2)}},
      {a.ints("kernel_size", second(op.getKernelSize(), 1)), a.ints("stride", strideOf(op)),
       a.ints("padding", second(op.getPadding(), 0)),
       a.ints("dilation", second(op.getDilation(), 1)), a.boolean("ceil_mode", op.getCeilMode())});
  return pooled ? a.squeeze(pooled, -2) : Value();
}

static Value avgPool1d(AtenBuilder &a, aten::AvgPool1dOp op) {
  Value pooled = a.call(
      "aten::avg_pool2d", {{a.unsqueeze(op.getSelf(), -2)}},
      {a.ints("kernel_size", second(op.getKernelSize(), 1)), a.ints("stride", strideOf(op)),
       a.ints("padding", second(op.getPadding(), 0)), a.boolean("ceil_mode", op.getCeilMode()),
       a.boolean("count_include_pad", op.getCountIncludePad())});
  return pooled ? a.squeeze(pooled, -2) : Value();
}

/// To one pixel it is a mean.
static Value adaptivelyPooled(AtenBuilder &a, Value self, ArrayRef<int64_t> size) {
  if (llvm::all_of(size, [](int64_t n) { return n == 1; }))
    return a.call("aten::mean.dim", {{self}},
                  {a.ints("dim", {-1, -2}), a.boolean("keepdim", true)});
  return a.call("aten::_adaptive_avg_pool2d", {{self}}, {a.ints("output_size", size)});
}

static Value adaptiveAvgPool2d(AtenBuilder &a, aten::AdaptiveAvgPool2dOp op) {
  return adaptivelyPooled(a, op.getSelf(), op.getOutputSize());
}

static Value adaptiveAvgPool1d(AtenBuilder &a, aten::AdaptiveAvgPool1dOp op) {
  Value pooled = adaptivelyPooled(a, a.unsqueeze(op.getSelf(), -2), second(op.getOutputSize(), 1));
  return pooled ? a.squeeze(pooled, -2) : Value();
}

//===----------------------------------------------------------------------===//
// Upsampling
//===----------------------------------------------------------------------===//

template <typename UpsampleOp>
static Value upsample(AtenBuilder &a, UpsampleOp op, StringRef kernel,
                      ArrayRef<NamedAttribute> more = {}) {
  SmallVector<NamedAttribute> attributes(more);
  attributes.push_back(a.ints("output_size", sizesOf(op.getResult()).take_back(2)));
  if (std::optional<ArrayRef<double>> scales = op.getScaleFactors();
      scales && scales->size() == 2) {
    attributes.push_back(a.f64("scales_h", (*scales)[0]));
    attributes.push_back(a.f64("scales_w", (*scales)[1]));
  }
  return a.call(kernel, {{op.getInput()}}, attributes);
}

void passes::addConvolutionPatterns(RewritePatternSet &patterns) {
  addDecomposition(patterns, plainConv<aten::Conv1dOp>);
  addDecomposition(patterns, plainConv<aten::Conv2dOp>);
  addDecomposition(patterns, plainConv<aten::Conv3dOp>);
  addDecomposition(patterns, transposedConv<aten::ConvTranspose1dOp>);
  addDecomposition(patterns, transposedConv<aten::ConvTranspose2dInputOp>);
  addDecomposition(patterns, namedPaddingConv<aten::Conv1dPaddingOp>);
  addDecomposition(patterns, namedPaddingConv<aten::Conv2dPaddingOp>);
  addDecomposition(patterns, maxPool1d);
  addDecomposition(patterns, maxPool2d);
  addDecomposition(patterns, avgPool1d);
  addDecomposition(patterns, adaptiveAvgPool1d);
  addDecomposition(patterns, adaptiveAvgPool2d);
  addDecomposition(
      patterns, +[](AtenBuilder &a, aten::UpsampleNearest2dVecOp op) {
        return upsample(a, op, "aten::upsample_nearest2d");
      });
  addDecomposition(
      patterns, +[](AtenBuilder &a, aten::UpsampleBilinear2dVecOp op) {
        return upsample(a, op, "aten::upsample_bilinear2d",
                        {a.boolean("align_corners", op.getAlignCorners())});
      });
}
