//===- Vjp.td - The gradient of every op ----------------------------------===//
//
// PyTorch's own formulas (tools/autograd/derivatives.yaml), so that each gradient has autograd's bits.
//
//===----------------------------------------------------------------------===//

include "dialects/aten/rules/VjpRule.td"
include "dialects/aten/Aten.td"

//===----------------------------------------------------------------------===//
// Views and copies
//===----------------------------------------------------------------------===//

foreach op = [Aten_AliasOp, Aten_CloneOp, Aten_ToCopyOp, Aten_ExpandOp] in
  def : Vjp<op, Linear, (cotangents (same):$self)>;
foreach op = [Aten_ViewOp, Aten_UnsafeViewOp] in
  def : Vjp<op, Structural, (cotangents (Aten_ViewOp $grad, (sizesOf $self)):$self)>;
def : Vjp<Aten_TOp, Structural, (cotangents (Aten_TOp $grad):$self)>;
def : Vjp<Aten_TransposeIntOp, Structural, (cotangents (Aten_TransposeIntOp $grad, $dim0, $dim1):$self)>;
def : Vjp<Aten_SelectIntOp, Structural,
          (cotangents (Aten_SelectBackwardOp $grad, (sizesOf $self), $dim, $index):$self)>;
def : Vjp<Aten_UnsqueezeOp, Structural, (cotangents (Aten_SqueezeDimOp $grad, $dim):$self)>;
def : Vjp<Aten_DiagonalOp, Structural,
          (cotangents (Aten_DiagonalBackwardOp $grad, (sizesOf $self), $offset, $dim1, $dim2):$self)>;
def : VjpFunction<Aten_PermuteOp, Structural, "permute", ["self"]>;
def : VjpFunction<Aten_SliceTensorOp, Structural, "slice", ["self"]>;
def : VjpFunction<Aten_SplitTensorOp, Structural, "split", ["self"]>;
def : VjpFunction<Aten_SplitWithSizesOp, Structural, "split", ["self"]>;
def : VjpFunction<Aten_UnbindIntOp, Structural, "unbind", ["self"]>;
def : VjpFunction<Aten_SqueezeOp, Structural, "squeeze", ["self"]>;
def : VjpFunction<Aten_SqueezeDimOp, Structural, "squeeze", ["self"]>;
def : VjpFunction<Aten_SqueezeDimsOp, Structural, "squeeze", ["self"]>;
def : VjpFunction<Aten_CatOp, Structural, "cat", ["tensors"]>;
def : VjpFunction<Aten_StackOp, Structural, "stack", ["tensors"]>;
def : VjpFunction<Aten_ConstantPadNdOp, Structural, "constantPadNd", ["self"]>;
def : VjpFunction<Aten_RepeatOp, Structural, "repeat", ["self"]>;
def : Vjp<Aten_FlipOp, Linear, (cotangents (Aten_FlipOp $grad, $dims):$self)>;
def : Vjp<Aten_ReflectionPad1dOp, Kernel, (cotangents (Aten_ReflectionPad1dBackwardOp $grad, $self, $padding):$self)>;
def : Vjp<Aten_ReflectionPad2dOp, Kernel, (cotangents (Aten_ReflectionPad2dBackwardOp $grad, $self, $padding):$self)>;
def : Vjp<Aten_ReplicationPad1dOp, Kernel, (cotangents (Aten_ReplicationPad1dBackwardOp $grad, $self, $padding):$self)>;
def : Vjp<Aten_ReplicationPad2dOp, Kernel, (cotangents (Aten_ReplicationPad2dBackwardOp $grad, $self, $padding):$self)>;
def : VjpFunction<Aten_RollOp, Structural, "roll", ["self"]>;
def : Vjp<Aten_TrilOp, Linear, (cotangents (Aten_TrilOp $grad, $diagonal):$self)>;
def : Vjp<Aten_TriuOp, Linear, (cotangents (Aten_TriuOp $grad, $diagonal):$self)>;
def : VjpFunction<Aten_SelectScatterOp, Structural, "selectScatter", ["self", "src"]>;
def : VjpFunction<Aten_SliceScatterOp, Structural, "sliceScatter", ["self", "src"]>;

