//===- Pointwise.cpp - Gradients of pointwise ops with scalars or cases ---===//
#include "passes/autodiff/rules/Rules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace regimen::passes;

/// The value of a constant Scalar; fails with a diagnostic for one that is computed.
static FailureOr<double> constantOf(Value scalar, Location loc) {
  Attribute attr;
  if (!matchPattern(scalar, m_Constant(&attr)))
    return emitError(loc) << "the gradient needs this scalar to be a constant";
  if (auto value = dyn_cast<FloatAttr>(attr))
    return value.getValueAsDouble();
  return double(cast<IntegerAttr>(attr).getInt());
}

void rules::add(VjpContext &c) {
  if (c.wants("self"))
    c.set("self", c.grad());
  if (c.wants("other"))
    c.set("other", c.aten().maybeMultiply(c.grad(), c.operand("alpha")));
}

void rules::sub(VjpContext &c) {
  if (c.wants("other"))
    c.set("other", c.aten().maybeMultiply(c.aten().neg(c.grad()), c.operand("alpha")));
  if (c.wants("self"))
    c.set("self", c.grad());
}

void rules::rsub(VjpContext &c) {
  if (c.wants("self"))
    c.set("self", c.aten().maybeMultiply(c.aten().neg(c.grad()), c.operand("alpha")));
}

void rules::addcmul(VjpContext &c) {
  AtenBuilder &a = c.aten();
  Value value = c.operand("value") ? c.operand("value") : a.scalar(int64_t(1));
  if (c.wants("self"))
    c.set("self", c.grad());
  if (c.wants("tensor1"))
    c.set("tensor1", a.mul(c.grad(), a.mulScalar(c.operand("tensor2"), value)));
  if (c.wants("tensor2"))
    c.set("tensor2", a.mul(c.grad(), a.mulScalar(c.operand("tensor1"), value)));
}

void rules::addcdiv(VjpContext &c) {
  AtenBuilder &a = c.aten();
  Value value = c.operand("value") ? c.operand("value") : a.scalar(int64_t(1));
  Value tensor2 = c.operand("tensor2");
  if (c.wants("self"))
    c.set("self", c.grad());
  if (c.wants("tensor1")) {
    // value / tensor2 is tensor2.reciprocal() * value.
    Value ratio = a.mulScalar(a.call("aten::reciprocal", {{tensor2}}), value);
    c.set("tensor1", a.mul(c.grad(), ratio));
  }
  if (c.wants("tensor2")) {
    Value ratio = a.div(a.mulScalar(c.operand("tensor1"), value), a.mul(tensor2, tensor2));
    c.set("tensor2", a.mul(a.neg(c.grad()), ratio));
  }
}

void rules::lerp(VjpContext &c) {
  AtenBuilder &a = c.aten();
  if (c.wants("end"))
    c.set("end", a.mulScalar(c.grad(), c.operand("weight")));
  if (!c.wants("self"))
    return;
  FailureOr<double> weight = constantOf(c.operand("weight"), a.location());
  if (succeeded(weight))
    c.set("self", a.mulScalar(c.grad(), a.scalar(1 - *weight)));
}

void rules::powScalar(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  FailureOr<double> exponent = constantOf(c.operand("exponent"), a.location());
  if (failed(exponent))
    return;
  if (*exponent == 0.0)
    return c.set("self", a.zeros(typeOf(c.operand("self"))));
  Value power = a.powScalar(c.operand("self"), a.scalar(*exponent - 1));
  c.set("self", a.mul(c.grad(), a.mulScalar(power, a.scalar(*exponent))));
}

void rules::powTensor(VjpContext &c) {
  AtenBuilder &a = c.aten();
  Value self = c.operand("self"), exponent = c.operand("exponent"), zero = a.scalar(0.0);
  auto isZero = [&](Value x) { return a.call("aten::eq.Scalar", {{x}, {zero}}); };
  auto zeroWhere = [&](Value condition, Value x) {
    return a.call("aten::where.ScalarSelf", {{condition}, {zero}, {x}});
  };
  if (c.wants("exponent")) {
    Value positive = a.call("aten::ge.Scalar", {{exponent}, {zero}});
    Value condition = a.call("aten::logical_and", {{isZero(self)}, {positive}});
    Value scaled = a.mul(c.result(), a.call("aten::log", {{self}}));
    c.set("exponent", a.mul(c.grad(), zeroWhere(condition, scaled)));
  }
  if (c.wants("self")) {
    Value less = a.call("aten::sub.Scalar", {{exponent}, {a.scalar(int64_t(1))}, {}});
    Value power = a.call("aten::pow.Tensor_Tensor", {{self}, {less}});
    c.set("self", a.mul(c.grad(), zeroWhere(isZero(exponent), a.mul(exponent, power))));
  }
}

void rules::zero(VjpContext &c) {
  if (c.wants("self"))
    c.set("self", c.aten().zeros(typeOf(c.operand("self"))));
}

void rules::divMode(VjpContext &c) {
  AtenBuilder &a = c.aten();
  if (c.attr("rounding_mode")) {
    for (StringRef name : {"self", "other"})
      if (c.wants(name))
        c.set(name, a.zeros(typeOf(c.operand(name))));
    return;
  }
  Value self = c.operand("self"), other = c.operand("other");
  if (c.wants("other"))
    c.set("other", a.mul(a.neg(c.grad()), a.div(a.div(self, other), other)));
  if (c.wants("self"))
    c.set("self", a.div(c.grad(), other));
}

