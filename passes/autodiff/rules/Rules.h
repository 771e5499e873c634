//===- Rules.h - Gradients that are more than an expression -----*- C++ -*-===//
//
// The functions that Vjp.td names. Each sets the cotangents that are wanted, with PyTorch's formula
// (torch/csrc/autograd/FunctionsManual.cpp), so that the bits are autograd's.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_AUTODIFF_RULES_RULES_H
#define REGIMEN_PASSES_AUTODIFF_RULES_RULES_H

#include "passes/autodiff/Vjp.h"

namespace regimen::passes::rules {

// Views.cpp
void permute(VjpContext &c);
void slice(VjpContext &c);
/// split.Tensor and split_with_sizes: pieces without a gradient count as zeros.
void split(VjpContext &c);
void unbind(VjpContext &c);
void squeeze(VjpContext &c);
void cat(VjpContext &c);
void stack(VjpContext &c);
void constantPadNd(VjpContext &c);
void repeat(VjpContext &c);
void roll(VjpContext &c);
void selectScatter(VjpContext &c);
void sliceScatter(VjpContext &c);

// Indexing.cpp
void embedding(VjpContext &c);
void embeddingBag(VjpContext &c);
void gather(VjpContext &c);
void index(VjpContext &c);
void indexAdd(VjpContext &c);
void indexPut(VjpContext &c);
void indexSelect(VjpContext &c);
/// max.dim, sort, topk: the gradient goes to the elements that were selected.
void selecting(VjpContext &c);

// Pointwise.cpp
void add(VjpContext &c);
void sub(VjpContext &c);
void rsub(VjpContext &c);
void addcmul(VjpContext &c);
void addcdiv(VjpContext &c);
void lerp(VjpContext &c);
void powScalar(VjpContext &c);
void powTensor(VjpContext &c);
/// Steps: autograd's gradient is zeros, not none.
void zero(VjpContext &c);
void divMode(VjpContext &c);
void powBase(VjpContext &c);
void xlogy(VjpContext &c);
void clamp(VjpContext &c);
void clampTensor(VjpContext &c);
void elu(VjpContext &c);
void hardtanh(VjpContext &c);
void leakyRelu(VjpContext &c);
void softplus(VjpContext &c);
void maximum(VjpContext &c);
void minimum(VjpContext &c);

// Reductions.cpp
void sum(VjpContext &c);
void mean(VjpContext &c);
void amax(VjpContext &c);
/// The extremum of all elements.
void max(VjpContext &c);
void cumsum(VjpContext &c);
void std(VjpContext &c);
void var(VjpContext &c);
void vectorNorm(VjpContext &c);
void logsumexp(VjpContext &c);

// Kernels.cpp: matrix products and ops with a backward kernel of several results
void mm(VjpContext &c);
void addmm(VjpContext &c);
void baddbmm(VjpContext &c);
void mv(VjpContext &c);
void prelu(VjpContext &c);
void batchNorm(VjpContext &c);
void convolution(VjpContext &c);
void nativeLayerNorm(VjpContext &c);
void nativeGroupNorm(VjpContext &c);
void flashAttentionForCpu(VjpContext &c);
void binaryCrossEntropy(VjpContext &c);
void binaryCrossEntropyWithLogits(VjpContext &c);

} // namespace regimen::passes::rules

#endif // REGIMEN_PASSES_AUTODIFF_RULES_RULES_H
