//===- Reductions.cpp - Gradients of reductions and scans -----------------===//
#include "passes/autodiff/rules/Rules.h"

using namespace mlir;
using namespace regimen::passes;

/// `x` with the dimensions that a reduction of `self` removed put back as 1.
static Value restoreDims(VjpContext &c, Value x, ArrayRef<int64_t> dims) {
  if (c.flag("keepdim", false))
    return x;
  SmallVector<int64_t> sorted(dims);
  llvm::sort(sorted);
  for (int64_t dim : sorted)
    x = c.aten().unsqueeze(x, dim);
  return x;
}

static SmallVector<int64_t> dimsOf(VjpContext &c) {
  return reducedDims(dyn_cast_or_null<DenseI64ArrayAttr>(c.attr("dim")),
                     typeOf(c.operand("self")).getRank());
}

/// sum_backward: the gradient spread over the reduced dimensions.
static Value spread(VjpContext &c) {
  ArrayRef<int64_t> sizes = sizesOf(c.operand("self"));
  auto dims = dyn_cast_or_null<DenseI64ArrayAttr>(c.attr("dim"));
  bool all = !dims || dims.empty();
  return c.aten().expand(all ? c.grad() : restoreDims(c, c.grad(), dimsOf(c)), sizes);
}

void rules::sum(VjpContext &c) {
  if (c.wants("self"))
    c.set("self", spread(c));
}

void rules::mean(VjpContext &c) {
  if (!c.wants("self"))
    return;
  int64_t count = typeOf(c.operand("self")).getNumElements() /
                  std::max<int64_t>(typeOf(c.result()).getNumElements(), 1);
  c.set("self", c.aten().divScalar(spread(c), c.aten().scalar(count)));
}

void rules::amax(VjpContext &c) {
  if (!c.wants("self"))
    return;
  // scale_grad_by_count: ties share the gradient.
  AtenBuilder &a = c.aten();
  SmallVector<int64_t> dims = dimsOf(c);
  Value grad = restoreDims(c, c.grad(), dims);
  Value mask = a.call("aten::eq.Tensor", {{restoreDims(c, c.result(), dims)}, {c.operand("self")}});
  Value scaled = a.mul(grad, mask);
  c.set("self", a.div(scaled, a.sum(mask, dims, true)));
}

void rules::logsumexp(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  SmallVector<int64_t> dims = dimsOf(c);
  Value grad = restoreDims(c, c.grad(), dims);
  Value difference = a.sub(c.operand("self"), restoreDims(c, c.result(), dims));
  c.set("self", a.mul(grad, a.call("aten::exp", {{difference}})));
}
