//===- VerifyReductions.h - What a micro-step reduces ------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_SHARD_VERIFYREDUCTIONS_H
#define REGIMEN_PASSES_SHARD_VERIFYREDUCTIONS_H

#include "passes/shard/ShardTables.h"

namespace regimen::passes {

/// Proves that a micro-step reduces each bucket to whose gradients it contributes as its stage and
/// its contribution ask, once and at the end; other programs reduce nothing. Part of VerifyShard.
mlir::LogicalResult verifyReductions(train::ProgramOp program, const ShardTables &tables);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SHARD_VERIFYREDUCTIONS_H
