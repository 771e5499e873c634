//===- Kernels.td - Which kernel computes an aten op ----------*- tablegen -*-===//
//
// One record a kernel. Composite ops (linear, softmax.int, ...) have none: autodiff replaces them before.
//
//===----------------------------------------------------------------------===//
include "dialects/aten/rules/KernelRule.td"
include "dialects/aten/Aten.td"

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

def : ViewLayout<"sameView", [Aten_AliasOp, Aten_DetachOp]>;
def : ViewLayout<"reshapeView", [Aten_ViewOp, Aten_UnsafeViewOp]>;
def : ViewLayout<"expandView", [Aten_ExpandOp]>;
def : ViewLayout<"diagonalView", [Aten_DiagonalOp]>;
def : ViewLayout<"permuteView", [Aten_PermuteOp]>;
def : ViewLayout<"transposeView", [Aten_TransposeIntOp, Aten_TOp]>;
def : ViewLayout<"selectView", [Aten_SelectIntOp]>;
def : ViewLayout<"sliceView", [Aten_SliceTensorOp]>;
def : ViewLayout<"splitView", [Aten_SplitTensorOp, Aten_SplitWithSizesOp]>;
def : ViewLayout<"unbindView", [Aten_UnbindIntOp]>;
def : ViewLayout<"squeezeView", [Aten_SqueezeOp, Aten_SqueezeDimOp, Aten_SqueezeDimsOp]>;
def : ViewLayout<"unsqueezeView", [Aten_UnsqueezeOp]>;

//===----------------------------------------------------------------------===//
// Creation, copies and casts
//===----------------------------------------------------------------------===//

def : Kernel<Aten_ArangeOp, Out, "aten::arange.out", "contiguous"> { let arguments = ["end"]; }
def : Kernel<Aten_ArangeStartOp, Out, "aten::arange.start_out", "contiguous"> { let arguments = ["start", "end"]; }
def : Kernel<Aten_ArangeStartStepOp, Out, "aten::arange.start_out", "contiguous"> {
  let arguments = ["start", "end", "step"];
}
def : Kernel<Aten_FullOp, Own, "regimen::fill", "contiguous"> { let arguments = ["fill_value"]; }
def : Kernel<Aten_NewFullOp, Own, "regimen::fill", "contiguous"> { let arguments = ["fill_value"]; }
def : Kernel<Aten_NewOnesOp, Own, "regimen::fill", "contiguous"> { let arguments = ["1"]; }
def : Kernel<Aten_NewZerosOp, Own, "regimen::fill", "contiguous"> { let arguments = ["0"]; }
def : Kernel<Aten_OnesOp, Own, "regimen::fill", "contiguous"> { let arguments = ["1"]; }
def : Kernel<Aten_ScalarTensorOp, Own, "regimen::fill", "contiguous"> { let arguments = ["s"]; }
def : Kernel<Aten_ZerosOp, Own, "regimen::fill", "contiguous"> { let arguments = ["0"]; }
def : Kernel<Aten_EmptyLikeOp, Own, "regimen::fill", "preserved"> { let arguments = ["0"]; }
def : Kernel<Aten_FullLikeOp, Own, "regimen::fill", "preserved"> { let arguments = ["fill_value"]; }
def : Kernel<Aten_OnesLikeOp, Own, "regimen::fill", "preserved"> { let arguments = ["1"]; }
def : Kernel<Aten_ZerosLikeOp, Own, "regimen::fill", "preserved"> { let arguments = ["0"]; }
def : Kernel<Aten_FillScalarOp, Own, "regimen::fill", "preserved"> { let arguments = ["value"]; }
def : Kernel<Aten_ToCopyOp, Own, "regimen::copy", "preserved"> { let arguments = ["self"]; }
def : Kernel<Aten_CloneOp, Own, "regimen::copy", "preserved"> { let arguments = ["self"]; }
def : Kernel<Aten_CopyOp, Own, "regimen::copy", "preserved"> { let arguments = ["src"]; }
def : Kernel<Aten_TypeAsOp, Own, "regimen::copy", "preserved"> { let arguments = ["self"]; }

