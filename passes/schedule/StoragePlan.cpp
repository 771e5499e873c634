//===- StoragePlan.cpp - Which storage a program's values get -------------===//
#include "passes/schedule/StoragePlan.h"

#include "dialects/aten/AtenOps.h"
#include "dialects/dist/DistDialect.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

StoragePlan::StoragePlan(train::ProgramOp program, const LayoutAnalysis &layouts)
    : layouts(layouts) {
  findLive(program);
  findUses();
  placeWrites();
  findCallers(program);
  takeOverBuffers();
  findActivations(program.getSegment());
}

exec::Category StoragePlan::categoryOf(Value buffer) const {
  if (activations.contains(buffer))
    return exec::Category::Activations;
  return buffer.getDefiningOp<dist::MoveOp>() ? exec::Category::Comm : exec::Category::Workspace;
}

SmallVector<unsigned> StoragePlan::keptOutputs(train::ProgramOp program) {
  SmallVector<unsigned> kept;
  if (program.getGives()) {
    llvm::append_range(kept, llvm::seq<unsigned>(0, program.getOutputs().size()));
    return kept;
  }
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
    // To wait for a move needs no move.
    auto moved = dyn_cast<dist::MovedOp>(op);
    if (!isReturn && !(moved && needed.contains(moved.getValue())) &&
        !isa<train::WriteOp, train::AccumulateOp, dist::StartOp, dist::WaitOp, dist::ReleaseOp>(
            op) &&
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

static bool isSaved(train::WriteOp write) {
  return SymbolTable::lookupNearestSymbolFrom<train::SavedOp>(write, write.getSymbolAttr()) !=
         nullptr;
}

bool StoragePlan::canMakeInPlace(train::WriteOp write) const {
  Value base = layouts.baseOf(write.getValue());
  Operation *maker = base.getDefiningOp();
  if (!maker || isa<train::ReadOp, aten::ConstantOp>(maker) || destinations.contains(base))
    return false;
  // The value written is the whole of what is made, element by element in the storage's order; what
  // is saved keeps its own.
  const Layout &value = layouts.layoutOf(write.getValue()), &made = layouts.layoutOf(base);
  bool ordered = value.isContiguous() || isSaved(write);
  if (value.offset != 0 || !ordered || value.numElements() != made.numElements() ||
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
// The caller's tensors
//===----------------------------------------------------------------------===//

Layout StoragePlan::callerLayout(const LayoutAnalysis &layouts, Value value) {
  const Layout &layout = layouts.layoutOf(value);
  if (layout.offset != 0 || !layout.isNonOverlappingAndDense())
    return contiguousLayout(layout.sizes);
  return layout;
}

void StoragePlan::findCallers(train::ProgramOp program) {
  if (!program.getGives())
    return;
  Block &block = program.getBody().front();
  for (Value argument : block.getArguments())
    callers[argument] = std::nullopt;
  for (auto [index, value] : llvm::enumerate(block.getTerminator()->getOperands())) {
    Value base = layouts.baseOf(value);
    Operation *maker = base.getDefiningOp();
    const Layout &layout = layouts.layoutOf(value);
    // Made where the caller wants it, unless the storage is somebody else's or more than the
    // output.
    if (maker && !isa<train::ReadOp, aten::ConstantOp>(maker) && !destinations.contains(base) &&
        layout.offset == 0 && layout.isNonOverlappingAndDense() &&
        layout.numElements() == layouts.layoutOf(base).numElements())
      callers.try_emplace(base, index);
  }
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
  if (destinations.contains(result) || callers.contains(result))
    return;
  auto ownsBuffer = [&](Value base) {
    Operation *maker = base.getDefiningOp();
    return maker && !isa<train::ReadOp, aten::ConstantOp>(maker) && !destinations.contains(base) &&
           !callers.contains(base);
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

void StoragePlan::findActivations(train::Segment segment) {
  size_t seed = segment == train::Segment::Backward ? 0 : ops.size();
  for (auto [index, op] : llvm::enumerate(ops))
    if (isa<train::SeedOp>(op))
      seed = index;
  for (auto [base, last] : lastUses) {
    Operation *maker = base.getDefiningOp();
    bool backward = maker && indexOf(maker) >= seed;
    if (backward || (seed < ops.size() && last > seed))
      activations.insert(bufferOf(base));
  }
  // What the backward gets by way of the host is one until it is there.
  if (seed < ops.size())
    for (Operation *op : ops)
      if (auto move = dyn_cast<dist::MoveOp>(op))
        activations.insert(bufferOf(layouts.baseOf(move.getValue())));
}
