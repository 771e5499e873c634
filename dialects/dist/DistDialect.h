//===- DistDialect.h - The dist dialect -------------------------*- C++ -*-===//
#ifndef REGIMEN_DIALECTS_DIST_DISTDIALECT_H
#define REGIMEN_DIALECTS_DIST_DISTDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"

#include "dialects/dist/DistDialect.h.inc"
#define GET_OP_CLASSES
#include "dialects/dist/DistOps.h.inc"

#endif // REGIMEN_DIALECTS_DIST_DISTDIALECT_H