//===----------------------------------------------------------------------===//
// Pointwise
//===----------------------------------------------------------------------===//

def : Pointwise<Aten_AbsOp, "aten::abs.out">;
def : Pointwise<Aten_BitwiseNotOp, "aten::bitwise_not.out">;
def : Pointwise<Aten_ClampOp, "aten::clamp.out">;
def : Pointwise<Aten_ClampMinOp, "aten::clamp_min.out">;
def : Pointwise<Aten_CosOp, "aten::cos.out">;
def : Pointwise<Aten_ErfOp, "aten::erf.out">;
def : Pointwise<Aten_ExpOp, "aten::exp.out">;
def : Kernel<Aten_GeluOp, Own, "regimen::gelu_tanh", "contiguous"> {
  let arguments = ["self"];
  let elementwise = 1;
  let fusedOnly = 1;
  let contiguousOperands = 1;
  let floatOperands = 1;
  let attribute = "approximate";
  let value = "tanh";
}
def : Pointwise<Aten_GeluOp, "aten::gelu.out">;
def : Pointwise<Aten_HardsigmoidOp, "aten::hardsigmoid.out">;
def : Pointwise<Aten_HardswishOp, "aten::hardswish.out">;
def : Pointwise<Aten_LeakyReluOp, "aten::leaky_relu.out">;
def : Pointwise<Aten_LogOp, "aten::log.out">;
def : Pointwise<Aten_Log1pOp, "aten::log1p.out">;
def : Pointwise<Aten_LogicalNotOp, "aten::logical_not.out">;
def : Pointwise<Aten_NegOp, "aten::neg.out">;
def : Pointwise<Aten_PowTensorScalarOp, "aten::pow.Tensor_Scalar_out">;
def : Pointwise<Aten_ReciprocalOp, "aten::reciprocal.out">;
def : Pointwise<Aten_ReluOp, "aten::clamp_min.out"> { let arguments = ["self", "0"]; }
def : Pointwise<Aten_RsqrtOp, "aten::rsqrt.out">;
def : Pointwise<Aten_SgnOp, "aten::sgn.out">;
def : Pointwise<Aten_SigmoidOp, "aten::sigmoid.out">;
def : Pointwise<Aten_SiluOp, "aten::silu.out">;
def : Pointwise<Aten_SinOp, "aten::sin.out">;
def : Pointwise<Aten_SoftplusOp, "aten::softplus.out">;
def : Pointwise<Aten_SqrtOp, "aten::sqrt.out">;
def : Pointwise<Aten_TanhOp, "aten::tanh.out">;
def : Pointwise<Aten_AddcdivOp, "aten::addcdiv.out">;
def : Pointwise<Aten_AddcmulOp, "aten::addcmul.out">;
def : Pointwise<Aten_FloorDivideOp, "aten::floor_divide.out">;
def : Pointwise<Aten_LogicalAndOp, "aten::logical_and.out">;
def : Pointwise<Aten_LogicalOrOp, "aten::logical_or.out">;
def : Pointwise<Aten_MaximumOp, "aten::maximum.out">;
def : Pointwise<Aten_MinimumOp, "aten::minimum.out">;
def : Pointwise<Aten_AddTensorOp, "aten::add.out">;
def : Pointwise<Aten_AddScalarOp, "aten::add.out">;
def : Pointwise<Aten_SubTensorOp, "aten::sub.out">;
def : Pointwise<Aten_SubScalarOp, "aten::sub.out">;
def : Pointwise<Aten_MulTensorOp, "aten::mul.out">;
def : Pointwise<Aten_MulScalarOp, "aten::mul.out">;
def : Pointwise<Aten_DivTensorOp, "aten::div.out">;
def : Pointwise<Aten_DivScalarOp, "aten::div.out">;
def : Pointwise<Aten_RsubScalarOp, "aten::sub.out"> { let arguments = ["other", "self", "alpha"]; }
def : Pointwise<Aten_BitwiseAndTensorOp, "aten::bitwise_and.Tensor_out">;
def : Pointwise<Aten_BitwiseOrTensorOp, "aten::bitwise_or.Tensor_out">;
def : Pointwise<Aten_AndTensorOp, "aten::bitwise_and.Tensor_out">;
def : Pointwise<Aten_OrTensorOp, "aten::bitwise_or.Tensor_out">;
def : Pointwise<Aten_EqTensorOp, "aten::eq.Tensor_out">;
def : Pointwise<Aten_EqScalarOp, "aten::eq.Scalar_out">;
def : Pointwise<Aten_GeTensorOp, "aten::ge.Tensor_out">;
def : Pointwise<Aten_GeScalarOp, "aten::ge.Scalar_out">;
def : Pointwise<Aten_GtTensorOp, "aten::gt.Tensor_out">;
def : Pointwise<Aten_GtScalarOp, "aten::gt.Scalar_out">;
def : Pointwise<Aten_LeTensorOp, "aten::le.Tensor_out">;
def : Pointwise<Aten_LeScalarOp, "aten::le.Scalar_out">;
def : Pointwise<Aten_LtTensorOp, "aten::lt.Tensor_out">;
def : Pointwise<Aten_LtScalarOp, "aten::lt.Scalar_out">;
def : Pointwise<Aten_NeTensorOp, "aten::ne.Tensor_out">;
def : Pointwise<Aten_NeScalarOp, "aten::ne.Scalar_out">;
def : Pointwise<Aten_LerpScalarOp, "aten::lerp.Scalar_out">;
def : Pointwise<Aten_MinOtherOp, "aten::min.out">;
def : Pointwise<Aten_PowTensorTensorOp, "aten::pow.Tensor_Tensor_out">;
def : Pointwise<Aten_RemainderScalarOp, "aten::remainder.Scalar_out">;
def : Pointwise<Aten_WhereSelfOp, "aten::where.self_out">;
def : Pointwise<Aten_WhereScalarSelfOp, "aten::where.self_out">;
def : Pointwise<Aten_WhereScalarOtherOp, "aten::where.self_out">;
def : Pointwise<Aten_AtanOp, "aten::atan.out">;
def : Pointwise<Aten_CeilOp, "aten::ceil.out">;
def : Pointwise<Aten_ClampMaxOp, "aten::clamp_max.out">;
def : Pointwise<Aten_ClampTensorOp, "aten::clamp.Tensor_out">;
def : Pointwise<Aten_CoshOp, "aten::cosh.out">;
def : Pointwise<Aten_DivTensorModeOp, "aten::div.out_mode">;
def : Pointwise<Aten_EluOp, "aten::elu.out">;
def : Pointwise<Aten_ErfcOp, "aten::erfc.out">;
def : Pointwise<Aten_Exp2Op, "aten::exp2.out">;
def : Pointwise<Aten_Expm1Op, "aten::expm1.out">;
def : Pointwise<Aten_FloorOp, "aten::floor.out">;
def : Pointwise<Aten_FloorDivideScalarOp, "aten::floor_divide.out">;
def : Pointwise<Aten_FmodScalarOp, "aten::fmod.Scalar_out">;
def : Pointwise<Aten_HardtanhOp, "aten::hardtanh.out">;
def : Pointwise<Aten_LerpTensorOp, "aten::lerp.Tensor_out">;
def : Pointwise<Aten_Log10Op, "aten::log10.out">;
def : Pointwise<Aten_Log2Op, "aten::log2.out">;
def : Pointwise<Aten_MishOp, "aten::mish.out">;
def : Pointwise<Aten_PowScalarOp, "aten::pow.Scalar_out">;
def : Pointwise<Aten_RoundOp, "aten::round.out">;
def : Pointwise<Aten_SignOp, "aten::sign.out">;
def : Pointwise<Aten_SinhOp, "aten::sinh.out">;
def : Pointwise<Aten_TanOp, "aten::tan.out">;
def : Pointwise<Aten_ThresholdOp, "aten::threshold.out">;
def : Pointwise<Aten_TruncOp, "aten::trunc.out">;
def : Pointwise<Aten_XlogyTensorOp, "aten::xlogy.OutTensor">;
def : Kernel<Aten_IsnanOp, Functional, "aten::isnan", "pointwise">;
def : Kernel<Aten_PreluKernelOp, Functional, "aten::_prelu_kernel", "pointwise">;
def : Kernel<Aten_GluOp, Out, "aten::glu.out", "contiguous">;
def : Kernel<Aten_LogSigmoidForwardOp, Out, "aten::log_sigmoid_forward.output", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_MaskedFillScalarOp, Functional, "aten::masked_fill.Scalar", "contiguous">;
def : Kernel<Aten_MaskedFillTensorOp, Functional, "aten::masked_fill.Tensor", "contiguous">;