//===----------------------------------------------------------------------===//
// Pointwise
//===----------------------------------------------------------------------===//

def : Vjp<Aten_AbsOp, Pointwise, (cotangents (Aten_MulTensorOp $grad, (Aten_SgnOp $self)):$self)>;
def : Vjp<Aten_AtanOp, Pointwise,
          (cotangents (Aten_DivTensorOp $grad, (Aten_AddScalarOp (Aten_MulTensorOp $self, $self), 1)):$self)>;
foreach op = [Aten_CeilOp, Aten_FloorOp, Aten_RoundOp, Aten_SignOp, Aten_TruncOp, Aten_FillScalarOp] in
  def : VjpFunction<op, Pointwise, "zero", ["self"]>;
def : Vjp<Aten_CosOp, Pointwise, (cotangents (Aten_MulTensorOp $grad, (Aten_NegOp (Aten_SinOp $self))):$self)>;
def : Vjp<Aten_CoshOp, Pointwise, (cotangents (Aten_MulTensorOp $grad, (Aten_SinhOp $self)):$self)>;
def : Vjp<Aten_ErfOp, Pointwise,
          (cotangents (Aten_MulTensorOp
              (Aten_MulScalarOp (Aten_ExpOp (Aten_NegOp (Aten_PowTensorScalarOp $self, 2))), "1.1283791670955126"),
              $grad):$self)>;
def : Vjp<Aten_ErfcOp, Pointwise,
          (cotangents (Aten_MulTensorOp
              (Aten_MulScalarOp (Aten_ExpOp (Aten_NegOp (Aten_PowTensorScalarOp $self, 2))), "-1.1283791670955126"),
              $grad):$self)>;
def : Vjp<Aten_Exp2Op, Pointwise,
          (cotangents (Aten_MulScalarOp (Aten_MulTensorOp $grad, $result), "0.6931471805599453"):$self)>;
def : Vjp<Aten_Expm1Op, Pointwise, (cotangents (Aten_MulTensorOp $grad, (Aten_AddScalarOp $result, 1)):$self)>;
def : Vjp<Aten_ExpOp, Pointwise, (cotangents (Aten_MulTensorOp $grad, $result):$self)>;
def : Vjp<Aten_LogOp, Pointwise, (cotangents (Aten_DivTensorOp $grad, $self):$self)>;
def : Vjp<Aten_Log10Op, Pointwise,
          (cotangents (Aten_DivTensorOp $grad, (Aten_MulScalarOp $self, "2.3025850929940456")):$self)>;
def : Vjp<Aten_Log2Op, Pointwise,
          (cotangents (Aten_DivTensorOp $grad, (Aten_MulScalarOp $self, "0.6931471805599453")):$self)>;
def : Vjp<Aten_Log1pOp, Pointwise, (cotangents (Aten_DivTensorOp $grad, (Aten_AddScalarOp $self, 1)):$self)>;
def : Vjp<Aten_NegOp, Pointwise, (cotangents (Aten_NegOp $grad):$self)>;
def : VjpFunction<Aten_PowTensorScalarOp, Pointwise, "powScalar", ["self"]>;
def : Vjp<Aten_ReciprocalOp, Pointwise,
          (cotangents (Aten_MulTensorOp (Aten_NegOp $grad), (Aten_MulTensorOp $result, $result)):$self)>;
def : Vjp<Aten_RsqrtOp, Pointwise,
          (cotangents (Aten_MulTensorOp (Aten_MulScalarOp $grad, "-0.5"), (Aten_PowTensorScalarOp $result, 3)):$self)>;
