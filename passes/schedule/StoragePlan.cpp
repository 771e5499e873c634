//===- StoragePlan.cpp - Which storage a program's values get -------------===//
#include "passes/schedule/StoragePlan.h"

#include "dialects/aten/AtenOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

StoragePlan::StoragePlan(train::ProgramOp program, const LayoutAnalysis &layouts)
    : layouts(layouts) {
  findLive(program);
  findUses();
  placeWrites();
  takeOverBuffers();
  findActivations();
}

SmallVector<unsigned> StoragePlan::keptOutputs(train::ProgramOp program) {
  SmallVector<unsigned> kept;
  for (std::optional<uint64_t> index : {program.getLoss(), program.getGradNorm()})
    if (index && !llvm::is_contained(kept, *index))
      kept.push_back(*index);
  return kept;
}

void StoragePlan::findLive(train::ProgramOp program) {
  Block &block = program.getBody().front();
  llvm::DenseSet<Value> needed;
  for (unsigned index : keptOutputs(program))
    needed.insert(block.getTerminator()->getOperand(index));
  for (Operation &op : llvm::reverse(block)) {
    bool isReturn = &op == block.getTerminator();
    if (!isReturn && !isa<train::WriteOp>(op) &&
        llvm::none_of(op.getResults(), [&](Value result) { return needed.contains(result); }))
      continue;
    live.insert(&op);
    if (!isReturn)
      needed.insert(op.operand_begin(), op.operand_end());
  }
  for (Operation &op : block)
    if (live.contains(&op)) {
      indices[&op] = ops.size();
      ops.push_back(&op);
    }
  for (Value value : needed)
    if (isa<RankedTensorType>(value.getType()) &&
        llvm::is_contained(block.getTerminator()->getOperands(), value))
      lastUses[layouts.baseOf(value)] = ops.size();
}

void StoragePlan::findUses() {
  for (auto [index, op] : llvm::enumerate(ops)) {
    if (auto read = dyn_cast<train::ReadOp>(op))
      readsOf[read.getSymbolAttr()].push_back(read);
    if (auto write = dyn_cast<train::WriteOp>(op))
      writesOf[write.getSymbolAttr()].push_back(write);
    auto touch = [&](Value value) {
      if (!isa<RankedTensorType>(value.getType()))
        return;
      size_t &last = lastUses[layouts.baseOf(value)];
      last = std::max<size_t>(last, index);
    };
    if (layouts.isView(op) || op == op->getBlock()->getTerminator())
      continue;
    llvm::for_each(op->getOperands(), touch);
    llvm::for_each(op->getResults(), touch);
  }
}

//===----------------------------------------------------------------------===//
// Results made in the storage they are written to
//===----------------------------------------------------------------------===//

void StoragePlan::placeWrites() {
  for (Operation *op : ops) {
    auto write = dyn_cast<train::WriteOp>(op);
    if (!write)
      continue;
    Value base = layouts.baseOf(write.getValue());
    auto read = base.getDefiningOp<train::ReadOp>();
    bool sameStorage = read && read.getSymbolAttr() == write.getSymbolAttr();
    if (sameStorage && layouts.layoutOf(write.getValue()).sameAs(layouts.layoutOf(base))) {
      inPlace.insert(write);
    } else if (canMakeInPlace(write)) {
      inPlace.insert(write);
      destinations[base] = write.getSymbolAttr();
    } else {
      for (train::ReadOp old : readsOf.lookup(write.getSymbolAttr()))
        if (indexOf(old) < indexOf(write) && (lastUse(old) > indexOf(write) || old == read))
          copiedReads.insert(old);
    }
  }
}

bool StoragePlan::canMakeInPlace(train::WriteOp write) const {
  Value base = layouts.baseOf(write.getValue());
  Operation *maker = base.getDefiningOp();
  if (!maker || isa<train::ReadOp, aten::ConstantOp>(maker) || destinations.contains(base))
    return false;
  // The value written is the whole of what is made, element by element in the storage's order.
  const Layout &value = layouts.layoutOf(write.getValue()), &made = layouts.layoutOf(base);
  if (value.offset != 0 || !value.isContiguous() || value.numElements() != made.numElements() ||
      !made.isNonOverlappingAndDense() ||
      getElementTypeOrSelf(base.getType()) != getElementTypeOrSelf(write.getValue().getType()))
    return false;
  if (writesOf.lookup(write.getSymbolAttr()).size() != 1)
    return false;
  // Nobody needs the old contents from where the new ones are made on, but an elementwise maker
  // itself.
  const KernelRecord *kernel = layouts.kernelOf(maker);
  for (train::ReadOp old : readsOf.lookup(write.getSymbolAttr())) {
    if (indexOf(old) > indexOf(write))
      continue;
    if (lastUse(old) > indexOf(maker))
      return false;
    for (Value operand : maker->getOperands())
      if (isa<RankedTensorType>(operand.getType()) && layouts.baseOf(operand) == old.getResult() &&
          !(kernel && kernel->elementwise && layouts.layoutOf(operand).sameAs(made)))
        return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Buffers taken over
//===----------------------------------------------------------------------===//

void StoragePlan::takeOverBuffers() {
  for (Operation *op : ops)
    if (const KernelRecord *kernel = layouts.kernelOf(op); kernel && kernel->elementwise)
      takeOverBuffer(op);
}

void StoragePlan::takeOverBuffer(Operation *op) {
  Value result = op->getResult(0);
  if (destinations.contains(result))
    return;
  auto ownsBuffer = [&](Value base) {
    Operation *maker = base.getDefiningOp();
    return maker && !isa<train::ReadOp, aten::ConstantOp>(maker) && !destinations.contains(base);
  };
  for (Value operand : op->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType()) || operand.getType() != result.getType())
      continue;
    Value base = layouts.baseOf(operand), buffer = bufferOf(base);
    // Broadcast operands and windows differ from the result's layout or do not fill their buffer.
    if (!ownsBuffer(base) || lastUse(buffer) != indexOf(op) ||
        !layouts.layoutOf(operand).sameAs(layouts.layoutOf(result)) ||
        layouts.layoutOf(base).numElements() != layouts.layoutOf(result).numElements())
      continue;
    bool others = llvm::all_of(op->getOperands(), [&](Value other) {
      return !isa<RankedTensorType>(other.getType()) || bufferOf(layouts.baseOf(other)) != buffer ||
             layouts.layoutOf(other).sameAs(layouts.layoutOf(result));
    });
    if (!others)
      continue;
    takenOver[result] = buffer;
    lastUses[buffer] = lastUse(result);
    return;
  }
}

void StoragePlan::findActivations() {
  size_t seed = ops.size();
  for (auto [index, op] : llvm::enumerate(ops))
    if (isa<train::SeedOp>(op))
      seed = index;
  for (auto [base, last] : lastUses) {
    Operation *maker = base.getDefiningOp();
    bool backward = maker && indexOf(maker) >= seed;
    if (backward || (seed < ops.size() && last > seed))
      activations.insert(bufferOf(base));
  }
}