//===----------------------------------------------------------------------===//
// Pointwise, backward
//===----------------------------------------------------------------------===//

def : Kernel<Aten_GeluBackwardOp, Own, "regimen::gelu_tanh_backward", "contiguous"> {
  let arguments = ["grad_output", "self"];
  let elementwise = 1;
  let fusedOnly = 1;
  let contiguousOperands = 1;
  let floatOperands = 1;
  let attribute = "approximate";
  let value = "tanh";
}
def : Pointwise<Aten_GeluBackwardOp, "aten::gelu_backward.grad_input">;
def : Pointwise<Aten_HardsigmoidBackwardOp, "aten::hardsigmoid_backward.grad_input">;
def : Pointwise<Aten_LeakyReluBackwardOp, "aten::leaky_relu_backward.grad_input">;
def : Pointwise<Aten_MseLossBackwardOp, "aten::mse_loss_backward.grad_input">;
def : Pointwise<Aten_SigmoidBackwardOp, "aten::sigmoid_backward.grad_input">;
def : Pointwise<Aten_SiluBackwardOp, "aten::silu_backward.grad_input">;
def : Pointwise<Aten_SoftplusBackwardOp, "aten::softplus_backward.grad_input">;
def : Pointwise<Aten_TanhBackwardOp, "aten::tanh_backward.grad_input">;
def : Pointwise<Aten_ThresholdBackwardOp, "aten::threshold_backward.grad_input">;
def : Pointwise<Aten_EluBackwardOp, "aten::elu_backward.grad_input">;
def : Pointwise<Aten_HardtanhBackwardOp, "aten::hardtanh_backward.grad_input">;
def : Pointwise<Aten_HuberLossBackwardOp, "aten::huber_loss_backward.out">;
def : Pointwise<Aten_SmoothL1LossBackwardOp, "aten::smooth_l1_loss_backward.grad_input">;
def : Kernel<Aten_GluBackwardOp, Out, "aten::glu_backward.grad_input", "contiguous">;
def : Kernel<Aten_LogSigmoidBackwardOp, Out, "aten::log_sigmoid_backward.grad_input", "contiguous">;
def : Kernel<Aten_HardswishBackwardOp, Functional, "aten::hardswish_backward", "pointwise">;
def : Kernel<Aten_MishBackwardOp, Functional, "aten::mish_backward", "pointwise">;
def : Kernel<Aten_PreluKernelBackwardOp, Functional, "aten::_prelu_kernel_backward", "preluBackward">;

