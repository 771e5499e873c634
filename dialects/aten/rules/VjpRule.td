//===- VjpRule.td - The classes of the gradient table ---------------------===//

#ifndef REGIMEN_DIALECTS_ATEN_RULES_VJPRULE
#define REGIMEN_DIALECTS_ATEN_RULES_VJPRULE

include "mlir/IR/OpBase.td"

/// How an op's gradient is obtained; for readers and the coverage page.
class VjpCategory<string text> { string name = text; }
def Pointwise : VjpCategory<"pointwise">;
def Linear : VjpCategory<"linear">;
def Structural : VjpCategory<"structural">;
def Kernel : VjpCategory<"backward kernel">;

/// Heads the cotangents of a Vjp: one argument an operand, named like it.
def cotangents;
/// The gradient itself.
def same;
/// Attributes from a tensor's type: its shape, and its dtype.
def sizesOf;
def dtypeOf;

/// The gradient of `op` as expressions over aten ops. An expression's arguments are those of the ATen schema in order
/// (without device, layout and the like); trailing ones may be left out. They are expressions, `$grad` (the gradient of
/// the first result), names of operands, results and attributes of `op`, or literals (a string is a floating-point
/// Scalar). The order is the one in which PyTorch computes them. Cotangents of broadcast or promoted operands are
/// reduced and cast to the operand's type afterwards, for all rules, as autograd's engine does.
class Vjp<Op forward, VjpCategory kind, dag expressions> {
  Op op = forward;
  VjpCategory category = kind;
  dag rule = expressions;
}

/// The gradient of `op` by C++ function regimen::passes::rules::<cppFunction>, for the operands listed.
class VjpFunction<Op forward, VjpCategory kind, string cppFunction, list<string> operandNames> {
  Op op = forward;
  VjpCategory category = kind;
  string function = cppFunction;
  list<string> operands = operandNames;
}

/// Ops through which no gradient flows: integer or boolean results, constants, detach.
class NoGradient<list<Op> opList> { list<Op> ops = opList; }

/// Ops that regimen-decompose-composites replaces by those that autograd runs.
class Composite<list<Op> opList> { list<Op> ops = opList; }

/// How an op depends on its tensor operands, for the proof that each scale factor enters a gradient once.
/// Additive: linear in all of `operands` together, so all carry the same factors, and the result does too.
/// Multilinear: linear in each of `operands`, so the result carries the factors of all of them.
/// Other tensor operands must not depend on the loss's gradient.
class Linearity<string kindName, list<string> operandNames, list<Op> opList> {
  string kind = kindName;
  list<string> operands = operandNames;
  list<Op> ops = opList;
}

#endif // REGIMEN_DIALECTS_ATEN_RULES_VJPRULE
