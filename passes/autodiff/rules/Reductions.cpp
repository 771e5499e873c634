//===- Reductions.cpp - Gradients of reductions and scans -----------------===//
#include "passes/autodiff/rules/Rules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

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
  c.set("self", a.mul(a.div(grad, a.sum(mask, dims, true)), mask));
}

void rules::max(VjpContext &c) {
  if (!c.wants("self"))
    return;
  // evenly_distribute_backward: ties share the gradient.
  AtenBuilder &a = c.aten();
  Value mask = a.call("aten::eq.Tensor", {{c.operand("self")}, {c.result()}});
  c.set("self", a.mul(mask, a.div(c.grad(), a.call("aten::sum", {{mask}}))));
}

void rules::cumsum(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  RankedTensorType type = typeOf(c.operand("self"));
  Value grad = a.to(c.grad(), type.getElementType());
  int64_t dim = c.integer("dim", 0);
  if (type.getNumElements() > 1 && type.getDimSize(wrapDim(dim, type.getRank())) != 1) {
    auto flip = [&](Value x) { return a.call("aten::flip", {{x}}, {a.ints("dims", {dim})}); };
    grad = flip(a.call("aten::cumsum", {{flip(grad)}}, {a.i64("dim", dim)}));
  }
  c.set("self", grad);
}

/// var_backward: 2 / (n - correction) * grad * (self - mean). Null, with a diagnostic, where that
/// is not finite.
static Value varBackward(VjpContext &c, Value grad) {
  AtenBuilder &a = c.aten();
  Value self = c.operand("self");
  int64_t count =
      typeOf(self).getNumElements() / std::max<int64_t>(typeOf(c.result()).getNumElements(), 1);
  double correction = 1;
  if (Value given = c.operand("correction")) {
    Attribute constant;
    if (!matchPattern(given, m_Constant(&constant))) {
      emitError(a.location()) << "the gradient needs the correction to be a constant";
      return {};
    }
    auto real = dyn_cast<FloatAttr>(constant);
    correction = real ? real.getValueAsDouble() : double(cast<IntegerAttr>(constant).getInt());
  }
  if (double(count) - correction <= 0) {
    emitError(a.location()) << "the variance of " << count << " elements with correction "
                            << correction << " has no gradient";
    return {};
  }
  SmallVector<int64_t> dims = dimsOf(c);
  auto given = dyn_cast_or_null<DenseI64ArrayAttr>(c.attr("dim"));
  bool all = !given || given.empty();
  Value mean = all ? a.call("aten::mean", {{self}})
                   : a.call("aten::mean.dim", {{self}},
                            {a.ints("dim", given.asArrayRef()), a.boolean("keepdim", true)});
  if (!all)
    grad = restoreDims(c, grad, dims);
  Value difference = a.sub(self, mean);
  return a.mul(a.mulScalar(grad, a.scalar(2.0 / (double(count) - correction))), difference);
}

void rules::var(VjpContext &c) {
  if (c.wants("self"))
    c.set("self", varBackward(c, c.grad()));
}

/// `x` with zeros where `norm` is zero.
static Value zeroWhereZero(AtenBuilder &a, Value x, Value norm) {
  Value mask = a.call("aten::eq.Scalar", {{norm}, {a.scalar(int64_t(0))}});
  return a.call("aten::masked_fill.Scalar", {{x}, {mask}, {a.scalar(int64_t(0))}});
}

void rules::std(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  Value grad = a.div(c.grad(), a.mulScalar(c.result(), a.scalar(int64_t(2))));
  c.set("self", varBackward(c, zeroWhereZero(a, grad, c.result())));
}

void rules::vectorNorm(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  Attribute order;
  Value given = c.operand("ord"), self = c.operand("self");
  if (given)
    matchPattern(given, m_Constant(&order));
  auto is = [&](int64_t number) {
    if (auto real = dyn_cast_or_null<FloatAttr>(order))
      return real.getValueAsDouble() == double(number);
    auto integer = dyn_cast_or_null<IntegerAttr>(order);
    return integer ? integer.getInt() == number : !given && number == 2;
  };
  bool all = !c.attr("dim") || cast<DenseI64ArrayAttr>(c.attr("dim")).empty();
  auto restored = [&](Value x) { return all ? x : restoreDims(c, x, dimsOf(c)); };
  Value grad = restored(c.grad()), norm = restored(c.result());
  if (is(1))
    return c.set("self", a.mul(a.call("aten::sgn", {{self}}), grad));
  if (is(2))
    return c.set("self", a.mul(grad, zeroWhereZero(a, a.div(self, norm), norm)));
  emitError(a.location()) << "the gradient of a norm of this order is not supported: only of the "
                             "orders 1 and 2";
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
