//===- Costs.td - What ops cost ----------------------------------*- tablegen -*-===//
//
// Floating-point operations of the ops that do many per byte, by a function of regimen::passes::costs
// (passes/cost/OpCost.h). All other ops are bound by the bytes that they read and write.
//
//===----------------------------------------------------------------------===//

include "dialects/aten/Aten.td"

class Cost<string costRule, list<Op> opList> {
  string rule = costRule;
  list<Op> ops = opList;
}

def : Cost<"matrixProduct", [Aten_MmOp, Aten_BmmOp]>;
def : Cost<"addedMatrixProduct", [Aten_AddmmOp, Aten_BaddbmmOp]>;
def : Cost<"convolution", [Aten_ConvolutionOp]>;
def : Cost<"convolutionBackward", [Aten_ConvolutionBackwardOp]>;
def : Cost<"attention", [Aten_ScaledDotProductFlashAttentionForCpuOp]>;
def : Cost<"attentionBackward", [Aten_ScaledDotProductFlashAttentionForCpuBackwardOp]>;