//===----------------------------------------------------------------------===//
// Reductions and scans
//===----------------------------------------------------------------------===//

def : Kernel<Aten_AmaxOp, Out, "aten::amax.out", "contiguous">;
def : Kernel<Aten_AminOp, Out, "aten::amin.out", "contiguous">;
def : Kernel<Aten_ArgmaxOp, Out, "aten::argmax.out", "contiguous">;
def : Kernel<Aten_ArgminOp, Out, "aten::argmin.out", "contiguous">;
def : Kernel<Aten_ArgsortOp, Functional, "aten::argsort", "preserved"> { let scratch = "copiesOfAll"; }
def : Kernel<Aten_BincountOp, Functional, "aten::bincount", "contiguous"> { let scratch = "copiesOfAll"; }
def : Kernel<Aten_MaxOp, Out, "aten::max.unary_out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_MinOp, Out, "aten::min.unary_out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_MaxDimOp, Out, "aten::max.dim_max", "contiguous">;
def : Kernel<Aten_MinDimOp, Out, "aten::min.dim_min", "contiguous">;
def : Kernel<Aten_SortOp, Functional, "aten::sort", "preservedAll"> { let scratch = "copiesOfAll"; }
def : Kernel<Aten_TopkOp, Out, "aten::topk.values", "contiguous"> { let scratch = "copiesOfAll"; }
def : Kernel<Aten_StdCorrectionOp, Out, "aten::std.correction_out", "contiguous">;
def : Kernel<Aten_VarCorrectionOp, Out, "aten::var.correction_out", "contiguous">;
def : Kernel<Aten_LinalgVectorNormOp, Out, "aten::linalg_vector_norm.out", "contiguous">;
def : Kernel<Aten_CumsumOp, Out, "aten::cumsum.out", "contiguous">;
def : Kernel<Aten_AllOp, Out, "aten::all.all_out", "contiguous">;
def : Kernel<Aten_AnyOp, Out, "aten::any.all_out", "contiguous">;
def : Kernel<Aten_AllDimOp, Out, "aten::all.out", "contiguous">;
def : Kernel<Aten_AnyDimOp, Out, "aten::any.out", "contiguous">;
def : Kernel<Aten_LogSoftmaxOp, Out, "aten::_log_softmax.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_SafeSoftmaxOp, Functional, "aten::_safe_softmax", "contiguous"> { let scratch = "safeSoftmax"; }
def : Kernel<Aten_SoftmaxOp, Out, "aten::_softmax.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_LogSoftmaxBackwardDataOp, Out, "aten::_log_softmax_backward_data.out", "contiguous"> {
  let scratch = "contiguousOperands";
}
def : Kernel<Aten_SoftmaxBackwardDataOp, Out, "aten::_softmax_backward_data.out", "contiguous"> {
  let scratch = "contiguousOperands";
}
def : Kernel<Aten_LogsumexpOp, Functional, "aten::logsumexp", "contiguous">;
def : Kernel<Aten_DiffOp, Functional, "aten::diff", "contiguous">;
def : Kernel<Aten_MeanOp, Out, "aten::mean.out", "contiguous"> { let arguments = ["self", "[]", "default", "dtype"]; }
def : Kernel<Aten_MeanDimOp, Out, "aten::mean.out", "contiguous">;
def : Kernel<Aten_SumOp, Out, "aten::sum.IntList_out", "contiguous"> {
  let arguments = ["self", "[]", "default", "dtype"];
}
def : Kernel<Aten_SumDimIntListOp, Out, "aten::sum.IntList_out", "contiguous">;