def : Vjp<Aten_SinOp, Pointwise, (cotangents (Aten_MulTensorOp $grad, (Aten_CosOp $self)):$self)>;
def : Vjp<Aten_SqrtOp, Pointwise, (cotangents (Aten_DivTensorOp $grad, (Aten_MulScalarOp $result, 2)):$self)>;
def : Vjp<Aten_SinhOp, Pointwise, (cotangents (Aten_MulTensorOp $grad, (Aten_CoshOp $self)):$self)>;
def : Vjp<Aten_TanOp, Pointwise,
          (cotangents (Aten_MulTensorOp $grad, (Aten_AddScalarOp (Aten_PowTensorScalarOp $result, 2), 1)):$self)>;
def : Vjp<Aten_TanhOp, Kernel, (cotangents (Aten_TanhBackwardOp $grad, $result):$self)>;
def : Vjp<Aten_SigmoidOp, Kernel, (cotangents (Aten_SigmoidBackwardOp $grad, $result):$self)>;
def : Vjp<Aten_SiluOp, Kernel, (cotangents (Aten_SiluBackwardOp $grad, $self):$self)>;
def : Vjp<Aten_GeluOp, Kernel, (cotangents (Aten_GeluBackwardOp $grad, $self, $approximate):$self)>;
def : Vjp<Aten_ReluOp, Kernel, (cotangents (Aten_ThresholdBackwardOp $grad, $result, 0):$self)>;
def : Vjp<Aten_HardsigmoidOp, Kernel, (cotangents (Aten_HardsigmoidBackwardOp $grad, $self):$self)>;
def : Vjp<Aten_HardswishOp, Kernel, (cotangents (Aten_HardswishBackwardOp $grad, $self):$self)>;
def : VjpFunction<Aten_EluOp, Kernel, "elu", ["self"]>;
def : Vjp<Aten_GluOp, Kernel, (cotangents (Aten_GluBackwardOp $grad, $self, $dim):$self)>;
def : VjpFunction<Aten_HardtanhOp, Kernel, "hardtanh", ["self"]>;
def : Vjp<Aten_LogSigmoidForwardOp, Kernel, (cotangents (Aten_LogSigmoidBackwardOp $grad, $self, $buffer):$self)>;
def : Vjp<Aten_MishOp, Kernel, (cotangents (Aten_MishBackwardOp $grad, $self):$self)>;
def : VjpFunction<Aten_PreluKernelOp, Kernel, "prelu", ["self", "weight"]>;
def : Vjp<Aten_ThresholdOp, Kernel, (cotangents (Aten_ThresholdBackwardOp $grad, $self, $threshold):$self)>;
def : VjpFunction<Aten_LeakyReluOp, Kernel, "leakyRelu", ["self"]>;
def : VjpFunction<Aten_SoftplusOp, Kernel, "softplus", ["self"]>;
def : VjpFunction<Aten_ClampOp, Pointwise, "clamp", ["self"]>;
def : VjpFunction<Aten_ClampTensorOp, Pointwise, "clampTensor", ["self", "min", "max"]>;
def : Vjp<Aten_ClampMaxOp, Pointwise,
          (cotangents (Aten_WhereScalarOtherOp (Aten_LeScalarOp $self, $max), $grad, "0.0"):$self)>;
def : Vjp<Aten_ClampMinOp, Pointwise,
          (cotangents (Aten_WhereScalarOtherOp (Aten_GeScalarOp $self, $min), $grad, "0.0"):$self)>;

def : VjpFunction<Aten_AddTensorOp, Linear, "add", ["self", "other"]>;
def : VjpFunction<Aten_SubTensorOp, Linear, "sub", ["self", "other"]>;
def : VjpFunction<Aten_RsubScalarOp, Linear, "rsub", ["self"]>;
foreach op = [Aten_AddScalarOp, Aten_SubScalarOp, Aten_RemainderScalarOp, Aten_FmodScalarOp] in
  def : Vjp<op, Linear, (cotangents (same):$self)>;
def : Vjp<Aten_MulTensorOp, Pointwise,
          (cotangents (Aten_MulTensorOp $grad, $self):$other, (Aten_MulTensorOp $grad, $other):$self)>;
