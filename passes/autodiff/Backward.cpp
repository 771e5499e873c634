//===- Backward.cpp - The backward of a program ---------------------------===//
#include "passes/autodiff/Backward.h"

#include "passes/autodiff/Vjp.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

train::ProgramOp passes::findForward(ModuleOp module) {
  train::ProgramOp forward;
  for (auto program : module.getOps<train::ProgramOp>()) {
    if (program.getRole() != train::Role::Forward)
      continue;
    if (forward) {
      program.emitError() << "is a second forward program; a module has one";
      return {};
    }
    forward = program;
  }
  if (!forward)
    emitError(module.getLoc()) << "the module has no forward program to differentiate";
  return forward;
}

Backward::Backward(train::ProgramOp program, const ActivityAnalysis &activity)
    : activity(activity), ops(program.getBody().front().getTerminator()) {
  Block &block = program.getBody().front();
  for (Operation &op : block.without_terminator())
    forward.push_back(&op);
  for (auto read : block.getOps<train::ReadOp>())
    reads.try_emplace(read.getSymbol(), read.getResult());
}

void Backward::seed(Value value, Value gradient) {
  AtenBuilder aten(ops, value.getLoc());
  accumulate(aten, value, gradient);
}

LogicalResult Backward::run() {
  for (Operation *op : llvm::reverse(forward))
    if (isa<aten::AtenOpInterface>(op) && failed(differentiate(op)))
      return failure();
  return success();
}

Value Backward::gradientOf(StringRef name) const {
  auto read = reads.find(name);
  return read == reads.end() ? Value() : gradients.lookup(read->second);
}

LogicalResult Backward::differentiate(Operation *op) {
  SmallVector<Value> arrived =
      llvm::map_to_vector(op->getResults(), [&](Value result) { return gradients.lookup(result); });
  SmallVector<bool> wanted = llvm::map_to_vector(
      op->getOperands(), [&](Value operand) { return activity.isActive(operand); });
  if (llvm::none_of(arrived, [](Value v) { return bool(v); }) || !llvm::is_contained(wanted, true))
    return success();
  const VjpRule *rule = lookupVjp(op);
  if (!rule)
    return op->emitError() << op->getName()
                           << " has no derivative: detach its operands, or write it with other ops";
  if (rule->kind == VjpKind::Composite)
    return op->emitError() << op->getName()
                           << " is composite: run regimen-decompose-composites first";
  if (rule->kind == VjpKind::NoGradient)
    return success();
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (wanted[i] && !isDifferentiable(*rule, op, i))
      return op->emitError() << op->getName() << " has no derivative of its argument '"
                             << argumentOf(op, i)
                             << "', which depends on what wants a gradient: detach it, or write "
                                "the operation with other ops";
  if (failed(checkResults(op, arrived)))
    return failure();

  VjpContext context(ops, op, arrived, wanted);
  rule->function(context);
  return propagate(op, wanted, context.cotangents());
}

/// Only ops that give pieces have rules for the gradients of further results.
LogicalResult Backward::checkResults(Operation *op, ArrayRef<Value> arrived) {
  if (op->hasTrait<aten::ViewLike>())
    return success();
  for (size_t i = 1; i < arrived.size(); ++i)
    if (arrived[i])
      return op->emitError() << op->getName() << " has no derivative of its result " << i;
  return success();
}

LogicalResult Backward::propagate(Operation *op, ArrayRef<bool> wanted,
                                  ArrayRef<Value> cotangents) {
  // All are reduced to their operand's type before any is added, as the engine does.
  AtenBuilder aten(ops, op->getLoc());
  SmallVector<Value> reduced(cotangents);
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    if (!wanted[i])
      continue;
    RankedTensorType type = typeOf(operand);
    if (!reduced[i] && type.getNumElements() == 0)
      continue;
    if (!reduced[i])
      return op->emitError() << op->getName() << " has no derivative of operand " << i;
    reduced[i] = aten.to(aten.sumTo(reduced[i], type.getShape()), type.getElementType());
    if (reduced[i].getType() != type)
      return op->emitError() << "the gradient of operand " << i << " of " << op->getName()
                             << " has type " << reduced[i].getType() << " instead of " << type;
  }
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (wanted[i] && reduced[i])
      accumulate(aten, operand, reduced[i]);
  return success();
}

void Backward::accumulate(AtenBuilder &aten, Value value, Value contribution) {
  // A parameter has one gradient however often it is read.
  if (auto read = value.getDefiningOp<train::ReadOp>())
    value = reads.lookup(read.getSymbol());
  Value &gradient = gradients[value];
  gradient = gradient ? aten.add(gradient, contribution) : contribution;
}
