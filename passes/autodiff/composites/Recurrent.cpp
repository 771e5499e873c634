//===- Recurrent.cpp - Cells and layers of recurrent networks -------------===//
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

namespace {

/// nn.LSTM step by step, as ATen computes it where oneDNN does not.
class Lstm {
public:
  Lstm(AtenBuilder &a, aten::LstmInputOp op)
      : a(a), op(op), perLayer(op.getHasBiases() ? 4 : 2),
        directions(op.getBidirectional() ? 2 : 1) {}

  SmallVector<Value> build() {
    if (!isSupported())
      return {};
    Value sequence = op.getInput();
    if (op.getBatchFirst())
      sequence = a.transpose(sequence, 0, 1);
    for (int64_t layer = 0, e = op.getNumLayers(); layer < e; ++layer) {
      SmallVector<Value> outputs;
      for (int64_t direction = 0; direction < directions; ++direction)
        outputs.push_back(run(sequence, layer * directions + direction, direction == 1));
      sequence = directions == 1 ? outputs[0] : a.cat(outputs, -1);
    }
    if (op.getBatchFirst())
      sequence = a.transpose(sequence, 0, 1);
    return {sequence, stack(lastHidden), stack(lastCell)};
  }

private:
  bool isSupported() {
    const char *problem = nullptr;
    if (op.getTrain() && !op.getDropout().isZero() && op.getNumLayers() > 1)
      problem = "dropout is not supported: export the model with dropout 0";
    else if (int64_t(op.getParams().size()) != perLayer * directions * int64_t(op.getNumLayers()))
      problem = "proj_size is not supported: apply a linear layer to its output";
    if (problem)
      op.emitError() << "LSTM with " << problem;
    return !problem;
  }

  /// One direction of one layer: its outputs, in the order of the input.
  Value run(Value sequence, int64_t index, bool backwards) {
    ValueRange params = op.getParams().slice(index * perLayer, perLayer);
    Value hidden = a.select(op.getHx()[0], 0, index), cell = a.select(op.getHx()[1], 0, index);
    ArrayRef<int64_t> sizes = sizesOf(sequence);
    int64_t steps = sizes[0], batch = sizes[1], width = sizesOf(hidden).back();
    Value rows = a.view(sequence, {steps * batch, sizes[2]});
    Value fromInput = linear(a, rows, params[0], perLayer == 4 ? params[2] : Value());
    Operation *inputs = a.op("aten::unbind.int", {{a.view(fromInput, {steps, batch, 4 * width})}},
                             {a.i64("dim", 0)});
    SmallVector<Value> outputs(steps);
    for (int64_t i = 0; i < steps; ++i) {
      int64_t step = backwards ? steps - 1 - i : i;
      Value gates = a.add(linear(a, hidden, params[1], perLayer == 4 ? params[3] : Value()),
                          inputs->getResult(step));
      Operation *parts =
          a.op("aten::split.Tensor", {{gates}}, {a.i64("split_size", width), a.i64("dim", 1)});
      auto gate = [&](unsigned which, StringRef activation) {
        return a.call(activation, {{parts->getResult(which)}});
      };
      Value in = gate(0, "aten::sigmoid"), forget = gate(1, "aten::sigmoid"),
            candidate = gate(2, "aten::tanh"), out = gate(3, "aten::sigmoid");
      Value kept = a.mul(forget, cell);
      cell = a.add(kept, a.mul(in, candidate));
      hidden = a.mul(out, a.call("aten::tanh", {{cell}}));
      outputs[step] = hidden;
    }
    lastHidden.push_back(hidden);
    lastCell.push_back(cell);
    return stack(outputs);
  }

  Value stack(ArrayRef<Value> values) {
    return a.call("aten::stack", {SmallVector<Value>(values)}, {a.i64("dim", 0)});
  }

  AtenBuilder &a;
  aten::LstmInputOp op;
  int64_t perLayer, directions;
  SmallVector<Value> lastHidden, lastCell;
};

} // namespace

static SmallVector<Value> lstm(AtenBuilder &a, aten::LstmInputOp op) { return Lstm(a, op).build(); }

void passes::addRecurrentPatterns(RewritePatternSet &patterns) {
  addDecomposition(patterns, gruCell);
  addDecomposition(patterns, lstm);
  addDecomposition(
      patterns,
      +[](AtenBuilder &a, aten::RnnTanhCellOp op) { return simpleCell(a, op, "aten::tanh"); });
  addDecomposition(
      patterns,
      +[](AtenBuilder &a, aten::RnnReluCellOp op) { return simpleCell(a, op, "aten::relu"); });
}
