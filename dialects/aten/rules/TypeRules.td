//===- TypeRules.td - Result types: one rule an op ------------------------===//
//
// A rule is a function of regimen::aten::rules (TypeRules.h); ops stand in the order of ops.list.
//
//===----------------------------------------------------------------------===//

include "dialects/aten/rules/TypeRule.td"
include "dialects/aten/Aten.td"

// Views
def : TypeRule<"likeFirst", [Aten_AliasOp, Aten_DetachOp]>;
def : TypeRule<"view", [Aten_UnsafeViewOp, Aten_ViewOp]>;
def : TypeRule<"expand", [Aten_ExpandOp]>;
def : TypeRule<"permute", [Aten_PermuteOp]>;
def : TypeRule<"select", [Aten_SelectIntOp]>;
def : TypeRule<"slice", [Aten_SliceTensorOp]>;
def : TypeRule<"split", [Aten_SplitTensorOp]>;
def : TypeRule<"splitWithSizes", [Aten_SplitWithSizesOp]>;
def : TypeRule<"squeeze", [Aten_SqueezeDimOp, Aten_SqueezeDimsOp]>;
def : TypeRule<"t", [Aten_TOp]>;
def : TypeRule<"transpose", [Aten_TransposeIntOp]>;
def : TypeRule<"unbind", [Aten_UnbindIntOp]>;
def : TypeRule<"unsqueeze", [Aten_UnsqueezeOp]>;

// Creation, copies and casts
def : TypeRule<"arange", [Aten_ArangeOp, Aten_ArangeStartOp, Aten_ArangeStartStepOp]>;
def : TypeRule<"full", [Aten_FullOp]>;
def : TypeRule<"filled", [Aten_OnesOp, Aten_ZerosOp]>;
def : TypeRule<"newFilled", [Aten_NewOnesOp, Aten_NewZerosOp, Aten_NewFullOp]>;
def : TypeRule<"scalarTensor", [Aten_ScalarTensorOp]>;
def : TypeRule<"likeFirstCast", [Aten_EmptyLikeOp, Aten_FullLikeOp, Aten_OnesLikeOp, Aten_ZerosLikeOp, Aten_ToCopyOp]>;
def : TypeRule<"likeFirst", [Aten_CloneOp, Aten_CopyOp]>;
def : TypeRule<"typeAs", [Aten_TypeAsOp]>;

// Pointwise
def : TypeRule<"likeFirst", [
  Aten_AbsOp, Aten_BitwiseNotOp, Aten_GeluOp, Aten_HardsigmoidOp, Aten_HardswishOp, Aten_LeakyReluOp, Aten_NegOp,
  Aten_ReluOp, Aten_SgnOp, Aten_SiluOp, Aten_SoftplusOp, Aten_DropoutOp]>;
def : TypeRule<"likeFirstFloat", [
  Aten_CosOp, Aten_ErfOp, Aten_ExpOp, Aten_LogOp, Aten_Log1pOp, Aten_ReciprocalOp, Aten_RsqrtOp, Aten_SigmoidOp,
  Aten_SinOp, Aten_SqrtOp, Aten_TanhOp]>;
def : TypeRule<"likeFirstBool", [Aten_LogicalNotOp]>;
def : TypeRule<"promote", [
  Aten_AddTensorOp, Aten_AddScalarOp, Aten_BitwiseAndTensorOp, Aten_BitwiseOrTensorOp, Aten_AndTensorOp,
  Aten_OrTensorOp, Aten_ClampOp, Aten_ClampMinOp, Aten_FloorDivideOp, Aten_MaximumOp, Aten_MinimumOp,
  Aten_MinOtherOp, Aten_MulScalarOp, Aten_MulTensorOp, Aten_PowTensorScalarOp, Aten_PowTensorTensorOp,
  Aten_RemainderScalarOp, Aten_RsubScalarOp, Aten_SubScalarOp, Aten_SubTensorOp]>;
def : TypeRule<"trueDivision", [Aten_DivTensorOp, Aten_DivScalarOp]>;
def : TypeRule<"promoteTensors", [
  Aten_AddcdivOp, Aten_AddcmulOp, Aten_LerpScalarOp, Aten_GeluBackwardOp, Aten_HardsigmoidBackwardOp,
  Aten_HardswishBackwardOp, Aten_LeakyReluBackwardOp, Aten_MseLossBackwardOp, Aten_SigmoidBackwardOp,
  Aten_SiluBackwardOp, Aten_SoftplusBackwardOp, Aten_TanhBackwardOp, Aten_ThresholdBackwardOp]>;
def : TypeRule<"compare", [
  Aten_EqScalarOp, Aten_EqTensorOp, Aten_GeScalarOp, Aten_GeTensorOp, Aten_GtScalarOp, Aten_GtTensorOp,
  Aten_LeScalarOp, Aten_LeTensorOp, Aten_LogicalAndOp, Aten_LogicalOrOp, Aten_LtScalarOp, Aten_LtTensorOp,
  Aten_NeScalarOp, Aten_NeTensorOp]>;
def : TypeRule<"broadcastLikeSelf", [Aten_MaskedFillScalarOp]>;
def : TypeRule<"where", [Aten_WhereScalarOtherOp, Aten_WhereScalarSelfOp, Aten_WhereSelfOp]>;

