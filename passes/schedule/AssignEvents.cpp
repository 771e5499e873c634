//===- AssignEvents.cpp - Order accesses of several lanes -----------------===//
#include "passes/schedule/Accesses.h"
#include "passes/schedule/Passes.h"

#include <array>

namespace regimen::passes {
#define GEN_PASS_DEF_ASSIGNEVENTSPASS
#include "passes/schedule/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

/// How many instructions of the program, by lane, are known to be done: an instruction's index plus
/// one.
using Clock = std::array<size_t, kLanes>;

struct AssignEventsPass : passes::impl::AssignEventsPassBase<AssignEventsPass> {
  void runOnOperation() override {
    exec::ProgramOp program = getOperation();
    SmallVector<exec::InstructionOpInterface> instructions = program.getInstructions();
    SmallVector<SmallVector<Access>> accesses = collectAccesses(program);
    llvm::DenseMap<Operation *, size_t> indices;
    llvm::DenseMap<Value, SmallVector<Access>> earlier;
    std::array<Clock, kLanes> known{};
    SmallVector<Clock> done(instructions.size());
    /// The event recorded behind an instruction.
    llvm::DenseMap<Operation *, int64_t> events;
    int64_t count = program.getEvents();
    OpBuilder builder(program.getContext());

    /// The instruction that records an event which the program has already.
    llvm::DenseMap<int64_t, size_t> recorded;

    for (auto [index, instruction] : llvm::enumerate(instructions)) {
      indices[instruction] = index;
      auto lane = size_t(instruction.getLane());
      if (auto record = dyn_cast<exec::RecordOp>(*instruction))
        recorded[record.getEvent()] = index;
      if (auto wait = dyn_cast<exec::WaitOp>(*instruction))
        if (auto it = recorded.find(wait.getEvent()); it != recorded.end())
          for (size_t other = 0; other < kLanes; ++other)
            known[lane][other] = std::max(known[lane][other], done[it->second][other]);
      std::array<Operation *, kLanes> last{};
      for (const Access &access : accesses[index])
        for (const Access &before : earlier[access.buffer]) {
          auto other = size_t(cast<exec::InstructionOpInterface>(before.instruction).getLane());
          if (other != lane && access.conflictsWith(before) &&
              indices[before.instruction] >= known[lane][other] &&
              (!last[other] || indices[last[other]] < indices[before.instruction]))
            last[other] = before.instruction;
        }
      for (Operation *before : last) {
        if (!before)
          continue;
        auto [event, isNew] = events.try_emplace(before, count);
        if (isNew) {
          ++count;
          builder.setInsertionPointAfter(before);
          exec::RecordOp::create(builder, before->getLoc(), event->second,
                                 cast<exec::InstructionOpInterface>(before).getLane());
        }
        builder.setInsertionPoint(instruction);
        exec::WaitOp::create(builder, instruction.getLoc(), event->second, instruction.getLane());
        for (size_t other = 0; other < kLanes; ++other)
          known[lane][other] = std::max(known[lane][other], done[indices[before]][other]);
      }
      known[lane][lane] = index + 1;
      done[index] = known[lane];
      for (const Access &access : accesses[index])
        earlier[access.buffer].push_back(access);
    }
    program.setEvents(count);
  }
};

} // namespace
