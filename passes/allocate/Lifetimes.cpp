//===- Lifetimes.cpp - When the buffers of a program are alive ------------===//
#include "passes/allocate/Lifetimes.h"

#include <array>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

constexpr size_t kLanes = 3;
/// Per lane: how many leading instructions of the program are known to be done as far as that lane
/// is concerned.
using Clock = std::array<uint32_t, kLanes>;

exec::BufferOp bufferOf(Value tensor) {
  return tensor.getDefiningOp<exec::ViewOp>().getBuffer().getDefiningOp<exec::BufferOp>();
}

class Walker {
public:
  explicit Walker(exec::ProgramOp program) : program(program) {
    for (auto buffer : program.getBody().getOps<exec::BufferOp>())
      lifetimes.insert({buffer, Lifetime()});
  }

  llvm::MapVector<exec::BufferOp, Lifetime> run() {
    SmallVector<exec::InstructionOpInterface> instructions = program.getInstructions();
    for (auto [index, instruction] : llvm::enumerate(instructions)) {
      current = static_cast<uint32_t>(index);
      visit(instruction);
    }
    for (Value output : program.getBody().front().getTerminator()->getOperands())
      if (exec::BufferOp buffer = bufferOf(output); buffer && !instructions.empty())
        touch(buffer, current, current);
    return std::move(lifetimes);
  }

private:
  void visit(exec::InstructionOpInterface instruction) {
    size_t lane = static_cast<size_t>(instruction.getLane());
    if (auto record = dyn_cast<exec::RecordOp>(*instruction)) {
      events[record.getEvent()] = clocks[lane];
      events[record.getEvent()][lane] = current;
      return;
    }
    if (auto wait = dyn_cast<exec::WaitOp>(*instruction)) {
      for (auto [mine, theirs] : llvm::zip(clocks[lane], events[wait.getEvent()]))
        mine = std::max(mine, theirs);
      return;
    }
    uint32_t first = firstThatMayRun(lane);
    for (Value tensor : instruction.getReadTensors())
      touch(bufferOf(tensor), first, current);
    for (Value tensor : instruction.getWrittenTensors())
      touch(bufferOf(tensor), first, current);
    if (Value scratch = instruction.getScratchBuffer())
      touch(scratch.getDefiningOp<exec::BufferOp>(), first, current);
    issued[lane].push_back(current);
  }

  /// First instruction of another lane that is not known to be done now, or the current one.
  uint32_t firstThatMayRun(size_t lane) const {
    uint32_t first = current;
    for (size_t other = 0; other < kLanes; ++other) {
      if (other == lane)
        continue;
      auto it = llvm::lower_bound(issued[other], clocks[lane][other]);
      if (it != issued[other].end())
        first = std::min(first, *it);
    }
    return first;
  }

  void touch(exec::BufferOp buffer, uint32_t first, uint32_t last) {
    if (!buffer) // static
      return;
    Lifetime &lifetime = lifetimes[buffer];
    bool isNew = touched.insert(buffer).second;
    lifetime.first = isNew ? first : std::min(lifetime.first, first);
    lifetime.last = isNew ? last : std::max(lifetime.last, last);
  }

  exec::ProgramOp program;
  llvm::MapVector<exec::BufferOp, Lifetime> lifetimes;
  llvm::DenseSet<Operation *> touched;
  std::array<std::vector<uint32_t>, kLanes> issued; // instructions that touch memory, ascending
  std::array<Clock, kLanes> clocks{};
  llvm::DenseMap<uint64_t, Clock> events;
  uint32_t current = 0;
};

} // namespace

llvm::MapVector<exec::BufferOp, Lifetime>
regimen::passes::computeLifetimes(exec::ProgramOp program) {
  return Walker(program).run();
}