//===----------------------------------------------------------------------===//
// Shape changing copies and indexing
//===----------------------------------------------------------------------===//

def : Kernel<Aten_CatOp, Out, "aten::cat.out", "joined">;
def : Kernel<Aten_ConstantPadNdOp, Functional, "aten::constant_pad_nd", "images">;
def : Kernel<Aten_FlipOp, Functional, "aten::flip", "preserved">;
def : Kernel<Aten_ReflectionPad1dOp, Out, "aten::reflection_pad1d.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ReflectionPad2dOp, Out, "aten::reflection_pad2d.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ReplicationPad1dOp, Out, "aten::replication_pad1d.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ReplicationPad2dOp, Out, "aten::replication_pad2d.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ReflectionPad1dBackwardOp, Out, "aten::reflection_pad1d_backward.grad_input", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ReflectionPad2dBackwardOp, Out, "aten::reflection_pad2d_backward.grad_input", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ReplicationPad1dBackwardOp, Out, "aten::replication_pad1d_backward.grad_input", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ReplicationPad2dBackwardOp, Out, "aten::replication_pad2d_backward.grad_input", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_TrilOp, Out, "aten::tril.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_TriuOp, Out, "aten::triu.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_RepeatOp, Functional, "aten::repeat", "contiguous">;
def : Kernel<Aten_RollOp, Functional, "aten::roll", "images"> { let scratch = "roll"; }
def : Kernel<Aten_SelectScatterOp, Own, "regimen::select_scatter", "preserved">;
def : Kernel<Aten_SliceScatterOp, Own, "regimen::slice_scatter", "preserved">;
def : Kernel<Aten_StackOp, Functional, "aten::stack", "contiguous">;
def : Kernel<Aten_EmbeddingOp, Functional, "aten::embedding", "contiguous">;
def : Kernel<Aten_IndexPutOp, Functional, "aten::index_put", "contiguous">;
def : Kernel<Aten_RepeatInterleaveSelfIntOp, Functional, "aten::repeat_interleave.self_int", "contiguous">;
def : Kernel<Aten_DiagonalBackwardOp, Functional, "aten::diagonal_backward", "contiguous">;
def : Kernel<Aten_EmbeddingBagOp, Functional, "aten::_embedding_bag", "contiguous"> { let scratch = "copiesOfAll"; }
def : Kernel<Aten_EmbeddingBagBackwardOp, Functional, "aten::_embedding_bag_backward", "contiguous"> { let scratch = "copiesOfAll"; }
def : Kernel<Aten_IndexAddOp, Out, "aten::index_add.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_IndexFillIntScalarOp, Functional, "aten::index_fill.int_Scalar", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ScatterSrcOp, Out, "aten::scatter.src_out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ScatterValueOp, Out, "aten::scatter.value_out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_ScatterAddOp, Out, "aten::scatter_add.out", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_GatherOp, Out, "aten::gather.out", "contiguous">;
def : Kernel<Aten_IndexTensorOp, Out, "aten::index.Tensor_out", "contiguous">;
def : Kernel<Aten_IndexSelectOp, Out, "aten::index_select.out", "contiguous">;
def : Kernel<Aten_EmbeddingDenseBackwardOp, Own, "regimen::embedding_backward", "contiguous"> {
  let contiguousOperands = 1;
  let arguments = ["grad_output", "indices", "num_weights", "padding_idx", "scale_grad_by_freq"];
}
def : Kernel<Aten_EmbeddingDenseBackwardOp, Functional, "aten::embedding_dense_backward", "contiguous"> {
  let scratch = "contiguousOperands";
}
def : Kernel<Aten_SelectBackwardOp, Own, "regimen::select_backward", "contiguous">;
def : Kernel<Aten_SliceBackwardOp, Own, "regimen::slice_backward", "contiguous">;

