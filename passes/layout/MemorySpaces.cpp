//===- MemorySpaces.cpp - Which memory a value is in ----------------------===//
#include "passes/layout/MemorySpaces.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

MemorySpaces::MemorySpaces(train::ProgramOp program)
    : symbols(program->getParentOfType<ModuleOp>()) {
  for (auto bucket : program->getParentOfType<ModuleOp>().getOps<dist::BucketOp>())
    for (auto parameter : bucket.getParameters().getAsRange<FlatSymbolRefAttr>())
      buckets[parameter.getValue()] = bucket;
  // In order, so that of() never goes far back.
  for (Operation &op : program.getBody().front())
    for (Value result : op.getResults())
      of(result);
}

dist::Space MemorySpaces::ofStorage(StringRef symbol) const {
  auto segment = symbols.lookup<dist::SegmentOp>(symbol);
  StringRef whole = segment ? segment.getStorage() : symbol;
  auto state = symbols.lookup<train::StateOp>(whole);
  dist::BucketOp bucket = buckets.lookup(state ? state.getParameter() : whole);
  bool onHost = bucket && (state ? bucket.getHostStates()
                                 : segment && symbols.lookup<train::ParameterOp>(whole) &&
                                       bucket.getHostParameters());
  return onHost ? dist::Space::Host : dist::Space::Device;
}

dist::Space MemorySpaces::of(Value value) {
  if (auto it = known.find(value); it != known.end())
    return it->second;
  dist::Space space = dist::Space::Device;
  Operation *op = value.getDefiningOp();
  if (auto move = llvm::dyn_cast_if_present<dist::MoveOp>(op))
    space = move.getTo();
  else if (auto read = llvm::dyn_cast_if_present<train::ReadOp>(op))
    space = ofStorage(read.getSymbol());
  else if (op)
    for (Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()) && of(operand) == dist::Space::Host)
        space = dist::Space::Host;
  known[value] = space;
  return space;
}
