//===- PlanMemory.cpp - Give every buffer its arena and offset ------------===//
#include "passes/allocate/Lifetimes.h"
#include "passes/allocate/MemoryPlanner.h"
#include "passes/allocate/Passes.h"

#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace regimen::passes {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "passes/allocate/Passes.h.inc"

namespace {

/// A program with the buffers to place.
struct Work {
  exec::ProgramOp program;
  std::vector<exec::BufferOp> buffers;
  std::vector<Interval> intervals;
  uint64_t lowerBound = 0;
};

/// Largest sum of aligned bytes alive at one instruction.
uint64_t findLowerBound(ArrayRef<Interval> intervals) {
  std::map<uint32_t, uint64_t> changes; // modulo 2^64
  for (const Interval &interval : intervals) {
    uint64_t bytes = llvm::alignTo(interval.bytes, exec::kAlignment);
    changes[interval.first] += bytes;
    changes[interval.last + 1] -= bytes;
  }
  uint64_t live = 0, most = 0;
  for (auto [instruction, change] : changes)
    most = std::max(most, live += change);
  return most;
}

struct PlanMemoryPass : impl::PlanMemoryPassBase<PlanMemoryPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    planStatic(makeArena(symbols, "static", exec::MemoryClass::Static));
    planWork(makeArena(symbols, "work", exec::MemoryClass::Work));
  }

  exec::ArenaOp makeArena(SymbolTable &symbols, StringRef name, exec::MemoryClass memoryClass) {
    ModuleOp module = getOperation();
    for (auto arena : module.getOps<exec::ArenaOp>())
      if (arena.getMemoryClass() == memoryClass)
        return arena;
    OpBuilder builder(&getContext());
    auto arena = exec::ArenaOp::create(builder, module.getLoc(), name, memoryClass,
                                       exec::MemorySpace::Device, IntegerAttr());
    // Static buffers and programs name their arenas, so these come first; work after static.
    auto arenas = module.getOps<exec::ArenaOp>();
    Block::iterator at = module.getBody()->begin();
    for (exec::ArenaOp other : arenas)
      at = std::next(other->getIterator());
    symbols.insert(arena, at);
    return arena;
  }

  void planStatic(exec::ArenaOp arena) {
    int64_t end = 0;
    for (auto buffer : getOperation().getOps<exec::StaticOp>()) {
      place(buffer, arena, end);
      end += llvm::alignTo(buffer.getBytes(), exec::kAlignment);
    }
    arena.setBytes(end);
    remark::analysis(arena.getLoc(), remark::RemarkOpts::name("static arena").category("memory"))
        << remark::metric("bytes", end);
  }

  void planWork(exec::ArenaOp arena) {
    std::vector<Work> programs;
    for (auto program : getOperation().getOps<exec::ProgramOp>()) {
      Work work{program, {}, {}, 0};
      for (auto [buffer, lifetime] : computeLifetimes(program)) {
        work.buffers.push_back(buffer);
        work.intervals.push_back({buffer.getBytes(), lifetime.first, lifetime.last});
      }
      work.lowerBound = findLowerBound(work.intervals);
      programs.push_back(std::move(work));
    }
    // The program that needs most decides the arena; for the others any layout that fits is good
    // enough.
    llvm::stable_sort(programs,
                      [](const Work &a, const Work &b) { return a.lowerBound > b.lowerBound; });
    uint64_t bytes = 0;
    for (Work &work : programs) {
      PlannerOptions options;
      options.alignment = exec::kAlignment;
      options.goodEnough = bytes;
      Placement placement = planMemory(work.intervals, options);
      for (auto [buffer, offset] : llvm::zip_equal(work.buffers, placement.offsets))
        place(buffer, arena, static_cast<int64_t>(offset));
      work.program.setLowerBound(work.lowerBound);
      bytes = std::max(bytes, placement.bytes);
      report(work, placement);
    }
    arena.setBytes(bytes);
  }

  template <typename Buffer> static void place(Buffer buffer, exec::ArenaOp arena, int64_t offset) {
    buffer.setArena(arena.getSymName());
    buffer.setOffset(offset);
  }

  static void report(Work &work, const Placement &placement) {
    uint64_t waste = placement.bytes - placement.lowerBound;
    remark::analysis(work.program.getLoc(),
                     remark::RemarkOpts::name("work arena").category("memory"))
        << remark::metric("program", work.program.getSymName().str())
        << remark::metric("buffers", work.buffers.size())
        << remark::metric("peakBytes", placement.bytes)
        << remark::metric("lowerBound", placement.lowerBound)
        << remark::metric("fragmentationPermille",
                          placement.bytes ? 1000 * waste / placement.bytes : 0)
        << remark::metric("strategy", std::string(placement.strategy));
  }
};

} // namespace
} // namespace regimen::passes