def : Vjp<Aten_MulScalarOp, Linear, (cotangents (Aten_MulScalarOp $grad, $other):$self)>;
def : Vjp<Aten_DivTensorOp, Pointwise,
          (cotangents (Aten_MulTensorOp (Aten_NegOp $grad), (Aten_DivTensorOp (Aten_DivTensorOp $self, $other), $other)):$other,
                      (Aten_DivTensorOp $grad, $other):$self)>;
def : VjpFunction<Aten_DivTensorModeOp, Pointwise, "divMode", ["self", "other"]>;
def : Vjp<Aten_DivScalarOp, Linear, (cotangents (Aten_DivScalarOp $grad, $other):$self)>;
def : VjpFunction<Aten_AddcmulOp, Pointwise, "addcmul", ["self", "tensor1", "tensor2"]>;
def : VjpFunction<Aten_AddcdivOp, Pointwise, "addcdiv", ["self", "tensor1", "tensor2"]>;
def : VjpFunction<Aten_PowTensorTensorOp, Pointwise, "powTensor", ["self", "exponent"]>;
def : VjpFunction<Aten_LerpScalarOp, Linear, "lerp", ["self", "end"]>;
def : Vjp<Aten_LerpTensorOp, Pointwise,
          (cotangents (Aten_MulTensorOp $grad, $weight):$end,
                      (Aten_MulTensorOp $grad, (Aten_RsubScalarOp $weight, 1)):$self,
                      (Aten_MulTensorOp $grad, (Aten_SubTensorOp $end, $self)):$weight)>;
def : VjpFunction<Aten_PowScalarOp, Pointwise, "powBase", ["exponent"]>;
def : VjpFunction<Aten_XlogyTensorOp, Pointwise, "xlogy", ["self", "other"]>;
def : Vjp<Aten_MaskedFillTensorOp, Pointwise,
          (cotangents (Aten_MaskedFillScalarOp $grad, $mask, 0):$self,
                      (Aten_SumOp (Aten_WhereScalarOtherOp $mask, $grad, 0)):$value)>;
def : Vjp<Aten_MaskedFillScalarOp, Pointwise, (cotangents (Aten_MaskedFillScalarOp $grad, $mask, 0):$self)>;
def : VjpFunction<Aten_MaximumOp, Pointwise, "maximum", ["self", "other"]>;
def : VjpFunction<Aten_MinimumOp, Pointwise, "minimum", ["self", "other"]>;
def : Vjp<Aten_WhereSelfOp, Pointwise,
          (cotangents (Aten_WhereScalarSelfOp $condition, 0, $grad):$other,
                      (Aten_WhereScalarOtherOp $condition, $grad, 0):$self)>;
def : Vjp<Aten_WhereScalarOtherOp, Pointwise, (cotangents (Aten_WhereScalarOtherOp $condition, $grad, 0):$self)>;
def : Vjp<Aten_WhereScalarSelfOp, Pointwise, (cotangents (Aten_WhereScalarSelfOp $condition, 0, $grad):$other)>;

//===----------------------------------------------------------------------===//
// Reductions and scans
//===----------------------------------------------------------------------===//

def : Vjp<Aten_LogSoftmaxOp, Kernel,
          (cotangents (Aten_LogSoftmaxBackwardDataOp $grad, $result, $dim, (dtypeOf $self)):$self)>;
foreach op = [Aten_SoftmaxOp, Aten_SafeSoftmaxOp] in
  def : Vjp<op, Kernel,
            (cotangents (Aten_SoftmaxBackwardDataOp $grad, $result, $dim, (dtypeOf $self)):$self)>;
