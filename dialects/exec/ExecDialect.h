//===- ExecDialect.h - The exec dialect -------------------------*- C++ -*-===//
#ifndef REGIMEN_DIALECTS_EXEC_EXECDIALECT_H
#define REGIMEN_DIALECTS_EXEC_EXECDIALECT_H

#include "dialects/dist/DistDialect.h"
#include "dialects/train/TrainDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/exec/ExecDialect.h.inc"
#include "dialects/exec/ExecEnums.h.inc"
#include "dialects/exec/ExecInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/exec/ExecAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/exec/ExecTypes.h.inc"

namespace regimen::exec {
/// First and behind last byte, in its buffer, of a tensor at byte `offset`; of a segment the bytes
/// that any rank's part has.
std::pair<int64_t, int64_t> spanOf(mlir::MemRefType type, int64_t offset, SegmentAttr segment);
} // namespace regimen::exec

#define GET_OP_CLASSES
#include "dialects/exec/ExecOps.h.inc"

namespace regimen::exec {

/// Every buffer starts at a multiple of this many bytes.
inline constexpr int64_t kAlignment = 64;

/// Bytes of one element; a bool takes one.
int64_t elementBytes(mlir::Type elementType);
/// Bytes of a contiguous tensor.
int64_t denseBytes(mlir::ShapedType type);
/// The memref of a tensor with these strides (in elements); contiguous ones have no layout
/// attribute.
mlir::MemRefType tensorType(llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> strides,
                            mlir::Type elementType);
/// Strides in elements.
llvm::SmallVector<int64_t> stridesOf(mlir::MemRefType type);
/// Bytes from the first element to the end of the last; 0 for an empty tensor.
int64_t spanBytes(mlir::MemRefType type);

} // namespace regimen::exec

#endif // REGIMEN_DIALECTS_EXEC_EXECDIALECT_H
