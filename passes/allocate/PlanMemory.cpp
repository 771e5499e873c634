//===- PlanMemory.cpp - Give every buffer its arena and offset ------------===//
#include "passes/allocate/FitAround.h"
#include "passes/allocate/Lifetimes.h"
#include "passes/allocate/MemoryPlanner.h"
#include "passes/allocate/Passes.h"

#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"

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

/// When a segment needs the bytes of each frame buffer: a forward from its first touch on, a
/// backward that keeps nothing up to its last.
llvm::MapVector<Operation *, Lifetime> frameLifetimes(exec::ProgramOp program,
                                                      SymbolTable &symbols) {
  llvm::MapVector<Operation *, Lifetime> lifetimes;
  SmallVector<exec::InstructionOpInterface> instructions = program.getInstructions();
  auto end = static_cast<uint32_t>(instructions.size());
  for (auto [index, instruction] : llvm::enumerate(instructions)) {
    SmallVector<Value> tensors = instruction.getReadTensors();
    llvm::append_range(tensors, instruction.getWrittenTensors());
    for (Value tensor : tensors) {
      auto get = tensor.getDefiningOp<exec::ViewOp>().getBuffer().getDefiningOp<exec::GetOp>();
      auto frame = get ? symbols.lookup<exec::FrameOp>(get.getSymbol()) : exec::FrameOp();
      if (!frame)
        continue;
      auto position = static_cast<uint32_t>(index);
      if (program.getSegment() == train::Segment::Forward)
        lifetimes.try_emplace(frame, Lifetime{position, end});
      else
        lifetimes[frame] = Lifetime{0, position};
    }
  }
  return lifetimes;
}

struct PlanMemoryPass : impl::PlanMemoryPassBase<PlanMemoryPass> {
  void runOnOperation() override {
    planStatic();
    planFrame();
    planWork();
  }

  /// The arena `name` of the device, or "host_<name>".
  exec::ArenaOp makeArena(StringRef name, exec::MemoryClass memoryClass,
                          exec::MemorySpace space = exec::MemorySpace::Device) {
    ModuleOp module = getOperation();
    OpBuilder builder(&getContext());
    std::string full = (space == exec::MemorySpace::Host ? "host_" : "") + name.str();
    auto arena =
        exec::ArenaOp::create(builder, module.getLoc(), full, memoryClass, space, IntegerAttr());
    // Buffers and programs name their arenas, so these come first, one after the other.
    Block::iterator at = module.getBody()->begin();
    for (exec::ArenaOp other : module.getOps<exec::ArenaOp>())
      at = std::next(other->getIterator());
    SymbolTable(module).insert(arena, at);
    return arena;
  }

  void planStatic() {
    planStatic(exec::MemorySpace::Device);
    planStatic(exec::MemorySpace::Host);
  }

  /// One arena a kind of model state, since plans of one model share them apart.
  void planStatic(exec::MemorySpace space) {
    constexpr std::array kinds = {"params", "grads", "optimizer", "buffers", "constants"};
    llvm::SmallVector<SmallVector<exec::StaticOp>> byKind(kinds.size());
    for (auto buffer : getOperation().getOps<exec::StaticOp>()) {
      if (buffer.getSpace() != space)
        continue;
      size_t kind = buffer.getValue()                                   ? 4
                    : buffer.getCategory() == exec::Category::Params    ? 0
                    : buffer.getCategory() == exec::Category::Grads     ? 1
                    : buffer.getCategory() == exec::Category::Optimizer ? 2
                                                                        : 3;
      byKind[kind].push_back(buffer);
    }
    for (auto [name, buffers] : llvm::zip_equal(kinds, byKind))
      if (!buffers.empty())
        stack(makeArena(name, exec::MemoryClass::Static, space), buffers);
  }

  /// All that a forward saves is alive when it ends, so a frame is its sum.
  void planFrame() {
    auto buffers = llvm::to_vector(getOperation().getOps<exec::FrameOp>());
    if (!buffers.empty())
      stack(makeArena("frame", exec::MemoryClass::Frame), buffers);
  }

