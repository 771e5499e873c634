//===- Accesses.h - What instructions touch ---------------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_SCHEDULE_ACCESSES_H
#define REGIMEN_PASSES_SCHEDULE_ACCESSES_H

#include "dialects/exec/ExecDialect.h"

namespace regimen::passes {

/// Lanes of a program.
inline constexpr size_t kLanes = 3;

/// Bytes of a buffer that an instruction touches: the span of a tensor, from its first to its last
/// byte.
struct Access {
  /// The result of the exec.get or exec.buffer; gets of one symbol share the first one's.
  mlir::Value buffer;
  int64_t begin = 0;
  int64_t end = 0;
  bool writes = false;
  mlir::Operation *instruction = nullptr;

  bool conflictsWith(const Access &other) const {
    return buffer == other.buffer && (writes || other.writes) && begin < other.end &&
           other.begin < end;
  }
};

/// Accesses of every instruction of a program, in its order.
llvm::SmallVector<llvm::SmallVector<Access>> collectAccesses(exec::ProgramOp program);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SCHEDULE_ACCESSES_H
