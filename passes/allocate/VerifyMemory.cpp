//===- VerifyMemory.cpp - Prove the layout of memory from the IR ----------===//
#include "passes/allocate/Passes.h"
#include "passes/allocate/PlacementValidator.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace regimen::passes {
#define GEN_PASS_DEF_VERIFYMEMORYPASS
#include "passes/allocate/Passes.h.inc"

namespace {

struct VerifyMemoryPass : impl::VerifyMemoryPassBase<VerifyMemoryPass> {
  void runOnOperation() override {
    if (failed(verify(getOperation())))
      signalPassFailure();
  }

private:
  /// The buffers that share an arena.
  struct Layout {
    std::vector<Operation *> ops;
    std::vector<PlacedBuffer> placed;
  };
  using Layouts = llvm::MapVector<exec::ArenaOp, Layout>;

  static LogicalResult verify(ModuleOp module) {
    SymbolTable symbols(module);
    for (auto arena : module.getOps<exec::ArenaOp>())
      if (!arena.getBytes())
        return arena.emitOpError() << "has no size";

    Layouts shared;
    for (auto buffer : module.getOps<exec::StaticOp>())
      if (failed(add(shared, buffer, exec::MemoryClass::Static, 0, 0, symbols)))
        return failure();
    for (auto buffer : module.getOps<exec::FrameOp>())
      if (failed(add(shared, buffer, exec::MemoryClass::Frame, 0, 0, symbols)))
        return failure();
    if (failed(prove(shared)))
      return failure();
    for (auto program : module.getOps<exec::ProgramOp>())
      if (failed(verifyProgram(program, symbols)))
        return failure();
    return success();
  }

  static LogicalResult verifyProgram(exec::ProgramOp program, SymbolTable &symbols) {
    // The position of the last instruction at which each buffer is touched, and of the first.
    llvm::DenseMap<Operation *, std::pair<uint32_t, uint32_t>> touched;
    uint32_t position = 0;
    auto touch = [&](Operation *buffer) {
      touched.try_emplace(buffer, position, position).first->second.second = position;
    };
    auto touchTensor = [&](Value tensor) {
      Operation *buffer = tensor.getDefiningOp<exec::ViewOp>().getBuffer().getDefiningOp();
      if (auto get = dyn_cast<exec::GetOp>(buffer))
        buffer = symbols.lookup(get.getSymbol());
      touch(buffer);
    };
    for (Operation &op : program.getBody().front()) {
      // Whatever an op takes that is a tensor or a buffer, it may touch.
      bool instruction = isa<exec::InstructionOpInterface>(op);
      if (!instruction && !op.hasTrait<OpTrait::IsTerminator>())
        continue;
      for (Value operand : op.getOperands()) {
        if (isa<MemRefType>(operand.getType()))
          touchTensor(operand);
        else if (isa<exec::BufferType>(operand.getType()))
          touch(operand.getDefiningOp());
      }
      position += instruction;
    }

    Layouts layouts;
    for (auto buffer : program.getBody().getOps<exec::BufferOp>()) {
      auto it = touched.find(buffer);
      auto [first, last] = it == touched.end() ? std::pair(0u, 0u) : it->second;
      if (failed(add(layouts, buffer, classOf(program, buffer, symbols), first, last, symbols)))
        return failure();
    }
    if (failed(addFrames(layouts, program, touched, position, symbols)))
      return failure();
    if (!program.getLowerBound())
      return program.emitOpError() << "has no lower bound";
    return prove(layouts);
  }

  /// The class that a buffer of a program may have: a segment's may also be of frames, if it does
  /// not retain its own and ranks do not exchange the buffer, and a caller's are the caller's.
  static exec::MemoryClass classOf(exec::ProgramOp program, exec::BufferOp buffer,
                                   SymbolTable &symbols) {
    auto arena =
        buffer.getArena() ? symbols.lookup<exec::ArenaOp>(*buffer.getArena()) : exec::ArenaOp();
    if (!arena)
      return exec::MemoryClass::Work;
    bool reuses = program.getSegment() != train::Segment::Whole &&
                  buffer.getCategory() != exec::Category::Comm &&
                  !(program.getVariant() && program.getVariant()->getRetain());
    bool allowed = arena.getMemoryClass() == exec::MemoryClass::Frame    ? reuses
                   : arena.getMemoryClass() == exec::MemoryClass::Caller ? bool(program.getGives())
                                                                         : false;
    return allowed ? arena.getMemoryClass() : exec::MemoryClass::Work;
  }

  /// What frame buffers hold while a segment runs: a forward's from its first touch to the end, a
  /// backward's from the start to its last touch, or to the end if it is retained.
  static LogicalResult
  addFrames(Layouts &layouts, exec::ProgramOp program,
            const llvm::DenseMap<Operation *, std::pair<uint32_t, uint32_t>> &touched, uint32_t end,
            SymbolTable &symbols) {
    if (program.getSegment() == train::Segment::Whole)
      return success();
    bool forward = program.getSegment() == train::Segment::Forward;
    bool retain = program.getVariant() && program.getVariant()->getRetain();
    for (auto frame : program->getParentOfType<ModuleOp>().getOps<exec::FrameOp>()) {
      auto it = touched.find(frame);
      if (it == touched.end() && !retain)
        continue;
      uint32_t first = forward ? it->second.first : 0;
      uint32_t last = forward || retain ? end : it->second.second;
      if (failed(add(layouts, frame, exec::MemoryClass::Frame, first, last, symbols)))
        return failure();
    }
    return success();
  }

  template <typename Buffer>
  static LogicalResult add(Layouts &layouts, Buffer buffer, exec::MemoryClass memoryClass,
                           uint32_t first, uint32_t last, SymbolTable &symbols) {
    if (!buffer.getArena())
      return buffer.emitOpError() << "has no place";
    auto arena = symbols.lookup<exec::ArenaOp>(*buffer.getArena());
    if (arena.getMemoryClass() != memoryClass)
      return buffer.emitOpError() << "is in an arena of class "
                                  << exec::stringifyMemoryClass(arena.getMemoryClass())
                                  << ", but lives as class "
                                  << exec::stringifyMemoryClass(memoryClass);
    exec::MemorySpace space = exec::MemorySpace::Device;
    if constexpr (!std::is_same_v<Buffer, exec::FrameOp>)
      space = buffer.getSpace();
    if (arena.getSpace() != space)
      return buffer.emitOpError() << "is in an arena of the "
                                  << exec::stringifyMemorySpace(arena.getSpace())
                                  << ", but one of the " << exec::stringifyMemorySpace(space);
    // Each of a caller's buffers is a tensor of its own.
    if (memoryClass == exec::MemoryClass::Caller)
      return success();
    Layout &layout = layouts[arena];
    layout.ops.push_back(buffer);
    layout.placed.push_back({*buffer.getOffset(), buffer.getBytes(), first, last});
    return success();
  }

  static LogicalResult prove(const Layouts &layouts) {
    for (auto &[arena, layout] : layouts)
      if (failed(prove(arena, layout)))
        return failure();
    return success();
  }

  static LogicalResult prove(exec::ArenaOp arena, const Layout &layout) {
    auto error = validatePlacement(layout.placed, *arena.getBytes(), exec::kAlignment);
    if (!error)
      return success();
    auto diagnostic = layout.ops[error->first]->emitOpError() << error->message;
    if (error->second >= 0) {
      diagnostic << ", with another buffer";
      diagnostic.attachNote(layout.ops[error->second]->getLoc()) << "the other buffer";
    }
    return diagnostic;
  }
};

} // namespace
} // namespace regimen::passes
