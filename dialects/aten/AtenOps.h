//===- AtenOps.h - All ops of the aten dialect ------------------*- C++ -*-===//
//
// Large: include it only where concrete op classes are needed.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_DIALECTS_ATEN_ATENOPS_H
#define REGIMEN_DIALECTS_ATEN_ATENOPS_H

#include "dialects/aten/AtenDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialects/aten/AtenOps.h.inc"

#endif // REGIMEN_DIALECTS_ATEN_ATENOPS_H
