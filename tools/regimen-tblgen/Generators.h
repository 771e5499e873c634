//===- Generators.h - What regimen-tblgen's generators share ----*- C++ -*-===//
//
// One file a table (Schemas.cpp, Vjps.cpp, Kernels.cpp, Costs.cpp, Coverage.cpp), each registering
// its generators.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_TOOLS_TBLGEN_GENERATORS_H
#define REGIMEN_TOOLS_TBLGEN_GENERATORS_H

#include "mlir/TableGen/GenInfo.h"
#include "mlir/TableGen/Operator.h"
#include "llvm/TableGen/Error.h"
#include "llvm/TableGen/Record.h"

namespace regimen::tblgen {

/// Operator and overload of an aten op's record as the dispatcher prints them, e.g.
/// "aten::add.Tensor".
inline std::string schemaName(const llvm::Record *op) {
  return "aten::" + op->getValueAsString("opName").str();
}

/// Whether the op carries operandSegmentSizes.
inline bool hasSegments(const mlir::tblgen::Operator &op) {
  return op.getTrait("::mlir::OpTrait::AttrSizedOperandSegments") != nullptr;
}

} // namespace regimen::tblgen

#endif // REGIMEN_TOOLS_TBLGEN_GENERATORS_H
