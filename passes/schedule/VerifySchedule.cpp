//===- VerifySchedule.cpp - The stage's invariants ------------------------===//
//
// Shares only collectAccesses() with the pass that assigns events.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Accesses.h"
#include "passes/schedule/Passes.h"

#include "llvm/ADT/MapVector.h"
#include <array>

namespace regimen::passes {
#define GEN_PASS_DEF_VERIFYSCHEDULEPASS
#include "passes/schedule/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

/// Instructions done, by lane: those before it on its own lane and what it waited for.
using Clock = std::array<size_t, kLanes>;

/// Clock of every instruction, from records and waits alone. Fails if an event is recorded twice,
/// or waited for first.
LogicalResult computeClocks(exec::ProgramOp program, SmallVectorImpl<Clock> &clocks) {
  std::array<Clock, kLanes> lanes{};
  llvm::DenseMap<int64_t, Clock> recorded;
  for (exec::InstructionOpInterface instruction : program.getInstructions()) {
    auto lane = size_t(instruction.getLane());
    if (auto wait = dyn_cast<exec::WaitOp>(*instruction)) {
      auto it = recorded.find(wait.getEvent());
      if (it == recorded.end())
        return wait.emitOpError() << "waits for event " << wait.getEvent()
                                  << ", which is recorded by nothing before it";
      for (size_t other = 0; other < kLanes; ++other)
        lanes[lane][other] = std::max(lanes[lane][other], it->second[other]);
    }
    ++lanes[lane][lane];
    clocks.push_back(lanes[lane]);
    if (auto record = dyn_cast<exec::RecordOp>(*instruction))
      if (!recorded.try_emplace(record.getEvent(), lanes[lane]).second)
        return record.emitOpError() << "records event " << record.getEvent() << " a second time";
  }
  return success();
}

LogicalResult verifyOrder(exec::ProgramOp program, ArrayRef<SmallVector<Access>> accesses) {
  SmallVector<Clock> clocks;
  if (failed(computeClocks(program, clocks)))
    return failure();
  SmallVector<exec::InstructionOpInterface> instructions = program.getInstructions();
  /// Accesses so far with their instruction's index, by buffer and lane.
  llvm::DenseMap<Value, std::array<SmallVector<std::pair<Access, size_t>>, kLanes>> earlier;
  for (auto [index, instruction] : llvm::enumerate(instructions)) {
    auto lane = size_t(instruction.getLane());
    for (const Access &access : accesses[index])
      for (size_t other = 0; other < kLanes; ++other) {
        if (other == lane)
          continue;
        for (auto &[before, beforeIndex] : earlier[access.buffer][other])
          if (access.conflictsWith(before) && clocks[beforeIndex][other] > clocks[index][other]) {
            auto diagnostic = instruction.emitOpError()
                              << "on lane " << exec::stringifyLane(instruction.getLane())
                              << " touches what lane " << exec::stringifyLane(exec::Lane(other))
                              << " touches, and no event orders the two";
            diagnostic.attachNote(before.instruction->getLoc()) << "the other access";
            return diagnostic;
          }
      }
    for (const Access &access : accesses[index])
      earlier[access.buffer][lane].push_back({access, index});
  }
  return success();
}

/// Byte ranges, merged where they touch.
class Ranges {
public:
  void add(int64_t begin, int64_t end) {
    auto it = ranges.upper_bound(begin);
    if (it != ranges.begin() && std::prev(it)->second >= begin)
      --it;
    while (it != ranges.end() && it->first <= end) {
      begin = std::min(begin, it->first);
      end = std::max(end, it->second);
      it = ranges.erase(it);
    }
    ranges[begin] = end;
  }
  bool covers(int64_t begin, int64_t end) const {
    auto it = ranges.upper_bound(begin);
    return begin >= end || (it != ranges.begin() && std::prev(it)->second >= end);
  }

private:
  std::map<int64_t, int64_t> ranges;
};

/// A forward leaves its frame complete.
LogicalResult verifySaved(exec::ProgramOp program, llvm::DenseMap<Value, Ranges> &written) {
  llvm::DenseMap<Attribute, Value> gets;
  for (auto get : program.getBody().getOps<exec::GetOp>())
    gets.try_emplace(get.getSymbolAttr().getAttr(), get);
  for (auto frame : program->getParentOfType<ModuleOp>().getOps<exec::FrameOp>()) {
    Value get = gets.lookup(frame.getSymNameAttr());
    if (frame.getBytes() && !(get && written[get].covers(0, frame.getBytes())))
      return program.emitOpError() << "does not write all of " << frame.getSymNameAttr()
                                   << ", from which its backwards go on";
  }
  return success();
}

/// What is read of the program's own buffers was written before, or brought by the caller.
LogicalResult verifyDefined(exec::ProgramOp program, ArrayRef<SmallVector<Access>> accesses) {
  llvm::DenseMap<Value, Ranges> written;
  for (auto given : program.getBody().getOps<exec::GivenOp>()) {
    auto view = given.getTensor().getDefiningOp<exec::ViewOp>();
    auto [begin, end] = view.getSpan();
    written[view.getBuffer()].add(begin, end);
  }
  for (const SmallVector<Access> &instruction : accesses) {
    for (const Access &access : instruction)
      if (!access.writes && access.buffer.getDefiningOp<exec::BufferOp>() &&
          !written[access.buffer].covers(access.begin, access.end))
        return access.instruction->emitOpError()
               << "reads bytes " << access.begin << " to " << access.end << " of buffer "
               << access.buffer.getDefiningOp<exec::BufferOp>().getNameAttr()
               << " before they are written";
    for (const Access &access : instruction)
      if (access.writes)
        written[access.buffer].add(access.begin, access.end);
  }
  if (program.getSegment() == train::Segment::Forward)
    return verifySaved(program, written);
  return success();
}

/// Where a storage symbol lies: bytes of its buffer, or, of what is sharded, of the buffer that the
/// whole bucket would have.
struct Window {
  int64_t begin, end;
  exec::BindOp bind;
};

Window windowOf(exec::BindOp bind) {
  int64_t begin = bind.getOffset();
  if (std::optional<exec::SegmentAttr> segment = bind.getSegment()) {
    int64_t bytes = exec::elementBytes(bind.getTensorType().getElementType());
    begin = segment->getBegin() * bytes;
    return {begin, begin + segment->getElements() * bytes, bind};
  }
  return {begin, begin + exec::spanBytes(bind.getTensorType()), bind};
}

/// Every storage symbol has one place, whole or by its segment, and no two share bytes.
LogicalResult verifyStorage(ModuleOp module) {
  llvm::MapVector<Attribute, SmallVector<Window>> windows;
  llvm::DenseMap<Attribute, exec::BindOp> binds;
  llvm::DenseMap<Attribute, dist::SegmentOp> segments;
  for (auto segment : module.getOps<dist::SegmentOp>())
    segments[segment.getStorageAttr().getAttr()] = segment;
  for (auto bind : module.getOps<exec::BindOp>())
    if (!binds.try_emplace(bind.getStorageAttr().getAttr(), bind).second)
      return bind.emitOpError() << "places " << bind.getStorageAttr() << " a second time";
  for (auto bind : module.getOps<exec::BindOp>()) {
    auto segment = module.lookupSymbol<dist::SegmentOp>(bind.getStorageAttr());
    if (segment && binds.contains(segment.getStorageAttr().getAttr())) {
      exec::BindOp whole = binds[segment.getStorageAttr().getAttr()];
      Window part = windowOf(bind), all = windowOf(whole);
      if (bind.getBufferAttr() != whole.getBufferAttr() || part.begin != all.begin ||
          part.end != all.end)
        return bind.emitOpError() << "places the segment of " << segment.getStorageAttr()
                                  << " elsewhere than the whole";
      continue;
    }
    windows[bind.getBufferAttr()].push_back(windowOf(bind));
  }
  for (auto &[buffer, list] : windows) {
    llvm::sort(list, [](const Window &a, const Window &b) { return a.begin < b.begin; });
    for (size_t i = 1; i < list.size(); ++i)
      if (list[i].begin < list[i - 1].end)
        return list[i].bind.emitOpError() << "places " << list[i].bind.getStorageAttr() << " over "
                                          << list[i - 1].bind.getStorageAttr();
  }
  for (auto storage : module.getOps<train::StorageOpInterface>()) {
    StringAttr name = SymbolTable::getSymbolName(storage);
    dist::SegmentOp segment = segments.lookup(name);
    if (!binds.contains(name) && !(segment && binds.contains(segment.getSymNameAttr())))
      return storage->emitOpError() << "has no place: no exec.bind names it";
  }
  return success();
}

exec::MemorySpace spaceOf(Value buffer) {
  if (auto own = buffer.getDefiningOp<exec::BufferOp>())
    return own.getSpace();
  auto get = buffer.getDefiningOp<exec::GetOp>();
  auto state = SymbolTable::lookupNearestSymbolFrom<exec::StaticOp>(get, get.getSymbolAttr());
  return state ? state.getSpace() : exec::MemorySpace::Device;
}

/// Everything but a move touches one memory: calls either, what else there is the device's.
LogicalResult verifySpaces(ArrayRef<SmallVector<Access>> accesses) {
  for (const SmallVector<Access> &instruction : accesses) {
    if (instruction.empty())
      continue;
    Operation *op = instruction.front().instruction;
    auto call = dyn_cast<exec::CallOp>(op);
    bool device = false, host = false;
    for (const Access &access : instruction)
      (spaceOf(access.buffer) == exec::MemorySpace::Host ? host : device) = true;
    if (call && call.getKernel() == "regimen::move") {
      if (!(device && host) || call.getLane() != exec::Lane::Copy)
        return op->emitOpError() << "is a move, but not from one memory to the other on lane copy";
    } else if (host && (device || !call)) {
      return op->emitOpError() << (device ? "touches buffers of the device and of the host"
                                          : "touches a buffer of the host");
    }
  }
  return success();
}

struct VerifySchedulePass : passes::impl::VerifySchedulePassBase<VerifySchedulePass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(verifyStorage(module)))
      return signalPassFailure();
    for (auto program : module.getOps<train::ProgramOp>()) {
      program.emitOpError() << "was not lowered to an exec.program";
      return signalPassFailure();
    }
    for (auto program : module.getOps<exec::ProgramOp>()) {
      SmallVector<SmallVector<Access>> accesses = collectAccesses(program);
      if (failed(verifyOrder(program, accesses)) || failed(verifyDefined(program, accesses)) ||
          failed(verifySpaces(accesses)))
        return signalPassFailure();
    }
  }
};

} // namespace