def : Vjp<Aten_SumOp, Linear, (cotangents (Aten_ExpandOp $grad, (sizesOf $self)):$self)>;
def : VjpFunction<Aten_SumDimIntListOp, Linear, "sum", ["self"]>;
def : VjpFunction<Aten_MeanOp, Linear, "mean", ["self"]>;
def : VjpFunction<Aten_MeanDimOp, Linear, "mean", ["self"]>;
foreach op = [Aten_AmaxOp, Aten_AminOp] in
  def : VjpFunction<op, Structural, "amax", ["self"]>;
foreach op = [Aten_MaxOp, Aten_MinOp] in
  def : VjpFunction<op, Structural, "max", ["self"]>;
foreach op = [Aten_MaxDimOp, Aten_MinDimOp, Aten_SortOp, Aten_TopkOp] in
  def : VjpFunction<op, Structural, "selecting", ["self"]>;
def : VjpFunction<Aten_CumsumOp, Structural, "cumsum", ["self"]>;
def : VjpFunction<Aten_StdCorrectionOp, Structural, "std", ["self"]>;
def : VjpFunction<Aten_VarCorrectionOp, Structural, "var", ["self"]>;
def : VjpFunction<Aten_LinalgVectorNormOp, Structural, "vectorNorm", ["self"]>;
def : VjpFunction<Aten_LogsumexpOp, Structural, "logsumexp", ["self"]>;

//===----------------------------------------------------------------------===//
// Indexing
//===----------------------------------------------------------------------===//

def : VjpFunction<Aten_EmbeddingOp, Kernel, "embedding", ["weight"]>;
def : VjpFunction<Aten_EmbeddingBagOp, Kernel, "embeddingBag", ["weight"]>;
def : VjpFunction<Aten_GatherOp, Structural, "gather", ["self"]>;
def : VjpFunction<Aten_IndexTensorOp, Structural, "index", ["self"]>;
def : VjpFunction<Aten_IndexAddOp, Structural, "indexAdd", ["self", "source"]>;
def : Vjp<Aten_IndexFillIntScalarOp, Structural, (cotangents (Aten_IndexFillIntScalarOp $grad, $dim, $index, 0):$self)>;
def : VjpFunction<Aten_IndexPutOp, Structural, "indexPut", ["self", "values"]>;
def : VjpFunction<Aten_IndexSelectOp, Structural, "indexSelect", ["self"]>;
def : Vjp<Aten_ScatterSrcOp, Structural,
          (cotangents (Aten_ScatterValueOp $grad, $dim, $index, 0):$self, (Aten_GatherOp $grad, $dim, $index):$src)>;
def : Vjp<Aten_ScatterValueOp, Structural, (cotangents (Aten_ScatterValueOp $grad, $dim, $index, 0):$self)>;
def : Vjp<Aten_ScatterAddOp, Structural, (cotangents (same):$self, (Aten_GatherOp $grad, $dim, $index):$src)>;

//===----------------------------------------------------------------------===//
// Matrix products, convolutions, pooling
//===----------------------------------------------------------------------===//

def : VjpFunction<Aten_MmOp, Structural, "mm", ["self", "mat2"]>;
def : VjpFunction<Aten_AddmmOp, Structural, "addmm", ["self", "mat1", "mat2"]>;
def : VjpFunction<Aten_BaddbmmOp, Structural, "baddbmm", ["self", "batch1", "batch2"]>;
def : Vjp<Aten_BmmOp, Structural,
          (cotangents (Aten_BmmOp (Aten_TransposeIntOp $self, 1, 2), $grad):$mat2,
                      (Aten_BmmOp $grad, (Aten_TransposeIntOp $mat2, 1, 2)):$self)>;
def : Vjp<Aten_DotOp, Structural,
          (cotangents (Aten_MulTensorOp $grad, $tensor):$self, (Aten_MulTensorOp $grad, $self):$tensor)>;
