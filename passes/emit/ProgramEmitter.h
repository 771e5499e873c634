//===- ProgramEmitter.h - One exec.program as a plan's program --*- C++ -*-===//
#ifndef REGIMEN_PASSES_EMIT_PROGRAMEMITTER_H
#define REGIMEN_PASSES_EMIT_PROGRAMEMITTER_H

#include "passes/emit/PlanTables.h"

namespace regimen::passes {

/// The plan's program of `program`; its buffers are already in `tables`. Inputs that it never loads
/// are left out.
std::unique_ptr<plan::fb::ProgramT> emitProgram(exec::ProgramOp program, PlanTables &tables);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_EMIT_PROGRAMEMITTER_H
