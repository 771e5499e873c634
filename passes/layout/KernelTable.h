//===- KernelTable.h - Which kernel computes an aten op ---------*- C++ -*-===//
//
// Kernels.td as C++.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_LAYOUT_KERNELTABLE_H
#define REGIMEN_PASSES_LAYOUT_KERNELTABLE_H

#include "dialects/exec/ExecDialect.h"
#include "passes/layout/LayoutRules.h"
#include "passes/layout/ScratchRules.h"

namespace regimen::passes {

/// A record of class Kernel; the fields are described there.
struct KernelRecord {
  exec::KernelMode mode;
  llvm::StringLiteral name;
  LayoutRule layout;
  ScratchRule scratch;
  llvm::ArrayRef<llvm::StringLiteral> arguments;
  bool elementwise;
  bool fusedOnly;
  bool contiguousOperands;
  bool floatOperands;
  llvm::StringLiteral attribute;
  llvm::StringLiteral value;
};

/// The kernel of an aten op: the first of its records whose conditions hold. Null if there is none.
const KernelRecord *selectKernel(const LayoutArgs &args, bool fuse);

/// Whether every kernel of the op lays its results out row by row, whatever it reads.
bool isAlwaysContiguous(mlir::Operation *op);

/// The layout rule of an op whose results are windows of its operand; null for other ops.
ViewRule viewRuleOf(mlir::Operation *op);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_LAYOUT_KERNELTABLE_H
