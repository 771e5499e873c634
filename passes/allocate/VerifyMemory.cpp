//===- VerifyMemory.cpp - Prove the layout of memory from the IR ----------===//
#include "passes/allocate/Passes.h"
#include "passes/allocate/PlacementValidator.h"

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
  static LogicalResult verify(ModuleOp module) {
    SymbolTable symbols(module);
    for (auto arena : module.getOps<exec::ArenaOp>())
      if (!arena.getBytes())
        return arena.emitOpError() << "has no size";

    Layout statics;
    for (auto buffer : module.getOps<exec::StaticOp>())
      if (failed(add(statics, buffer, exec::MemoryClass::Static, 0, 0, symbols)))
        return failure();
    if (failed(prove(statics)))
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
      touch(tensor.getDefiningOp<exec::ViewOp>().getBuffer().getDefiningOp());
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

    Layout layout;
    for (auto buffer : program.getBody().getOps<exec::BufferOp>()) {
      auto it = touched.find(buffer);
      auto [first, last] = it == touched.end() ? std::pair(0u, 0u) : it->second;
      if (failed(add(layout, buffer, exec::MemoryClass::Work, first, last, symbols)))
        return failure();
    }
    if (!program.getLowerBound())
      return program.emitOpError() << "has no lower bound";
    return prove(layout);
  }

  /// The buffers that share an arena.
  struct Layout {
    exec::ArenaOp arena;
    std::vector<Operation *> ops;
    std::vector<PlacedBuffer> placed;
  };

  template <typename Buffer>
  static LogicalResult add(Layout &layout, Buffer buffer, exec::MemoryClass memoryClass,
                           uint32_t first, uint32_t last, SymbolTable &symbols) {
    if (!buffer.getArena())
      return buffer.emitOpError() << "has no place";
    auto arena = symbols.lookup<exec::ArenaOp>(*buffer.getArena());
    if (arena.getMemoryClass() != memoryClass)
      return buffer.emitOpError() << "is in an arena of class "
                                  << exec::stringifyMemoryClass(arena.getMemoryClass())
                                  << ", but lives as class "
                                  << exec::stringifyMemoryClass(memoryClass);
    if (layout.arena && layout.arena != arena)
      return buffer.emitOpError() << "is in " << arena.getSymNameAttr()
                                  << ", its neighbours are in " << layout.arena.getSymNameAttr();
    layout.arena = arena;
    layout.ops.push_back(buffer);
    layout.placed.push_back({*buffer.getOffset(), buffer.getBytes(), first, last});
    return success();
  }

  static LogicalResult prove(const Layout &layout) {
    if (!layout.arena)
      return success();
    exec::ArenaOp arena = layout.arena;
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
