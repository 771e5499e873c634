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

/// Buffers that instructions of different lanes touch in turn may share bytes only if events order
/// the two. So a buffer lives on, beyond what touches it, up to the last instruction of another
/// lane that may run before that is done.
class Walker {
public:
  explicit Walker(exec::ProgramOp program)
      : program(program), instructions(program.getInstructions()) {
    for (auto buffer : program.getBody().getOps<exec::BufferOp>())
      lifetimes.insert({buffer, Lifetime()});
  }

  llvm::MapVector<exec::BufferOp, Lifetime> run() {
    computeClocks();
    for (auto [index, instruction] : llvm::enumerate(instructions))
      visit(instruction, static_cast<uint32_t>(index));
    if (!instructions.empty())
      for (Value output : program.getBody().front().getTerminator()->getOperands()) {
        auto last = static_cast<uint32_t>(instructions.size() - 1);
        touch(bufferOf(output), last, last);
      }
    return std::move(lifetimes);
  }

private:
  /// What every instruction that touches memory knows to be done, by its lane, in order.
  void computeClocks() {
    std::array<Clock, kLanes> lanes{};
    llvm::DenseMap<uint64_t, Clock> events;
    for (auto [index, instruction] : llvm::enumerate(instructions)) {
      size_t lane = static_cast<size_t>(instruction.getLane());
      if (auto record = dyn_cast<exec::RecordOp>(*instruction)) {
        events[record.getEvent()] = lanes[lane];
        events[record.getEvent()][lane] = static_cast<uint32_t>(index);
      } else if (auto wait = dyn_cast<exec::WaitOp>(*instruction)) {
        for (auto [mine, theirs] : llvm::zip(lanes[lane], events[wait.getEvent()]))
          mine = std::max(mine, theirs);
      } else {
        issued[lane].push_back({static_cast<uint32_t>(index), lanes[lane]});
      }
    }
  }

  void visit(exec::InstructionOpInterface instruction, uint32_t index) {
    if (isa<exec::RecordOp, exec::WaitOp>(*instruction))
      return;
    uint32_t last = lastBefore(static_cast<size_t>(instruction.getLane()), index);
    for (Value tensor : instruction.getReadTensors())
      touch(bufferOf(tensor), index, last);
    for (Value tensor : instruction.getWrittenTensors())
      touch(bufferOf(tensor), index, last);
    if (Value scratch = instruction.getScratchBuffer())
      touch(scratch.getDefiningOp<exec::BufferOp>(), index, last);
  }

  /// The last instruction of another lane behind `index` that does not know it to be done, or
  /// `index`.
  uint32_t lastBefore(size_t lane, uint32_t index) const {
    uint32_t last = index;
    for (size_t other = 0; other < kLanes; ++other) {
      if (other == lane)
        continue;
      // What a lane knows only grows.
      auto it = llvm::partition_point(issued[other], [&](const Issued &later) {
        return later.index < index || later.known[lane] <= index;
      });
      if (it != issued[other].begin())
        last = std::max(last, std::prev(it)->index);
    }
    return last;
  }

  void touch(exec::BufferOp buffer, uint32_t first, uint32_t last) {
    if (!buffer) // static
      return;
    Lifetime &lifetime = lifetimes[buffer];
    bool isNew = touched.insert(buffer).second;
    lifetime.first = isNew ? first : std::min(lifetime.first, first);
    lifetime.last = isNew ? last : std::max(lifetime.last, last);
  }

  struct Issued {
    uint32_t index;
    Clock known;
  };

  exec::ProgramOp program;
  SmallVector<exec::InstructionOpInterface> instructions;
  llvm::MapVector<exec::BufferOp, Lifetime> lifetimes;
  llvm::DenseSet<Operation *> touched;
  std::array<std::vector<Issued>, kLanes> issued;
};

} // namespace

llvm::MapVector<exec::BufferOp, Lifetime>
regimen::passes::computeLifetimes(exec::ProgramOp program) {
  return Walker(program).run();
}
