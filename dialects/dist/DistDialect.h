//===- DistDialect.h - The dist dialect -------------------------*- C++ -*-===//
#ifndef REGIMEN_DIALECTS_DIST_DISTDIALECT_H
#define REGIMEN_DIALECTS_DIST_DISTDIALECT_H

#include "dialects/train/TrainDialect.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"

#include "dialects/dist/DistDialect.h.inc"
#include "dialects/dist/DistEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/dist/DistAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/dist/DistTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/dist/DistOps.h.inc"

namespace regimen::dist {

/// Words of the fixed-point number that dist.sum_of_squares gives: the state of the runtime's
/// SumOfSquares.
inline constexpr int64_t kSumOfSquaresWords = 29;

/// The name of the segment of a storage symbol.
inline std::string segmentName(llvm::StringRef storage) { return storage.str() + ":segment"; }

} // namespace regimen::dist

#endif // REGIMEN_DIALECTS_DIST_DISTDIALECT_H
