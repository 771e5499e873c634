//===- LayoutRules.h - Strides as eager PyTorch gives them ------*- C++ -*-===//
//
// The functions that Kernels.td names. Each is ATen's own algorithm, so that kernels see the
// strides, and therefore give the bits, that they do in PyTorch.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_LAYOUT_LAYOUTRULES_H
#define REGIMEN_PASSES_LAYOUT_LAYOUTRULES_H

#include "passes/layout/Layout.h"

namespace regimen::passes {

/// Layouts of an op's results, one a result, in storage of their own.
using LayoutRule = llvm::SmallVector<Layout> (*)(const LayoutArgs &);
/// Windows of the first operand's storage that a view's results are, or none where its strides do
/// not allow it.
using ViewRule = std::optional<llvm::SmallVector<Layout>> (*)(const LayoutArgs &);

/// Strides for a view of shape `sizes` on a tensor: ATen's computeStride.
std::optional<llvm::SmallVector<int64_t>> reshapeStrides(const Layout &from,
                                                         llvm::ArrayRef<int64_t> sizes);
/// Dense strides in the order of `from`'s: ATen's infer_dense_strides.
llvm::SmallVector<int64_t> denseStrides(const Layout &from);
/// Strides of TensorIterator's output: `sizes` is the broadcast shape, `operands` in order.
llvm::SmallVector<int64_t> iteratorStrides(llvm::ArrayRef<int64_t> sizes,
                                           llvm::ArrayRef<const Layout *> operands,
                                           bool hasScalars);

namespace layouts {

llvm::SmallVector<Layout> contiguous(const LayoutArgs &args);
/// TensorIterator over all tensor operands; Scalars are 0-d tensors to it.
llvm::SmallVector<Layout> pointwise(const LayoutArgs &args);
/// MemoryFormat::Preserve of the first operand, or what attribute memory_format says.
llvm::SmallVector<Layout> preserved(const LayoutArgs &args);
/// Every result as `preserved`.
llvm::SmallVector<Layout> preservedAll(const LayoutArgs &args);
/// Both results lie as TensorIterator gives them.
llvm::SmallVector<Layout> preluBackward(const LayoutArgs &args);
/// Images and their weights, and gradients of these, are channels-last where the input or the
/// weight is.
llvm::SmallVector<Layout> convolution(const LayoutArgs &args);
/// Images, and gradients of images, are channels-last where the input is: `input` or else `self`,
/// or where an op takes only its gradient, that.
llvm::SmallVector<Layout> images(const LayoutArgs &args);
/// Channels-last where all tensors are.
llvm::SmallVector<Layout> joined(const LayoutArgs &args);
/// The output lies as the query does, the log-sum-exp in the order batch, position, head.
llvm::SmallVector<Layout> flashAttention(const LayoutArgs &args);
/// Gradients lie in the order batch, position, head.
llvm::SmallVector<Layout> flashAttentionBackward(const LayoutArgs &args);

std::optional<llvm::SmallVector<Layout>> sameView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> reshapeView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> expandView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> diagonalView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> permuteView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> transposeView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> selectView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> sliceView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> splitView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> unbindView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> squeezeView(const LayoutArgs &args);
std::optional<llvm::SmallVector<Layout>> unsqueezeView(const LayoutArgs &args);

} // namespace layouts
} // namespace regimen::passes

#endif // REGIMEN_PASSES_LAYOUT_LAYOUTRULES_H
