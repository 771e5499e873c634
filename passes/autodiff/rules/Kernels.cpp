//===- Kernels.cpp - Gradients of matrix products and big kernels ---------===//
#include "passes/autodiff/rules/Rules.h"
#include "passes/layout/EagerLayout.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace regimen::passes;

/// The cotangent of x in x @ y (mm_mat1_backward): column-major if x is.
static Value mat1Cotangent(AtenBuilder &a, Value grad, Value x, Value y, Value alpha) {
  Value product = eagerLayoutOf(x).isColumnMajor() ? a.t(a.mm(y, a.t(grad))) : a.mm(grad, a.t(y));
  return a.maybeMultiply(product, alpha);
}

/// The cotangent of y in x @ y (mm_mat2_backward): column-major if y is.
static Value mat2Cotangent(AtenBuilder &a, Value grad, Value x, Value y, Value alpha) {
  Value product = eagerLayoutOf(y).isColumnMajor() ? a.t(a.mm(a.t(grad), x)) : a.mm(a.t(x), grad);
  return a.maybeMultiply(product, alpha);
}

void rules::mm(VjpContext &c) {
  Value x = c.operand("self"), y = c.operand("mat2");
  if (c.wants("mat2"))
    c.set("mat2", mat2Cotangent(c.aten(), c.grad(), x, y, Value()));
  if (c.wants("self"))
    c.set("self", mat1Cotangent(c.aten(), c.grad(), x, y, Value()));
}

void rules::addmm(VjpContext &c) {
  Value x = c.operand("mat1"), y = c.operand("mat2"), alpha = c.operand("alpha");
  if (c.wants("mat1"))
    c.set("mat1", mat1Cotangent(c.aten(), c.grad(), x, y, alpha));
  if (c.wants("mat2"))
    c.set("mat2", mat2Cotangent(c.aten(), c.grad(), x, y, alpha));
  if (c.wants("self"))
    c.set("self", c.aten().maybeMultiply(c.grad(), c.operand("beta")));
}

void rules::baddbmm(VjpContext &c) {
  AtenBuilder &a = c.aten();
  Value x = c.operand("batch1"), y = c.operand("batch2"), alpha = c.operand("alpha");
  if (c.wants("batch1"))
    c.set("batch1", a.maybeMultiply(a.bmm(c.grad(), a.transpose(y, 1, 2)), alpha));
  if (c.wants("batch2"))
    c.set("batch2", a.maybeMultiply(a.bmm(a.transpose(x, 1, 2), c.grad()), alpha));
  if (c.wants("self"))
    c.set("self", a.maybeMultiply(c.grad(), c.operand("beta")));
}

void rules::mv(VjpContext &c) {
  AtenBuilder &a = c.aten();
  Value self = c.operand("self"), vec = c.operand("vec");
  if (c.wants("self"))
    c.set("self", a.mul(a.view(c.grad(), {sizesOf(self)[0], 1}), vec));
  if (c.wants("vec"))
    c.set("vec", a.call("aten::mv", {{a.t(self)}, {c.grad()}}));
}

/// Sets the cotangents of `names` from the first results of `op`.
static void setAll(VjpContext &c, Operation *op, ArrayRef<StringRef> names) {
  if (!op)
    return;
  for (auto [i, name] : llvm::enumerate(names))
    if (c.wants(name))
      c.set(name, op->getResult(i));
}

/// Attribute `output_mask`: which of `names` are wanted.
static NamedAttribute outputMask(VjpContext &c, ArrayRef<StringRef> names) {
  return c.aten().bools("output_mask",
                        llvm::map_to_vector(names, [&](StringRef name) { return c.wants(name); }));
}

void rules::convolution(VjpContext &c) {
  StringRef names[] = {"input", "weight", "bias"};
  SmallVector<NamedAttribute> attributes{outputMask(c, names)};
  for (StringRef name : {"stride", "padding", "dilation", "transposed", "output_padding", "groups"})
    attributes.emplace_back(name, c.attr(name));
  if (Value bias = c.operand("bias"))
    attributes.push_back(c.aten().ints("bias_sizes", sizesOf(bias)));
  setAll(c,
         c.aten().op("aten::convolution_backward",
                     {{c.grad()}, {c.operand("input")}, {c.operand("weight")}}, attributes),
         names);
}

