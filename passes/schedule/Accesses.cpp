//===- Accesses.cpp - What instructions touch -----------------------------===//
#include "passes/schedule/Accesses.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

SmallVector<SmallVector<Access>> passes::collectAccesses(exec::ProgramOp program) {
  llvm::DenseMap<Attribute, Value> statics;
  auto canonical = [&](Value buffer) {
    auto get = buffer.getDefiningOp<exec::GetOp>();
    return get ? statics.try_emplace(get.getSymbolAttr(), buffer).first->second : buffer;
  };
  SmallVector<SmallVector<Access>> all;
  for (exec::InstructionOpInterface instruction : program.getInstructions()) {
    SmallVector<Access> &mine = all.emplace_back();
    auto add = [&](Value tensor, bool writes) {
      auto view = tensor.getDefiningOp<exec::ViewOp>();
      auto [begin, end] = view.getSpan();
      mine.push_back({canonical(view.getBuffer()), begin, end, writes, instruction});
    };
    for (Value tensor : instruction.getReadTensors())
      add(tensor, false);
    for (Value tensor : instruction.getWrittenTensors())
      add(tensor, true);
    if (Value scratch = instruction.getScratchBuffer())
      mine.push_back(
          {canonical(scratch), 0, std::numeric_limits<int64_t>::max(), true, instruction});
  }
  return all;
}