def : VjpFunction<Aten_MvOp, Structural, "mv", ["self", "vec"]>;
def : VjpFunction<Aten_ConvolutionOp, Kernel, "convolution", ["input", "weight", "bias"]>;
def : Vjp<Aten_AdaptiveAvgPool2dKernelOp, Kernel, (cotangents (Aten_AdaptiveAvgPool2dBackwardOp $grad, $self):$self)>;
def : Vjp<Aten_AvgPool2dOp, Kernel,
          (cotangents (Aten_AvgPool2dBackwardOp $grad, $self, $kernel_size, $stride, $padding, $ceil_mode,
                                                $count_include_pad, $divisor_override):$self)>;
def : Vjp<Aten_UpsampleBilinear2dOp, Kernel,
          (cotangents (Aten_UpsampleBilinear2dBackwardOp $grad, $output_size, (sizesOf $self), $align_corners, $scales_h,
                                                         $scales_w):$self)>;
def : Vjp<Aten_UpsampleNearest2dOp, Kernel,
          (cotangents (Aten_UpsampleNearest2dBackwardOp $grad, $output_size, (sizesOf $self), $scales_h,
                                                        $scales_w):$self)>;
def : Vjp<Aten_MaxPool2dWithIndicesOp, Kernel,
          (cotangents (Aten_MaxPool2dWithIndicesBackwardOp $grad, $self, $kernel_size, $stride, $padding, $dilation,
                                                           $ceil_mode, $result1):$self)>;

//===----------------------------------------------------------------------===//
// Normalisations, attention, losses
//===----------------------------------------------------------------------===//

def : VjpFunction<Aten_NativeLayerNormOp, Kernel, "nativeLayerNorm", ["input", "weight", "bias"]>;
foreach op = [Aten_NativeBatchNormLegitFunctionalOp, Aten_NativeBatchNormLegitNoTrainingOp] in
  def : VjpFunction<op, Kernel, "batchNorm", ["input", "weight", "bias"]>;
def : VjpFunction<Aten_NativeGroupNormOp, Kernel, "nativeGroupNorm", ["input", "weight", "bias"]>;
def : VjpFunction<Aten_ScaledDotProductFlashAttentionForCpuOp, Kernel, "flashAttentionForCpu",
                  ["query", "key", "value"]>;
def : Vjp<Aten_NllLossForwardOp, Kernel,
          (cotangents (Aten_NllLossBackwardOp $grad, $self, $target, $weight, $reduction, $ignore_index,
                                              $total_weight):$self)>;
def : Vjp<Aten_NllLoss2dForwardOp, Kernel,
          (cotangents (Aten_NllLoss2dBackwardOp $grad, $self, $target, $weight, $reduction, $ignore_index,
                                                $total_weight):$self)>;
def : VjpFunction<Aten_BinaryCrossEntropyOp, Kernel, "binaryCrossEntropy", ["self", "target"]>;
def : Vjp<Aten_HuberLossOp, Kernel,
          (cotangents (Aten_HuberLossBackwardOp $grad, $self, $target, $reduction, $delta):$self,
                      (Aten_HuberLossBackwardOp $grad, $target, $self, $reduction, $delta):$target)>;
def : Vjp<Aten_SmoothL1LossOp, Kernel,
          (cotangents (Aten_SmoothL1LossBackwardOp $grad, $self, $target, $reduction, $beta):$self,
                      (Aten_SmoothL1LossBackwardOp $grad, $target, $self, $reduction, $beta):$target)>;
def : VjpFunction<Aten_BinaryCrossEntropyWithLogitsOp, Pointwise, "binaryCrossEntropyWithLogits", ["self"]>;
def : Vjp<Aten_MseLossOp, Kernel,
          (cotangents (Aten_MseLossBackwardOp $grad, $self, $target, $reduction):$self,
                      (Aten_MseLossBackwardOp $grad, $target, $self, $reduction):$target)>;

//===----------------------------------------------------------------------===//
// No gradient, and ops that must have been decomposed
//===----------------------------------------------------------------------===//

