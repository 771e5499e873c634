//===- Lifetimes.h - When the buffers of a program are alive ----*- C++ -*-===//
#ifndef REGIMEN_PASSES_ALLOCATE_LIFETIMES_H
#define REGIMEN_PASSES_ALLOCATE_LIFETIMES_H

#include "dialects/exec/ExecDialect.h"

#include "llvm/ADT/MapVector.h"

namespace regimen::passes {

/// Instructions of a program between which a buffer must keep its bytes, both included.
struct Lifetime {
  uint32_t first = 0;
  uint32_t last = 0;
};

/// Lifetimes of the program's own buffers, in their order. Two buffers whose lifetimes do not meet
/// may share bytes: every access of the earlier one is then known to be done, in whatever lane,
/// when the later one is first touched. So a lifetime reaches from the first instruction that
/// touches the buffer to the last one, or to the last instruction of another lane that does not
/// wait for it; outputs live to the end. Scratch lives during its call. A buffer that nothing
/// touches lives at instruction 0.
llvm::MapVector<exec::BufferOp, Lifetime> computeLifetimes(exec::ProgramOp program);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_ALLOCATE_LIFETIMES_H