//===----------------------------------------------------------------------===//
// Matrix products, convolutions and pooling
//===----------------------------------------------------------------------===//

def : Kernel<Aten_AddmmOp, Out, "aten::addmm.out", "contiguous"> { let scratch = "matrixOperands"; }
def : Kernel<Aten_BaddbmmOp, Out, "aten::baddbmm.out", "contiguous"> { let scratch = "matrixOperands"; }
def : Kernel<Aten_BmmOp, Out, "aten::bmm.out", "contiguous"> { let scratch = "matrixOperands"; }
def : Kernel<Aten_MmOp, Out, "aten::mm.out", "contiguous"> { let scratch = "matrixOperands"; }
def : Kernel<Aten_ConvolutionOp, Functional, "aten::convolution", "convolution"> { let scratch = "convolution"; }
def : Kernel<Aten_ConvolutionBackwardOp, Functional, "aten::convolution_backward", "convolution"> {
  let scratch = "convolutionBackward";
}
def : Kernel<Aten_DotOp, Functional, "aten::dot", "contiguous">;
def : Kernel<Aten_MvOp, Functional, "aten::mv", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_UpsampleBilinear2dOp, Out, "aten::upsample_bilinear2d.out", "images"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_UpsampleBilinear2dBackwardOp, Out, "aten::upsample_bilinear2d_backward.grad_input", "images"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_UpsampleNearest2dOp, Out, "aten::upsample_nearest2d.out", "images"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_UpsampleNearest2dBackwardOp, Out, "aten::upsample_nearest2d_backward.grad_input", "images"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_AdaptiveAvgPool2dKernelOp, Functional, "aten::_adaptive_avg_pool2d", "images">;
def : Kernel<Aten_AdaptiveAvgPool2dBackwardOp, Functional, "aten::_adaptive_avg_pool2d_backward", "images">;
def : Kernel<Aten_AvgPool2dOp, Out, "aten::avg_pool2d.out", "images">;
def : Kernel<Aten_AvgPool2dBackwardOp, Out, "aten::avg_pool2d_backward.grad_input", "images">;
def : Kernel<Aten_MaxPool2dWithIndicesOp, Out, "aten::max_pool2d_with_indices.out", "images">;
def : Kernel<Aten_MaxPool2dWithIndicesBackwardOp, Out,
    "aten::max_pool2d_with_indices_backward.grad_input",
    "images">;

