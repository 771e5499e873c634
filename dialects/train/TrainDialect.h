//===- TrainDialect.h - The train dialect -----------------------*- C++ -*-===//
#ifndef REGIMEN_DIALECTS_TRAIN_TRAINDIALECT_H
#define REGIMEN_DIALECTS_TRAIN_TRAINDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/train/TrainDialect.h.inc"
#include "dialects/train/TrainEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/train/TrainAttrs.h.inc"
#include "dialects/train/TrainInterfaces.h.inc"
#define GET_OP_CLASSES
#include "dialects/train/TrainOps.h.inc"

namespace regimen::train {

/// Symbol names of what belongs to parameter `parameter`: its gradient, and its optimizer state
/// `slot`.
std::string gradientName(llvm::StringRef parameter);
std::string stateName(llvm::StringRef parameter, llvm::StringRef slot);

} // namespace regimen::train

#endif // REGIMEN_DIALECTS_TRAIN_TRAINDIALECT_H