void rules::powBase(VjpContext &c) {
  if (!c.wants("exponent"))
    return;
  AtenBuilder &a = c.aten();
  FailureOr<double> base = constantOf(c.operand("self"), a.location());
  if (failed(base))
    return;
  if (*base <= 0) {
    emitError(a.location()) << "the gradient of a power needs a positive base, not " << *base;
    return;
  }
  c.set("exponent", a.mul(c.grad(), a.mulScalar(c.result(), a.scalar(std::log(*base)))));
}

void rules::xlogy(VjpContext &c) {
  AtenBuilder &a = c.aten();
  Value self = c.operand("self"), other = c.operand("other");
  if (c.wants("self")) {
    Value zero = a.scalar(0.0);
    Value undefined = a.call("aten::logical_and", {{a.call("aten::eq.Scalar", {{self}, {zero}})},
                                                   {a.call("aten::le.Scalar", {{other}, {zero}})}});
    Value grad = a.call("aten::xlogy.Tensor", {{c.grad()}, {other}});
    c.set("self", a.call("aten::masked_fill.Scalar", {{grad}, {undefined}, {zero}}));
  }
  if (c.wants("other"))
    c.set("other", a.div(a.mul(c.grad(), self), other));
}

void rules::clampTensor(VjpContext &c) {
  AtenBuilder &a = c.aten();
  Value self = c.operand("self"), min = c.operand("min"), max = c.operand("max");
  auto test = [&](StringRef name, Value x, Value y) { return a.call(name, {{x}, {y}}); };
  auto where = [&](Value mask) {
    return a.call("aten::where.ScalarOther", {{mask}, {c.grad()}, {a.scalar(0.0)}});
  };
  if (c.wants("min")) {
    Value below = test("aten::lt.Tensor", self, min);
    c.set("min",
          where(max ? test("aten::logical_and", test("aten::lt.Tensor", min, max), below) : below));
  }
  if (c.wants("max")) {
    Value above = test("aten::gt.Tensor", self, max);
    c.set("max",
          where(min ? test("aten::logical_or", above, test("aten::lt.Tensor", max, min)) : above));
  }
  if (c.wants("self")) {
    Value mask;
    if (min)
      mask = test("aten::ge.Tensor", self, min);
    if (max) {
      Value below = test("aten::le.Tensor", self, max);
      mask = mask ? test("aten::logical_and", mask, below) : below;
    }
    c.set("self", mask ? where(mask) : c.grad());
  }
}

void rules::elu(VjpContext &c) {
  if (!c.wants("self"))
    return;
  int64_t one = 1;
  c.set("self", c.aten().call("aten::elu_backward",
                              {{c.grad()},
                               {c.scalarOr("alpha", one)},
                               {c.scalarOr("scale", one)},
                               {c.scalarOr("input_scale", one)},
                               {c.operand("self")}},
                              {c.aten().boolean("is_result", false)}));
}

void rules::hardtanh(VjpContext &c) {
  if (c.wants("self"))
    c.set("self", c.aten().call("aten::hardtanh_backward", {{c.grad()},
                                                            {c.operand("self")},
                                                            {c.scalarOr("min_val", int64_t(-1))},
                                                            {c.scalarOr("max_val", int64_t(1))}}));
}

void rules::clamp(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  Value self = c.operand("self"), mask;
  if (Value min = c.operand("min"))
    mask = a.call("aten::ge.Scalar", {{self}, {min}});
  if (Value max = c.operand("max")) {
    Value below = a.call("aten::le.Scalar", {{self}, {max}});
    mask = mask ? a.call("aten::logical_and", {{mask}, {below}}) : below;
  }
  c.set("self",
        mask ? a.call("aten::where.ScalarOther", {{mask}, {c.grad()}, {a.scalar(0.0)}}) : c.grad());
}

void rules::leakyRelu(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  Value slope = c.scalarOr("negative_slope", 0.01);
  c.set("self", a.call("aten::leaky_relu_backward", {{c.grad()}, {c.operand("self")}, {slope}},
                       {a.boolean("self_is_result", false)}));
}

void rules::softplus(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  Value beta = c.scalarOr("beta", int64_t(1)), threshold = c.scalarOr("threshold", int64_t(20));
  c.set("self",
        a.call("aten::softplus_backward", {{c.grad()}, {c.operand("self")}, {beta}, {threshold}}));
}

/// maximum and minimum: ties share the gradient, and `loses` tells where an operand does not count.
static void extremum(VjpContext &c, StringRef selfLoses, StringRef otherLoses) {
  AtenBuilder &a = c.aten();
  Value self = c.operand("self"), other = c.operand("other");
  auto cotangent = [&](StringRef loses) {
    Value half = a.divScalar(c.grad(), a.scalar(int64_t(2)));
    Value shared = a.call("aten::where.self",
                          {{a.call("aten::eq.Tensor", {{self}, {other}})}, {half}, {c.grad()}});
    Value lost = a.call(loses, {{self}, {other}});
    return a.call("aten::masked_fill.Scalar", {{shared}, {lost}, {a.scalar(int64_t(0))}});
  };
  if (c.wants("other"))
    c.set("other", cotangent(otherLoses));
  if (c.wants("self"))
    c.set("self", cotangent(selfLoses));
}

void rules::maximum(VjpContext &c) { extremum(c, "aten::lt.Tensor", "aten::gt.Tensor"); }
void rules::minimum(VjpContext &c) { extremum(c, "aten::gt.Tensor", "aten::lt.Tensor"); }