void rules::nativeLayerNorm(VjpContext &c) {
  StringRef names[] = {"input", "weight", "bias"};
  setAll(c,
         c.aten().op("aten::native_layer_norm_backward",
                     {{c.grad()},
                      {c.operand("input")},
                      {c.result(1)},
                      {c.result(2)},
                      c.operands("weight"),
                      c.operands("bias")},
                     {NamedAttribute("normalized_shape", c.attr("normalized_shape")),
                      outputMask(c, names)}),
         names);
}

void rules::prelu(VjpContext &c) {
  setAll(c,
         c.aten().op("aten::_prelu_kernel_backward",
                     {{c.grad()}, {c.operand("self")}, {c.operand("weight")}}),
         {"self", "weight"});
}

void rules::batchNorm(VjpContext &c) {
  StringRef names[] = {"input", "weight", "bias"};
  // In training the kernel reads the batch's statistics only, and the running ones have moved on.
  bool training = c.hasArgument("training");
  SmallVector<Value> none;
  setAll(c,
         c.aten().op("aten::native_batch_norm_backward",
                     {{c.grad()},
                      {c.operand("input")},
                      c.operands("weight"),
                      training ? none : c.operands("running_mean"),
                      training ? none : c.operands("running_var"),
                      {c.result(1)},
                      {c.result(2)}},
                     {c.aten().boolean("train", training), NamedAttribute("eps", c.attr("eps")),
                      outputMask(c, names)}),
         names);
}

void rules::nativeGroupNorm(VjpContext &c) {
  StringRef names[] = {"input", "weight", "bias"};
  SmallVector<NamedAttribute> attributes{outputMask(c, names)};
  for (StringRef name : {"N", "C", "HxW", "group"})
    attributes.emplace_back(name, c.attr(name));
  // The kernel wants contiguous tensors; a clone of one that is already costs a copy, not bits.
  auto contiguous = [&](Value x) {
    return eagerLayoutOf(x).isContiguous()
               ? x
               : c.aten().call("aten::clone", {{x}}, {c.aten().i64("memory_format", 0)});
  };
  setAll(c,
         c.aten().op("aten::native_group_norm_backward",
                     {{contiguous(c.grad())},
                      {contiguous(c.operand("input"))},
                      {c.result(1)},
                      {c.result(2)},
                      c.operands("weight")},
                     attributes),
         names);
}

void rules::flashAttentionForCpu(VjpContext &c) {
  AtenBuilder &a = c.aten();
  SmallVector<NamedAttribute> attributes{
      NamedAttribute("dropout_p", c.attr("dropout_p", c.builder().getF64FloatAttr(0.0))),
      a.boolean("is_causal", c.flag("is_causal", false))};
  if (Attribute scale = c.attr("scale"))
    attributes.emplace_back("scale", scale);
  setAll(c,
         a.op("aten::_scaled_dot_product_flash_attention_for_cpu_backward",
              {{c.grad()},
               {c.operand("query")},
               {c.operand("key")},
               {c.operand("value")},
               {c.result(0)},
               {c.result(1)},
               c.operands("attn_mask")},
              attributes),
         {"query", "key", "value"});
}

void rules::binaryCrossEntropy(VjpContext &c) {
  AtenBuilder &a = c.aten();
  if (c.wants("target")) {
    emitError(a.location()) << "binary_cross_entropy has no derivative of its target: detach it";
    return;
  }
  if (c.wants("self"))
    c.set("self",
          a.call("aten::binary_cross_entropy_backward",
                 {{c.grad()}, {c.operand("self")}, {c.operand("target")}, c.operands("weight")},
                 {a.i64("reduction", c.integer("reduction", 1))}));
}

void rules::binaryCrossEntropyWithLogits(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  Value self = c.operand("self"), target = c.operand("target");
  Value probability = a.call("aten::sigmoid", {{self}}), grad;
  if (Value weight = c.operand("pos_weight")) {
    Value scaled = a.mul(weight, target);
    Value factor =
        a.sub(a.call("aten::add.Scalar", {{scaled}, {a.scalar(int64_t(1))}, {}}), target);
    grad = a.mul(a.sub(a.mul(factor, probability), scaled), c.grad());
  } else {
    grad = a.mul(a.sub(probability, target), c.grad());
  }
  if (Value weight = c.operand("weight"))
    grad = a.mul(grad, weight);
  if (c.integer("reduction", 1) == 1)
    grad = a.divScalar(grad, a.scalar(typeOf(self).getNumElements()));
  c.set("self", grad);
}