// Reductions and scans
def : TypeRule<"sum", [Aten_SumOp, Aten_SumDimIntListOp]>;
def : TypeRule<"mean", [Aten_MeanOp, Aten_MeanDimOp]>;
def : TypeRule<"amax", [Aten_AmaxOp]>;
def : TypeRule<"logsumexp", [Aten_LogsumexpOp]>;
def : TypeRule<"anyAll", [Aten_AllDimOp, Aten_AnyDimOp]>;
def : TypeRule<"argmax", [Aten_ArgmaxOp]>;
def : TypeRule<"cumsum", [Aten_CumsumOp]>;
def : TypeRule<"diff", [Aten_DiffOp]>;
def : TypeRule<"softmax", [Aten_LogSoftmaxIntOp, Aten_SoftmaxIntOp]>;
def : TypeRule<"softmaxKernel", [Aten_LogSoftmaxOp, Aten_SoftmaxOp]>;
def : TypeRule<"softmaxBackward", [Aten_LogSoftmaxBackwardDataOp, Aten_SoftmaxBackwardDataOp]>;

// Shape changing copies
def : TypeRule<"cat", [Aten_CatOp]>;
def : TypeRule<"pad", [Aten_ConstantPadNdOp, Aten_PadOp]>;
def : TypeRule<"repeat", [Aten_RepeatOp]>;
def : TypeRule<"repeatInterleave", [Aten_RepeatInterleaveSelfIntOp]>;
def : TypeRule<"likeFirst", [Aten_RollOp]>;
def : TypeRule<"selectScatter", [Aten_SelectScatterOp]>;
def : TypeRule<"sliceScatter", [Aten_SliceScatterOp]>;
def : TypeRule<"stack", [Aten_StackOp]>;
def : TypeRule<"viewBackward", [Aten_SelectBackwardOp, Aten_SliceBackwardOp]>;

// Indexing
def : TypeRule<"embedding", [Aten_EmbeddingOp]>;
def : TypeRule<"embeddingBackward", [Aten_EmbeddingDenseBackwardOp]>;
def : TypeRule<"gather", [Aten_GatherOp]>;
def : TypeRule<"index", [Aten_IndexTensorOp]>;
def : TypeRule<"indexPut", [Aten_IndexPutOp]>;
def : TypeRule<"indexSelect", [Aten_IndexSelectOp]>;

// Matrix products
def : TypeRule<"addmm", [Aten_AddmmOp]>;
def : TypeRule<"baddbmm", [Aten_BaddbmmOp]>;
def : TypeRule<"bmm", [Aten_BmmOp]>;
def : TypeRule<"linear", [Aten_LinearOp]>;
def : TypeRule<"matmul", [Aten_MatmulOp]>;
def : TypeRule<"mm", [Aten_MmOp]>;

// Convolutions and pooling
def : TypeRule<"adaptivePool", [Aten_AdaptiveAvgPool2dKernelOp, Aten_AdaptiveAvgPool2dOp]>;
def : TypeRule<"pool", [Aten_AvgPool2dOp, Aten_MaxPool2dOp]>;
def : TypeRule<"poolWithIndices", [Aten_MaxPool2dWithIndicesOp]>;
def : TypeRule<"likeSelf", [
  Aten_AdaptiveAvgPool2dBackwardOp, Aten_AvgPool2dBackwardOp, Aten_MaxPool2dWithIndicesBackwardOp]>;
def : TypeRule<"conv", [Aten_Conv1dOp, Aten_Conv2dOp, Aten_ConvolutionOp]>;
def : TypeRule<"convBackward", [Aten_ConvolutionBackwardOp]>;

// Normalisations
def : TypeRule<"likeFirst", [Aten_GroupNormOp]>;
def : TypeRule<"layerNorm", [Aten_LayerNormOp]>;
def : TypeRule<"nativeGroupNorm", [Aten_NativeGroupNormOp]>;
def : TypeRule<"nativeGroupNormBackward", [Aten_NativeGroupNormBackwardOp]>;
def : TypeRule<"nativeLayerNorm", [Aten_NativeLayerNormOp]>;
def : TypeRule<"nativeLayerNormBackward", [Aten_NativeLayerNormBackwardOp]>;

// Attention
def : TypeRule<"attention", [Aten_ScaledDotProductAttentionOp]>;
def : TypeRule<"flashAttention", [Aten_ScaledDotProductFlashAttentionForCpuOp]>;
def : TypeRule<"flashAttentionBackward", [Aten_ScaledDotProductFlashAttentionForCpuBackwardOp]>;

// Losses
def : TypeRule<"pointwiseLoss", [Aten_BinaryCrossEntropyWithLogitsOp, Aten_MseLossOp]>;
def : TypeRule<"crossEntropyLoss", [Aten_CrossEntropyLossOp]>;
def : TypeRule<"nllLoss", [Aten_NllLossForwardOp]>;
def : TypeRule<"nllLossBackward", [Aten_NllLossBackwardOp]>;

// Assertions
def : TypeRule<"none", [Aten_AssertTensorMetadataOp]>;
