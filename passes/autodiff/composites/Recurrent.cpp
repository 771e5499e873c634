//===- Recurrent.cpp - Cells of recurrent networks ------------------------===//
#include "passes/autodiff/composites/Composites.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

static Value linear(AtenBuilder &a, Value x, Value weight, Value bias) {
  Value transposed = a.t(weight);
  return bias ? a.call("aten::addmm", {{bias}, {x}, {transposed}, {}, {}}) : a.mm(x, transposed);
}

template <typename CellOp>
static Value simpleCell(AtenBuilder &a, CellOp op, StringRef activation) {
  Value hidden = linear(a, op.getHx(), op.getWHh(), op.getBHh());
  Value input = linear(a, op.getInput(), op.getWIh(), op.getBIh());
  return a.call(activation, {{a.add(hidden, input)}});
}

static Value gruCell(AtenBuilder &a, aten::GruCellOp op) {
  Value hidden = op.getHx();
  int64_t width = sizesOf(hidden)[1];
  auto gates = [&](Value x, Value weight, Value bias) {
    return a.op("aten::split.Tensor", {{linear(a, x, weight, bias)}},
                {a.i64("split_size", width), a.i64("dim", 1)});
  };
  Operation *fromInput = gates(op.getInput(), op.getWIh(), op.getBIh());
  Operation *fromHidden = gates(hidden, op.getWHh(), op.getBHh());
  auto gate = [&](unsigned i) {
    Value sum = a.add(fromHidden->getResult(i), fromInput->getResult(i));
    return a.call("aten::sigmoid", {{sum}});
  };
  Value reset = gate(0), update = gate(1);
  Value kept = a.mul(fromHidden->getResult(2), reset);
  Value candidate = a.call("aten::tanh", {{a.add(fromInput->getResult(2), kept)}});
  return a.add(a.mul(a.sub(hidden, candidate), update), candidate);
}

void passes::addRecurrentPatterns(RewritePatternSet &patterns) {
  addDecomposition(patterns, gruCell);
  addDecomposition(
      patterns,
      +[](AtenBuilder &a, aten::RnnTanhCellOp op) { return simpleCell(a, op, "aten::tanh"); });
  addDecomposition(
      patterns,
      +[](AtenBuilder &a, aten::RnnReluCellOp op) { return simpleCell(a, op, "aten::relu"); });
}
