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
def : TypeRule<"broadcastTensors", [Aten_BroadcastTensorsOp]>;
def : TypeRule<"diagonal", [Aten_DiagonalOp]>;
def : TypeRule<"expand", [Aten_ExpandOp]>;
def : TypeRule<"permute", [Aten_PermuteOp]>;
def : TypeRule<"select", [Aten_SelectIntOp]>;
def : TypeRule<"slice", [Aten_SliceTensorOp]>;
def : TypeRule<"split", [Aten_SplitTensorOp]>;
def : TypeRule<"splitWithSizes", [Aten_SplitWithSizesOp]>;
def : TypeRule<"squeeze", [Aten_SqueezeOp, Aten_SqueezeDimOp, Aten_SqueezeDimsOp]>;
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
def : TypeRule<"likeFirst", [Aten_CloneOp, Aten_CopyOp, Aten_FillScalarOp, Aten_FillTensorOp]>;
def : TypeRule<"typeAs", [Aten_TypeAsOp]>;

// Pointwise
def : TypeRule<"likeFirst", [
  Aten_AbsOp, Aten_BitwiseNotOp, Aten_GeluOp, Aten_HardsigmoidOp, Aten_HardswishOp, Aten_LeakyReluOp, Aten_NegOp,
  Aten_ReluOp, Aten_SgnOp, Aten_SiluOp, Aten_SoftplusOp, Aten_DropoutOp, Aten_CeilOp, Aten_CeluOp, Aten_EluOp,
  Aten_FloorOp, Aten_HardtanhOp, Aten_LogSigmoidOp, Aten_MishOp, Aten_PreluOp, Aten_Relu6Op, Aten_RoundOp, Aten_SeluOp,
  Aten_SignOp, Aten_SquareOp, Aten_ThresholdOp, Aten_TruncOp]>;
def : TypeRule<"gatedHalf", [Aten_GluOp]>;
def : TypeRule<"twiceLikeFirst", [Aten_LogSigmoidForwardOp]>;
def : TypeRule<"likeFirstFloat", [
  Aten_CosOp, Aten_ErfOp, Aten_ExpOp, Aten_LogOp, Aten_Log1pOp, Aten_ReciprocalOp, Aten_RsqrtOp, Aten_SigmoidOp,
  Aten_SinOp, Aten_SqrtOp, Aten_TanhOp, Aten_AtanOp, Aten_CoshOp, Aten_ErfcOp, Aten_Exp2Op, Aten_Expm1Op, Aten_Log10Op,
  Aten_Log2Op, Aten_SinhOp, Aten_TanOp]>;
def : TypeRule<"likeFirstBool", [Aten_IsnanOp, Aten_LogicalNotOp]>;
def : TypeRule<"promote", [
  Aten_AddTensorOp, Aten_AddScalarOp, Aten_BitwiseAndTensorOp, Aten_BitwiseOrTensorOp, Aten_AndTensorOp,
  Aten_OrTensorOp, Aten_ClampOp, Aten_ClampMinOp, Aten_FloorDivideOp, Aten_MaximumOp, Aten_MinimumOp,
  Aten_MinOtherOp, Aten_MulScalarOp, Aten_MulTensorOp, Aten_PowTensorScalarOp, Aten_PowTensorTensorOp,
  Aten_RemainderScalarOp, Aten_RsubScalarOp, Aten_SubScalarOp, Aten_SubTensorOp, Aten_ClampMaxOp,
  Aten_ClampTensorOp, Aten_DivTensorModeOp, Aten_FloorDivideScalarOp, Aten_FmodScalarOp, Aten_MaxOtherOp,
  Aten_PowScalarOp, Aten_RsubTensorOp]>;
def : TypeRule<"trueDivision", [Aten_DivTensorOp, Aten_DivScalarOp, Aten_XlogyTensorOp]>;
def : TypeRule<"promoteTensors", [
  Aten_AddcdivOp, Aten_AddcmulOp, Aten_LerpScalarOp, Aten_GeluBackwardOp, Aten_HardsigmoidBackwardOp,
  Aten_HardswishBackwardOp, Aten_LeakyReluBackwardOp, Aten_MseLossBackwardOp, Aten_SigmoidBackwardOp,
  Aten_SiluBackwardOp, Aten_SoftplusBackwardOp, Aten_TanhBackwardOp, Aten_ThresholdBackwardOp, Aten_LerpTensorOp,
  Aten_PreluKernelOp, Aten_EluBackwardOp, Aten_HardtanhBackwardOp, Aten_HuberLossBackwardOp, Aten_MishBackwardOp,
  Aten_SmoothL1LossBackwardOp]>;