  /// Lays buffers end to end.
  template <typename Buffer> void stack(exec::ArenaOp arena, ArrayRef<Buffer> buffers) {
    int64_t end = 0;
    for (Buffer buffer : buffers) {
      place(buffer, arena, end);
      end += llvm::alignTo(buffer.getBytes(), exec::kAlignment);
    }
    arena.setBytes(end);
    remark::analysis(arena.getLoc(), remark::RemarkOpts::name("arena").category("memory"))
        << remark::metric("arena", arena.getSymName().str()) << remark::metric("bytes", end);
  }
  template <typename Buffer> void stack(exec::ArenaOp arena, SmallVectorImpl<Buffer> &buffers) {
    stack(arena, ArrayRef<Buffer>(buffers));
  }

  void planWork() {
    SymbolTable symbols(getOperation());
    std::vector<Work> device, host;
    for (auto program : getOperation().getOps<exec::ProgramOp>()) {
      Work onDevice{program, {}, {}, 0}, onHost{program, {}, {}, 0};
      for (auto [buffer, lifetime] : computeLifetimes(program)) {
        if (buffer.getArena()) // the caller's
          continue;
        Work &work = buffer.getSpace() == exec::MemorySpace::Host ? onHost : onDevice;
        work.buffers.push_back(buffer);
        work.intervals.push_back({buffer.getBytes(), lifetime.first, lifetime.last});
      }
      if (program.getSegment() != train::Segment::Whole)
        useFrame(onDevice, symbols);
      onDevice.lowerBound = findLowerBound(onDevice.intervals);
      // What is said of a program's need is of the device.
      program.setLowerBound(onDevice.lowerBound);
      device.push_back(std::move(onDevice));
      if (onHost.buffers.empty())
        continue;
      onHost.lowerBound = findLowerBound(onHost.intervals);
      host.push_back(std::move(onHost));
    }
    planWork(device, exec::MemorySpace::Device);
    if (!host.empty())
      planWork(host, exec::MemorySpace::Host);
  }

  /// The program that needs most decides the arena; for the others any layout that fits is good
  /// enough.
  void planWork(std::vector<Work> &programs, exec::MemorySpace space) {
    exec::ArenaOp arena = makeArena("work", exec::MemoryClass::Work, space);
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
      bytes = std::max(bytes, placement.bytes);
      report(arena, work, placement);
    }
    arena.setBytes(bytes);
  }

  /// Moves buffers of a segment to frame bytes that are not written yet or dead already, largest
  /// first; the rest stays for the work arena. So does what ranks exchange: collectives keep their
  /// addresses, and each run has another frame.
  void useFrame(Work &work, SymbolTable &symbols) {
    auto frames = llvm::to_vector(getOperation().getOps<exec::FrameOp>());
    exec::ProgramOp program = work.program;
    if (frames.empty() || (program.getVariant() && program.getVariant()->getRetain()))
      return;
    auto arena = symbols.lookup<exec::ArenaOp>(*frames.front().getArena());
    std::vector<PlacedBuffer> obstacles;
    for (auto [frame, lifetime] : frameLifetimes(program, symbols)) {
      auto buffer = cast<exec::FrameOp>(frame);
      obstacles.push_back({*buffer.getOffset(), buffer.getBytes(), lifetime.first, lifetime.last});
    }
    Work free{program, {}, {}, 0}, rest{program, {}, {}, 0};
    auto add = [](Work &to, exec::BufferOp buffer, Interval interval) {
      to.buffers.push_back(buffer);
      to.intervals.push_back(interval);
    };
    for (auto [buffer, interval] : llvm::zip_equal(work.buffers, work.intervals))
      add(buffer.getCategory() == exec::Category::Comm ? rest : free, buffer, interval);
    std::vector<std::optional<uint64_t>> offsets =
        fitAround(free.intervals, obstacles, *arena.getBytes(), exec::kAlignment);
    for (auto [buffer, interval, offset] : llvm::zip_equal(free.buffers, free.intervals, offsets))
      if (offset)
        place(buffer, arena, static_cast<int64_t>(*offset));
      else
        add(rest, buffer, interval);
    work = std::move(rest);
  }

  template <typename Buffer> static void place(Buffer buffer, exec::ArenaOp arena, int64_t offset) {
    buffer.setArena(arena.getSymName());
    buffer.setOffset(offset);
  }

  static void report(exec::ArenaOp arena, Work &work, const Placement &placement) {
    uint64_t waste = placement.bytes - placement.lowerBound;
    remark::analysis(work.program.getLoc(),
                     remark::RemarkOpts::name(arena.getSpace() == exec::MemorySpace::Host
                                                  ? "host work arena"
                                                  : "work arena")
                         .category("memory"))
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