//===----------------------------------------------------------------------===//
// Normalisation, attention and losses
//===----------------------------------------------------------------------===//

def : Kernel<Aten_NativeBatchNormLegitFunctionalOp, Functional, "aten::_native_batch_norm_legit_functional", "images"> { let scratch = "batchNorm"; }
def : Kernel<Aten_NativeBatchNormLegitNoTrainingOp, Functional, "aten::_native_batch_norm_legit_no_training", "images"> { let scratch = "batchNorm"; }
def : Kernel<Aten_NativeBatchNormBackwardOp, Functional, "aten::native_batch_norm_backward", "images"> { let scratch = "batchNormBackward"; }
def : Kernel<Aten_NativeLayerNormOp, Functional, "aten::native_layer_norm", "contiguous"> {
  let scratch = "contiguousOperands";
}
def : Kernel<Aten_NativeLayerNormBackwardOp, Functional, "aten::native_layer_norm_backward", "contiguous"> {
  let scratch = "layerNormBackward";
}
def : Kernel<Aten_NativeGroupNormOp, Functional, "aten::native_group_norm", "contiguous"> {
  let scratch = "groupNorm";
}
def : Kernel<Aten_NativeGroupNormBackwardOp, Functional, "aten::native_group_norm_backward", "contiguous"> {
  let scratch = "groupNormBackward";
}
def : Kernel<Aten_ScaledDotProductFlashAttentionForCpuOp, Functional,
    "aten::_scaled_dot_product_flash_attention_for_cpu",
    "flashAttention"> {
  let scratch = "flashAttention";
}
def : Kernel<Aten_ScaledDotProductFlashAttentionForCpuBackwardOp, Functional,
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
    "flashAttentionBackward"> {
  let scratch = "flashAttentionBackward";
}
def : Kernel<Aten_BinaryCrossEntropyWithLogitsOp, Functional,
    "aten::binary_cross_entropy_with_logits",
    "contiguous"> {
  let scratch = "contiguousOperands";
}
// Their out= overloads resize the result to all losses before they reduce them, and some write these there.
def : Kernel<Aten_MseLossOp, Functional, "aten::mse_loss", "contiguous"> { let scratch = "elementwiseLoss"; }
def : Kernel<Aten_HuberLossOp, Functional, "aten::huber_loss", "contiguous"> { let scratch = "elementwiseLoss"; }
def : Kernel<Aten_SmoothL1LossOp, Functional, "aten::smooth_l1_loss", "contiguous"> { let scratch = "elementwiseLoss"; }
def : Kernel<Aten_BinaryCrossEntropyOp, Functional, "aten::binary_cross_entropy", "contiguous"> { let scratch = "elementwiseLoss"; }
def : Pointwise<Aten_BinaryCrossEntropyBackwardOp, "aten::binary_cross_entropy_backward.grad_input">;
def : Kernel<Aten_NllLoss2dForwardOp, Out, "aten::nll_loss2d_forward.output", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_NllLoss2dBackwardOp, Out, "aten::nll_loss2d_backward.grad_input", "contiguous"> { let scratch = "contiguousOperands"; }
def : Kernel<Aten_NllLossForwardOp, Out, "aten::nll_loss_forward.output", "contiguous">;
def : Kernel<Aten_NllLossBackwardOp, Out, "aten::nll_loss_backward.grad_input", "contiguous">;