def : TypeRule<"likeSelf", [Aten_BinaryCrossEntropyBackwardOp, Aten_GluBackwardOp, Aten_LogSigmoidBackwardOp]>;
def : TypeRule<"twiceLikeSelf", [Aten_PreluKernelBackwardOp]>;
def : TypeRule<"compare", [
  Aten_EqScalarOp, Aten_EqTensorOp, Aten_GeScalarOp, Aten_GeTensorOp, Aten_GtScalarOp, Aten_GtTensorOp,
  Aten_LeScalarOp, Aten_LeTensorOp, Aten_LogicalAndOp, Aten_LogicalOrOp, Aten_LtScalarOp, Aten_LtTensorOp,
  Aten_NeScalarOp, Aten_NeTensorOp]>;
def : TypeRule<"broadcastLikeSelf", [Aten_MaskedFillScalarOp, Aten_MaskedFillTensorOp]>;
def : TypeRule<"where", [Aten_WhereScalarOtherOp, Aten_WhereScalarSelfOp, Aten_WhereSelfOp]>;

// Reductions and scans
def : TypeRule<"sum", [Aten_SumOp, Aten_SumDimIntListOp]>;
def : TypeRule<"mean", [
  Aten_MeanOp, Aten_MeanDimOp, Aten_LinalgVectorNormOp, Aten_StdCorrectionOp, Aten_StdDimOp, Aten_VarCorrectionOp,
  Aten_VarDimOp]>;
def : TypeRule<"amax", [Aten_AmaxOp, Aten_AminOp, Aten_MaxOp, Aten_MinOp]>;
def : TypeRule<"logsumexp", [Aten_LogsumexpOp]>;
def : TypeRule<"anyAll", [Aten_AllOp, Aten_AllDimOp, Aten_AnyOp, Aten_AnyDimOp]>;
def : TypeRule<"argmax", [Aten_ArgmaxOp, Aten_ArgminOp]>;
def : TypeRule<"amaxWithIndices", [Aten_MaxDimOp, Aten_MinDimOp]>;
def : TypeRule<"argsort", [Aten_ArgsortOp]>;
def : TypeRule<"sort", [Aten_SortOp]>;
def : TypeRule<"topk", [Aten_TopkOp]>;
def : TypeRule<"bincount", [Aten_BincountOp]>;
def : TypeRule<"cumsum", [Aten_CumsumOp]>;
def : TypeRule<"diff", [Aten_DiffOp]>;
def : TypeRule<"softmax", [Aten_LogSoftmaxIntOp, Aten_SoftmaxIntOp, Aten_SafeSoftmaxOp]>;
def : TypeRule<"softmaxKernel", [Aten_LogSoftmaxOp, Aten_SoftmaxOp]>;
def : TypeRule<"softmaxBackward", [Aten_LogSoftmaxBackwardDataOp, Aten_SoftmaxBackwardDataOp]>;

// Shape changing copies
def : TypeRule<"cat", [Aten_CatOp]>;
def : TypeRule<"pad", [
  Aten_ConstantPadNdOp, Aten_PadOp, Aten_ReflectionPad1dOp, Aten_ReflectionPad2dOp, Aten_ReplicationPad1dOp,
  Aten_ReplicationPad2dOp]>;
def : TypeRule<"repeat", [Aten_RepeatOp]>;
def : TypeRule<"repeatInterleave", [Aten_RepeatInterleaveSelfIntOp]>;
def : TypeRule<"likeFirst", [Aten_FlipOp, Aten_RollOp, Aten_TrilOp, Aten_TriuOp]>;
def : TypeRule<"tile", [Aten_TileOp]>;
def : TypeRule<"selectScatter", [Aten_SelectScatterOp]>;
def : TypeRule<"sliceScatter", [Aten_SliceScatterOp]>;
def : TypeRule<"stack", [Aten_StackOp]>;
def : TypeRule<"viewBackward", [Aten_DiagonalBackwardOp, Aten_SelectBackwardOp, Aten_SliceBackwardOp]>;

// Indexing
def : TypeRule<"embedding", [Aten_EmbeddingOp]>;
def : TypeRule<"embeddingBackward", [Aten_EmbeddingDenseBackwardOp]>;
def : TypeRule<"embeddingBag", [Aten_EmbeddingBagOp, Aten_EmbeddingBagPaddingIdxOp]>;
def : TypeRule<"embeddingBagBackward", [Aten_EmbeddingBagBackwardOp]>;
def : TypeRule<"gather", [Aten_GatherOp]>;
def : TypeRule<"index", [Aten_IndexTensorOp]>;
def : TypeRule<"indexPut", [Aten_IndexPutOp]>;
def : TypeRule<"indexSelect", [Aten_IndexSelectOp]>;
def : TypeRule<"oneHot", [Aten_OneHotOp]>;
def : TypeRule<"scatterAlong", [
  Aten_IndexAddOp, Aten_IndexFillIntScalarOp, Aten_ScatterSrcOp, Aten_ScatterValueOp, Aten_ScatterAddOp]>;
def : TypeRule<"takeAlong", [Aten_TakeAlongDimOp]>;

