//===- ActivityAnalysis.cpp - Which values need a gradient ----------------===//
#include "passes/autodiff/ActivityAnalysis.h"

#include "passes/autodiff/Vjp.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

static bool isFloat(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

/// Whether a gradient could flow from a result of `op` to its operand `index`. An op without a rule
/// counts, and so does an operand that its rule leaves out: differentiating it must fail rather
/// than stop silently.
static bool isPath(Operation *op, unsigned index) {
  if (!isa<aten::AtenOpInterface>(op) || !isFloat(op->getOperand(index)))
    return false;
  const VjpRule *rule = lookupVjp(op);
  return !rule || rule->kind != VjpKind::NoGradient;
}

SmallVector<Value> passes::readsOfTrainable(train::ProgramOp program, SymbolTable &symbols) {
  SmallVector<Value> reads;
  for (auto read : program.getBody().getOps<train::ReadOp>())
    if (auto parameter = symbols.lookup<train::ParameterOp>(read.getSymbol());
        parameter && parameter.getTrainable())
      reads.push_back(read);
  return reads;
}

DependenceAnalysis::DependenceAnalysis(train::ProgramOp program, ArrayRef<Value> sources) {
  dependent.insert(sources.begin(), sources.end());
  for (Operation &op : program.getBody().front()) {
    bool depends = false;
    for (OpOperand &operand : op.getOpOperands())
      depends |= dependent.contains(operand.get()) && isPath(&op, operand.getOperandNumber());
    if (depends)
      for (Value result : op.getResults())
        if (isFloat(result))
          dependent.insert(result);
  }
}

ActivityAnalysis::ActivityAnalysis(train::ProgramOp program, ArrayRef<Value> sources,
                                   ArrayRef<Value> sinks) {
  DependenceAnalysis dependence(program, sources);
  for (Value sink : sinks)
    if (dependence.requiresGrad(sink))
      active.insert(sink);
  for (Operation &op : llvm::reverse(program.getBody().front())) {
    if (llvm::none_of(op.getResults(), [&](Value result) { return active.contains(result); }))
      continue;
    for (OpOperand &operand : op.getOpOperands())
      if (dependence.requiresGrad(operand.get()) && isPath(&op, operand.getOperandNumber()))
        active.insert(operand.get());
  }
}

static Value lossOf(train::ProgramOp program) {
  return program.getBody().front().getTerminator()->getOperand(*program.getLoss());
}

ActivityAnalysis::ActivityAnalysis(train::ProgramOp program, SymbolTable &symbols)
    : ActivityAnalysis(program, readsOfTrainable(program, symbols), lossOf(program)) {}
