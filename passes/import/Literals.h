//===- Literals.h - Types and values of an archive as MLIR's ----*- C++ -*-===//
#ifndef REGIMEN_PASSES_IMPORT_LITERALS_H
#define REGIMEN_PASSES_IMPORT_LITERALS_H

#include "formats/pt2/ExportedProgram.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Location.h"

namespace regimen::passes {

/// The element type of a dtype; throws Error naming a dtype that the aten dialect lacks.
mlir::Type elementType(pt2::DType dtype, mlir::MLIRContext &context);

/// A tensor type with static sizes.
mlir::RankedTensorType tensorType(pt2::DType dtype, llvm::ArrayRef<int64_t> sizes,
                                  mlir::MLIRContext &context);

/// The values of a buffer or constant in row-major order; null for an empty record of a tensor that
/// has elements (a meta-device export).
mlir::DenseElementsAttr elements(const pt2::Archive &archive, const pt2::Weight &weight,
                                 mlir::MLIRContext &context);

/// NameLoc("<layer>", file:line), with as much of it as the node has.
mlir::Location locationOf(const pt2::Node &node, mlir::MLIRContext &context);

/// " (layer 'h.0', model.py:12)" for messages.
std::string placeOf(const pt2::Node &node);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_LITERALS_H