// Matrix products
def : TypeRule<"addmm", [Aten_AddmmOp]>;
def : TypeRule<"baddbmm", [Aten_BaddbmmOp]>;
def : TypeRule<"bmm", [Aten_BmmOp]>;
def : TypeRule<"dot", [Aten_DotOp]>;
def : TypeRule<"einsum", [Aten_EinsumOp]>;
def : TypeRule<"linear", [Aten_LinearOp]>;
def : TypeRule<"matmul", [Aten_MatmulOp]>;
def : TypeRule<"mm", [Aten_MmOp]>;
def : TypeRule<"mv", [Aten_MvOp]>;
def : TypeRule<"outer", [Aten_OuterOp]>;

// Convolutions and pooling
def : TypeRule<"adaptivePool", [Aten_AdaptiveAvgPool2dKernelOp, Aten_AdaptiveAvgPool2dOp]>;
def : TypeRule<"adaptivePool1d", [Aten_AdaptiveAvgPool1dOp]>;
def : TypeRule<"pool1d", [Aten_AvgPool1dOp, Aten_MaxPool1dOp]>;
def : TypeRule<"pool", [Aten_AvgPool2dOp, Aten_MaxPool2dOp]>;
def : TypeRule<"poolWithIndices", [Aten_MaxPool2dWithIndicesOp]>;
def : TypeRule<"likeSelf", [
  Aten_AdaptiveAvgPool2dBackwardOp, Aten_AvgPool2dBackwardOp, Aten_MaxPool2dWithIndicesBackwardOp,
  Aten_ReflectionPad1dBackwardOp, Aten_ReflectionPad2dBackwardOp, Aten_ReplicationPad1dBackwardOp,
  Aten_ReplicationPad2dBackwardOp]>;
def : TypeRule<"upsample", [
  Aten_UpsampleBilinear2dOp, Aten_UpsampleBilinear2dVecOp, Aten_UpsampleNearest2dOp, Aten_UpsampleNearest2dVecOp]>;
def : TypeRule<"upsampleBackward", [Aten_UpsampleBilinear2dBackwardOp, Aten_UpsampleNearest2dBackwardOp]>;
def : TypeRule<"conv", [Aten_Conv1dOp, Aten_Conv2dOp, Aten_Conv3dOp, Aten_ConvolutionOp]>;
def : TypeRule<"convPadding", [Aten_Conv1dPaddingOp, Aten_Conv2dPaddingOp]>;
def : TypeRule<"convTransposed", [Aten_ConvTranspose1dOp, Aten_ConvTranspose2dInputOp]>;
def : TypeRule<"convBackward", [Aten_ConvolutionBackwardOp]>;

// Normalisations
def : TypeRule<"likeFirst", [Aten_GroupNormOp, Aten_RmsNormOp]>;
def : TypeRule<"batchNorm", [Aten_NativeBatchNormLegitFunctionalOp]>;
def : TypeRule<"batchNormInference", [Aten_NativeBatchNormLegitNoTrainingOp]>;
def : TypeRule<"batchNormBackward", [Aten_NativeBatchNormBackwardOp]>;
def : TypeRule<"layerNorm", [Aten_LayerNormOp]>;
def : TypeRule<"nativeGroupNorm", [Aten_NativeGroupNormOp]>;
def : TypeRule<"nativeGroupNormBackward", [Aten_NativeGroupNormBackwardOp]>;
def : TypeRule<"nativeLayerNorm", [Aten_NativeLayerNormOp]>;
def : TypeRule<"nativeLayerNormBackward", [Aten_NativeLayerNormBackwardOp]>;

// Attention
def : TypeRule<"attention", [Aten_ScaledDotProductAttentionOp]>;
def : TypeRule<"flashAttention", [Aten_ScaledDotProductFlashAttentionForCpuOp]>;
def : TypeRule<"flashAttentionBackward", [Aten_ScaledDotProductFlashAttentionForCpuBackwardOp]>;

// Recurrent cells
def : TypeRule<"recurrentCell", [Aten_GruCellOp, Aten_RnnReluCellOp, Aten_RnnTanhCellOp]>;
def : TypeRule<"lstm", [Aten_LstmInputOp]>;

// Losses
def : TypeRule<"pointwiseLoss", [
  Aten_BinaryCrossEntropyOp, Aten_BinaryCrossEntropyWithLogitsOp, Aten_HuberLossOp, Aten_KlDivOp, Aten_L1LossOp,
  Aten_MseLossOp, Aten_SmoothL1LossOp]>;
def : TypeRule<"crossEntropyLoss", [Aten_CrossEntropyLossOp, Aten_NllLossNdOp]>;
def : TypeRule<"nllLoss", [Aten_NllLossForwardOp]>;
def : TypeRule<"nllLoss2d", [Aten_NllLoss2dForwardOp]>;
def : TypeRule<"nllLossBackward", [Aten_NllLossBackwardOp, Aten_NllLoss2dBackwardOp]>;

// Assertions
def : TypeRule<"none", [Aten_AssertTensorMetadataOp]>;
