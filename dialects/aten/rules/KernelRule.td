//===- KernelRule.td - The classes of the kernel table --------*- tablegen -*-===//

#ifndef REGIMEN_DIALECTS_ATEN_RULES_KERNELRULE
#define REGIMEN_DIALECTS_ATEN_RULES_KERNELRULE

include "mlir/IR/OpBase.td"

/// How a kernel takes its results.
class KernelMode<string enumerator> { string name = enumerator; }
/// An ATen overload with out= arguments that writes them directly (structured, or `_out` in its `*_cpu_dispatch.h`).
def Out : KernelMode<"Out">;
/// An ATen overload that allocates its results: there is no out=, or the one there is copies.
def Functional : KernelMode<"Functional">;
/// A kernel of the runtime.
def Own : KernelMode<"Own">;

/// A kernel of `op`. Records of one op are tried in the order of the table; the first whose conditions hold is taken.
class Kernel<Op atenOp, KernelMode kernelMode, string kernelName, string layoutRule> {
  Op op = atenOp;
  KernelMode mode = kernelMode;
  /// Operator and overload, or the runtime's name.
  string name = kernelName;
  /// Strides of the results: a function of regimen::passes::layouts (passes/layout/LayoutRules.h).
  string layout = layoutRule;
  /// Bytes of the kernel's own temporaries: a function of regimen::passes::scratch (passes/layout/ScratchRules.h).
  string scratch = "none";
  /// The kernel's arguments where they are not those of the op's schema: names of these, "default", "none", "[]", or a
  /// number for a Scalar ("0" an integer, "0.0" a float).
  list<string> arguments = [];
  /// Every element of the result depends only on the elements at its place: the result may overwrite an operand.
  bit elementwise = 0;

  /// Condition: not on the reference path (fuse.enable=false).
  bit fusedOnly = 0;
  /// Condition: tensor operands are contiguous.
  bit contiguousOperands = 0;
  /// Condition: tensor operands are f32 or bf16.
  bit floatOperands = 0;
  /// Condition: attribute `attribute` is the string `value`.
  string attribute = "";
  string value = "";
}

/// Elementwise over broadcast operands, with the result's strides as TensorIterator gives them.
class Pointwise<Op atenOp, string kernelName> : Kernel<atenOp, Out, kernelName, "pointwise"> {
  let elementwise = 1;
}

/// The result is a window of the first operand's storage where its strides allow it, by a function of
/// regimen::passes::layouts; else a copy.
class ViewLayout<string layoutRule, list<Op> opList> {
  string layout = layoutRule;
  list<Op> ops = opList;
}

#endif // REGIMEN_DIALECTS_ATEN_RULES_KERNELRULE
