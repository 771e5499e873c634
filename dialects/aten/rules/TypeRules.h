//===- TypeRules.h - Result types of aten ops -------------------*- C++ -*-===//
//
// The functions that TypeRules.td names. Each appends one type a result.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_DIALECTS_ATEN_RULES_TYPERULES_H
#define REGIMEN_DIALECTS_ATEN_RULES_TYPERULES_H

#include "dialects/aten/AtenDialect.h"

namespace regimen::aten::rules {

/// Same shape and dtype as the first tensor operand.
mlir::LogicalResult likeFirst(const InferArgs &args, llvm::SmallVectorImpl<mlir::Type> &types);

} // namespace regimen::aten::rules

#endif // REGIMEN_DIALECTS_ATEN_RULES_TYPERULES_H
