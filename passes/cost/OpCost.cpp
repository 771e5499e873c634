//===- OpCost.cpp - How long ops and transfers take -----------------------===//
#include "passes/cost/OpCost.h"

#include "llvm/ADT/StringMap.h"
#include <cmath>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {
#include "passes/cost/Costs.cpp.inc"
} // namespace

static double elementsOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type ? static_cast<double>(type.getNumElements()) : 0;
}

static double bytesOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return 0;
  return elementsOf(value) * std::max(1.0, type.getElementTypeBitWidth() / 8.0);
}

/// 2 m k n of matrices x [.., m, k] and y [.., k, n].
static double productOf(Value x, Value result) {
  ArrayRef<int64_t> sizes = cast<RankedTensorType>(x.getType()).getShape();
  return 2 * elementsOf(result) * (sizes.empty() ? 1.0 : static_cast<double>(sizes.back()));
}

double costs::matrixProduct(Operation *op) {
  return productOf(op->getOperand(0), op->getResult(0));
}

double costs::addedMatrixProduct(Operation *op) {
  return productOf(op->getOperand(1), op->getResult(0));
}

double costs::convolution(Operation *op) {
  Value weight = op->getOperand(1);
  auto channels = static_cast<double>(cast<RankedTensorType>(weight.getType()).getShape().front());
  return 2 * elementsOf(op->getResult(0)) * elementsOf(weight) / std::max(channels, 1.0);
}

double costs::convolutionBackward(Operation *op) {
  // Operands: gradient of the output, input, weight.
  Value weight = op->getOperand(2);
  auto channels = static_cast<double>(cast<RankedTensorType>(weight.getType()).getShape().front());
  return 4 * elementsOf(op->getOperand(0)) * elementsOf(weight) / std::max(channels, 1.0);
}

/// 4 b h l s d of query [b, h, l, d] and key [b, h, s, d].
static double attentionOf(Value query, Value key) {
  ArrayRef<int64_t> sizes = cast<RankedTensorType>(key.getType()).getShape();
  auto length = static_cast<double>(sizes.size() > 1 ? sizes[sizes.size() - 2] : 1);
  return 4 * elementsOf(query) * length;
}

double costs::attention(Operation *op) { return attentionOf(op->getOperand(0), op->getOperand(1)); }

double costs::attentionBackward(Operation *op) {
  return 2.5 * attentionOf(op->getOperand(1), op->getOperand(2));
}

double passes::secondsOf(Operation *op, const MachineModel &machine) {
  if (!isa<aten::AtenOpInterface>(op) || op->hasTrait<aten::ViewLike>())
    return 0;
  double bytes = 0;
  for (Value operand : op->getOperands())
    bytes += bytesOf(operand);
  for (Value result : op->getResults())
    bytes += bytesOf(result);
  CostRule rule = costTable().lookup(op->getName().getStringRef());
  return std::max(bytes / machine.memoryBytesPerSecond,
                  rule ? rule(op) / machine.flopsPerSecond : 0.0);
}

bool passes::computesMoreThanItMoves(Operation *op) {
  return costTable().contains(op->getName().getStringRef());
}

double passes::transferSeconds(double bytes, const MachineModel &machine) {
  return machine.linkLatency + bytes / machine.linkBytesPerSecond;
}
