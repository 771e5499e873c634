//===- TypeRules.h - Result types of aten ops -------------------*- C++ -*-===//
//
// The functions that TypeRules.td names. Each appends one type a result, or fails with a diagnostic
// that names the op. Operands have been checked against the schema before (inferTypes).
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_DIALECTS_ATEN_RULES_TYPERULES_H
#define REGIMEN_DIALECTS_ATEN_RULES_TYPERULES_H

#include "dialects/aten/AtenDialect.h"

namespace regimen::aten::rules {

using Types = llvm::SmallVectorImpl<mlir::Type>;
#define REGIMEN_TYPE_RULE(name) mlir::LogicalResult name(const InferArgs &args, Types &types)

// TypeRulesPointwise.cpp
/// Shape and dtype of the first tensor operand.
REGIMEN_TYPE_RULE(likeFirst);
/// Shape of the first tensor, dtype of `dtype` or else its own.
REGIMEN_TYPE_RULE(likeFirstCast);
/// Shape of the first tensor, floating-point dtype.
REGIMEN_TYPE_RULE(likeFirstFloat);
/// Half of the first tensor along `dim`.
REGIMEN_TYPE_RULE(gatedHalf);
/// Two results like the first tensor.
REGIMEN_TYPE_RULE(twiceLikeFirst);
/// Shape of the first tensor, i1.
REGIMEN_TYPE_RULE(likeFirstBool);
/// Shape of `self`, dtype of `other`.
REGIMEN_TYPE_RULE(typeAs);
/// Tensors broadcast; tensors and Scalars, except `alpha`, promote.
REGIMEN_TYPE_RULE(promote);
/// As promote, but integers divide to floating point.
REGIMEN_TYPE_RULE(trueDivision);
/// Tensors broadcast and promote, Scalars do neither.
REGIMEN_TYPE_RULE(promoteTensors);
/// As promote, over all but the condition, which broadcasts too.
REGIMEN_TYPE_RULE(where);
/// Tensors broadcast; dtype of `self`.
REGIMEN_TYPE_RULE(broadcastLikeSelf);
/// Tensors broadcast; i1.
REGIMEN_TYPE_RULE(compare);

// TypeRulesViews.cpp
REGIMEN_TYPE_RULE(view);
/// One result a tensor of the list, all of their common shape.
REGIMEN_TYPE_RULE(broadcastTensors);
REGIMEN_TYPE_RULE(diagonal);
REGIMEN_TYPE_RULE(expand);
REGIMEN_TYPE_RULE(permute);
REGIMEN_TYPE_RULE(transpose);
REGIMEN_TYPE_RULE(t);
REGIMEN_TYPE_RULE(select);
REGIMEN_TYPE_RULE(slice);
REGIMEN_TYPE_RULE(split);
REGIMEN_TYPE_RULE(splitWithSizes);
REGIMEN_TYPE_RULE(squeeze);
REGIMEN_TYPE_RULE(unbind);
REGIMEN_TYPE_RULE(unsqueeze);
/// Gradients of views: `input_sizes`, dtype of the gradient.
REGIMEN_TYPE_RULE(viewBackward);

// TypeRulesCopies.cpp: creation, concatenation, padding, indexing
REGIMEN_TYPE_RULE(arange);
/// `size`, dtype of `dtype` or else f32.
REGIMEN_TYPE_RULE(filled);
REGIMEN_TYPE_RULE(full);
/// `size`, dtype of `dtype` or else of `self`.
REGIMEN_TYPE_RULE(newFilled);
REGIMEN_TYPE_RULE(scalarTensor);
REGIMEN_TYPE_RULE(cat);
REGIMEN_TYPE_RULE(stack);
REGIMEN_TYPE_RULE(pad);
REGIMEN_TYPE_RULE(repeat);
REGIMEN_TYPE_RULE(repeatInterleave);
/// As repeat, with fewer counts than dimensions allowed.
REGIMEN_TYPE_RULE(tile);
REGIMEN_TYPE_RULE(embedding);
REGIMEN_TYPE_RULE(embeddingBackward);
REGIMEN_TYPE_RULE(embeddingBag);
REGIMEN_TYPE_RULE(embeddingBagBackward);
REGIMEN_TYPE_RULE(gather);
REGIMEN_TYPE_RULE(index);
REGIMEN_TYPE_RULE(indexPut);
REGIMEN_TYPE_RULE(indexSelect);
REGIMEN_TYPE_RULE(oneHot);
/// `self` with elements along `dim` written at `index`.
REGIMEN_TYPE_RULE(scatterAlong);
REGIMEN_TYPE_RULE(takeAlong);
/// `self` with `src` written to a part of it, whose shape `src` has.
REGIMEN_TYPE_RULE(selectScatter);
REGIMEN_TYPE_RULE(sliceScatter);

// TypeRulesReductions.cpp
/// Sums over `dim` (all if absent): integers to i64, `dtype` wins.
REGIMEN_TYPE_RULE(sum);
/// Reductions over `dim` that keep the dtype, and want floating point if they are means.
REGIMEN_TYPE_RULE(mean);
REGIMEN_TYPE_RULE(amax);
REGIMEN_TYPE_RULE(logsumexp);
REGIMEN_TYPE_RULE(anyAll);
REGIMEN_TYPE_RULE(argmax);
/// As amax, with the positions in i64.
REGIMEN_TYPE_RULE(amaxWithIndices);
REGIMEN_TYPE_RULE(argsort);
REGIMEN_TYPE_RULE(sort);
REGIMEN_TYPE_RULE(topk);
/// `minlength` counts: with fewer the size depends on data.
REGIMEN_TYPE_RULE(bincount);
REGIMEN_TYPE_RULE(cumsum);
REGIMEN_TYPE_RULE(diff);
REGIMEN_TYPE_RULE(softmax);
REGIMEN_TYPE_RULE(softmaxKernel);
REGIMEN_TYPE_RULE(softmaxBackward);

// TypeRulesMatrix.cpp: matrix products, convolutions, pooling, attention
REGIMEN_TYPE_RULE(mm);
REGIMEN_TYPE_RULE(mv);
REGIMEN_TYPE_RULE(outer);
REGIMEN_TYPE_RULE(addmm);
REGIMEN_TYPE_RULE(bmm);
REGIMEN_TYPE_RULE(baddbmm);
REGIMEN_TYPE_RULE(dot);
REGIMEN_TYPE_RULE(einsum);
REGIMEN_TYPE_RULE(linear);
REGIMEN_TYPE_RULE(matmul);
REGIMEN_TYPE_RULE(conv);
REGIMEN_TYPE_RULE(convBackward);
/// Convolutions whose padding is "same" or "valid".
REGIMEN_TYPE_RULE(convPadding);
REGIMEN_TYPE_RULE(convTransposed);
REGIMEN_TYPE_RULE(pool);
REGIMEN_TYPE_RULE(pool1d);
REGIMEN_TYPE_RULE(poolWithIndices);
REGIMEN_TYPE_RULE(adaptivePool);
REGIMEN_TYPE_RULE(adaptivePool1d);
/// Sizes `output_size`, or those that `scale_factors` give.
REGIMEN_TYPE_RULE(upsample);
/// The gradient of an upsampling: `input_size`.
REGIMEN_TYPE_RULE(upsampleBackward);
/// The gradient of a pooling: like `self`.
REGIMEN_TYPE_RULE(likeSelf);
REGIMEN_TYPE_RULE(twiceLikeSelf);
REGIMEN_TYPE_RULE(attention);
REGIMEN_TYPE_RULE(flashAttention);
REGIMEN_TYPE_RULE(flashAttentionBackward);

// TypeRulesNorms.cpp: normalisations, losses
REGIMEN_TYPE_RULE(layerNorm);
REGIMEN_TYPE_RULE(nativeLayerNorm);
REGIMEN_TYPE_RULE(nativeLayerNormBackward);
REGIMEN_TYPE_RULE(nativeGroupNorm);
REGIMEN_TYPE_RULE(nativeGroupNormBackward);
REGIMEN_TYPE_RULE(batchNorm);
REGIMEN_TYPE_RULE(batchNormInference);
REGIMEN_TYPE_RULE(batchNormBackward);
/// A cell of a recurrent network: the new hidden state.
REGIMEN_TYPE_RULE(recurrentCell);
REGIMEN_TYPE_RULE(lstm);
REGIMEN_TYPE_RULE(pointwiseLoss);
REGIMEN_TYPE_RULE(crossEntropyLoss);
REGIMEN_TYPE_RULE(nllLoss);
REGIMEN_TYPE_RULE(nllLoss2d);
REGIMEN_TYPE_RULE(nllLossBackward);
/// No results.
REGIMEN_TYPE_RULE(none);

#undef REGIMEN_TYPE_RULE

/// The type of a result that `output_mask` switches off: an empty tensor that nobody may read.
mlir::RankedTensorType undefinedResult(mlir::Type elementType);

} // namespace regimen::aten::rules

#endif // REGIMEN_DIALECTS_ATEN_RULES_TYPERULES_H