def : NoGradient<[
  Aten_DetachOp,
  Aten_ArangeOp, Aten_ArangeStartOp, Aten_ArangeStartStepOp, Aten_EmptyLikeOp, Aten_FullOp, Aten_FullLikeOp,
  Aten_NewOnesOp, Aten_NewZerosOp, Aten_NewFullOp, Aten_OnesOp, Aten_OnesLikeOp, Aten_ScalarTensorOp, Aten_ZerosOp,
  Aten_ZerosLikeOp,
  Aten_BitwiseNotOp, Aten_LogicalNotOp, Aten_BitwiseAndTensorOp, Aten_BitwiseOrTensorOp,
  Aten_LogicalAndOp, Aten_LogicalOrOp, Aten_FloorDivideOp,
  Aten_EqScalarOp, Aten_EqTensorOp, Aten_GeScalarOp, Aten_GeTensorOp, Aten_GtScalarOp, Aten_GtTensorOp,
  Aten_LeScalarOp, Aten_LeTensorOp, Aten_LtScalarOp, Aten_LtTensorOp, Aten_NeScalarOp, Aten_NeTensorOp,
  Aten_AllDimOp, Aten_AnyDimOp, Aten_ArgmaxOp, Aten_AllOp, Aten_AnyOp, Aten_ArgminOp, Aten_ArgsortOp, Aten_BincountOp,
  Aten_IsnanOp, Aten_FloorDivideScalarOp]>;

def : Composite<[
  Aten_AndTensorOp, Aten_OrTensorOp, Aten_MinOtherOp, Aten_CopyOp, Aten_TypeAsOp, Aten_DiffOp, Aten_LogSoftmaxIntOp, Aten_SoftmaxIntOp, Aten_PadOp,
  Aten_RepeatInterleaveSelfIntOp, Aten_LinearOp, Aten_MatmulOp, Aten_AdaptiveAvgPool2dOp, Aten_Conv1dOp,
  Aten_Conv2dOp, Aten_MaxPool2dOp, Aten_GroupNormOp, Aten_LayerNormOp, Aten_ScaledDotProductAttentionOp,
  Aten_CrossEntropyLossOp, Aten_DropoutOp, Aten_BroadcastTensorsOp, Aten_FillTensorOp, Aten_CeluOp, Aten_LogSigmoidOp,
  Aten_PreluOp, Aten_Relu6Op, Aten_SeluOp, Aten_SquareOp, Aten_MaxOtherOp, Aten_RsubTensorOp, Aten_StdDimOp,
  Aten_VarDimOp, Aten_TileOp, Aten_EmbeddingBagPaddingIdxOp, Aten_OneHotOp, Aten_TakeAlongDimOp, Aten_EinsumOp,
  Aten_OuterOp, Aten_AdaptiveAvgPool1dOp, Aten_AvgPool1dOp, Aten_Conv1dPaddingOp, Aten_Conv2dPaddingOp, Aten_Conv3dOp,
  Aten_ConvTranspose1dOp, Aten_ConvTranspose2dInputOp, Aten_MaxPool1dOp, Aten_UpsampleBilinear2dVecOp,
  Aten_UpsampleNearest2dVecOp, Aten_RmsNormOp, Aten_GruCellOp, Aten_LstmInputOp, Aten_RnnReluCellOp, Aten_RnnTanhCellOp,
  Aten_KlDivOp, Aten_L1LossOp, Aten_NllLossNdOp]>;

//===----------------------------------------------------------------------===//
// How the ops of a backward depend on their operands
//===----------------------------------------------------------------------===//

def : Linearity<"Additive", ["self", "other"], [Aten_AddTensorOp, Aten_SubTensorOp, Aten_WhereSelfOp]>;
def : Linearity<"Additive", ["tensors"], [Aten_CatOp, Aten_StackOp]>;
def : Linearity<"Additive", ["self", "src"], [
  Aten_SelectScatterOp, Aten_SliceScatterOp, Aten_ScatterSrcOp, Aten_ScatterAddOp]>;
