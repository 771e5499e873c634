//===- ScratchRules.h - Bounds of kernels' own temporaries ------*- C++ -*-===//
//
// The functions that Kernels.td names: bytes that a call allocates beside its results, from its
// shapes, its element types and the number of threads. Every temporary counts with its size rounded
// up to 64 bytes.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_LAYOUT_SCRATCHRULES_H
#define REGIMEN_PASSES_LAYOUT_SCRATCHRULES_H

#include "passes/layout/Layout.h"

namespace regimen::passes {

using ScratchRule = int64_t (*)(const LayoutArgs &, int64_t threads);

namespace scratch {

int64_t none(const LayoutArgs &args, int64_t threads);
/// A contiguous copy of every operand that is not.
int64_t contiguousOperands(const LayoutArgs &args, int64_t threads);
/// A copy of every matrix operand that is neither row-major nor column-major.
int64_t matrixOperands(const LayoutArgs &args, int64_t threads);
/// Reordered operands and results, twice.
int64_t copiesOfAll(const LayoutArgs &args, int64_t threads);
/// The softmax, and which elements and rows are masked.
int64_t safeSoftmax(const LayoutArgs &args, int64_t threads);
/// Elementwise losses, before they are reduced, in a temporary and in the result.
int64_t elementwiseLoss(const LayoutArgs &args, int64_t threads);
/// Statistics and factors, one a channel.
int64_t batchNorm(const LayoutArgs &args, int64_t threads);
/// These, and a gradient of the input that is thrown away.
int64_t batchNormBackward(const LayoutArgs &args, int64_t threads);
/// The tensor rolled along all axes but the last.
int64_t roll(const LayoutArgs &args, int64_t threads);
/// Operands and results in oneDNN's blocks of channels, lowered images, sums of threads.
int64_t convolution(const LayoutArgs &args, int64_t threads);
int64_t convolutionBackward(const LayoutArgs &args, int64_t threads);
/// Per-thread sums for the gradients of weight and bias.
int64_t layerNormBackward(const LayoutArgs &args, int64_t threads);
int64_t groupNormBackward(const LayoutArgs &args, int64_t threads);
int64_t groupNorm(const LayoutArgs &args, int64_t threads);
/// Per-thread tiles of scores and output.
int64_t flashAttention(const LayoutArgs &args, int64_t threads);
int64_t flashAttentionBackward(const LayoutArgs &args, int64_t threads);

} // namespace scratch
} // namespace regimen::passes

#endif // REGIMEN_PASSES_LAYOUT_SCRATCHRULES_H