def : Linearity<"Additive", ["self", "source"], [Aten_IndexAddOp]>;
def : Linearity<"Additive", ["self", "values"], [Aten_IndexPutOp]>;
def : Linearity<"Multilinear", ["self", "other"], [Aten_MulTensorOp]>;
def : Linearity<"Multilinear", ["self", "mat2"], [Aten_MmOp, Aten_BmmOp]>;
def : Linearity<"Multilinear", ["self", "vec"], [Aten_MvOp]>;
def : Linearity<"Multilinear", ["self"], [Aten_XlogyTensorOp]>;
def : Linearity<"Multilinear", ["grad"], [Aten_EmbeddingBagBackwardOp]>;
def : Linearity<"Multilinear", ["other"], [Aten_WhereScalarSelfOp]>;
def : Linearity<"Multilinear", ["self"], [
  Aten_AliasOp, Aten_CloneOp, Aten_ToCopyOp, Aten_ViewOp, Aten_UnsafeViewOp, Aten_TOp, Aten_TransposeIntOp, Aten_PermuteOp,
  Aten_SelectIntOp, Aten_SliceTensorOp, Aten_SplitTensorOp, Aten_SplitWithSizesOp, Aten_SqueezeDimOp, Aten_SqueezeDimsOp,
  Aten_UnbindIntOp, Aten_UnsqueezeOp, Aten_ExpandOp, Aten_ConstantPadNdOp, Aten_RollOp, Aten_NegOp, Aten_MulScalarOp,
  Aten_DivScalarOp, Aten_DivTensorOp, Aten_MaskedFillScalarOp, Aten_WhereScalarOtherOp, Aten_SumOp, Aten_SumDimIntListOp,
  Aten_MeanOp, Aten_MeanDimOp, Aten_CumsumOp, Aten_DiagonalOp, Aten_FlipOp, Aten_GatherOp, Aten_IndexTensorOp,
  Aten_IndexSelectOp, Aten_IndexFillIntScalarOp, Aten_ScatterValueOp, Aten_SqueezeOp, Aten_TrilOp, Aten_TriuOp]>;
def : Linearity<"Multilinear", ["grad_output"], [
  Aten_AdaptiveAvgPool2dBackwardOp, Aten_AvgPool2dBackwardOp, Aten_ConvolutionBackwardOp, Aten_EmbeddingDenseBackwardOp,
  Aten_GeluBackwardOp, Aten_HardsigmoidBackwardOp, Aten_HardswishBackwardOp, Aten_LeakyReluBackwardOp,
  Aten_LogSoftmaxBackwardDataOp, Aten_MaxPool2dWithIndicesBackwardOp, Aten_MseLossBackwardOp, Aten_NllLossBackwardOp,
  Aten_SelectBackwardOp, Aten_SigmoidBackwardOp, Aten_SiluBackwardOp, Aten_SliceBackwardOp, Aten_SoftmaxBackwardDataOp,
  Aten_SoftplusBackwardOp, Aten_TanhBackwardOp, Aten_ThresholdBackwardOp, Aten_BinaryCrossEntropyBackwardOp,
  Aten_DiagonalBackwardOp, Aten_EluBackwardOp, Aten_GluBackwardOp, Aten_HardtanhBackwardOp, Aten_HuberLossBackwardOp,
  Aten_LogSigmoidBackwardOp, Aten_MishBackwardOp, Aten_NllLoss2dBackwardOp, Aten_PreluKernelBackwardOp,
  Aten_ReflectionPad1dBackwardOp, Aten_ReflectionPad2dBackwardOp, Aten_ReplicationPad1dBackwardOp,
  Aten_ReplicationPad2dBackwardOp, Aten_SmoothL1LossBackwardOp, Aten_UpsampleBilinear2dBackwardOp,
  Aten_UpsampleNearest2dBackwardOp]>;
def : Linearity<"Multilinear", ["grad_out"], [
  Aten_NativeBatchNormBackwardOp, Aten_NativeGroupNormBackwardOp, Aten_NativeLayerNormBackwardOp,
  Aten_ScaledDotProductFlashAttentionForCpuBackwardOp]>;
