//===- MemorySpaces.h - Which memory a value is in --------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_LAYOUT_MEMORYSPACES_H
#define REGIMEN_PASSES_LAYOUT_MEMORYSPACES_H

#include "dialects/dist/DistDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace regimen::passes {

/// The memory of every tensor of a train.program: a move's is what it says, a read's that of its
/// storage, and any other op runs where its operands are.
class MemorySpaces {
public:
  explicit MemorySpaces(train::ProgramOp program);

  dist::Space of(mlir::Value value);
  /// Where a storage symbol lies. Of parameters on the host only segments do: read whole, they are
  /// in the window of a gather.
  dist::Space ofStorage(llvm::StringRef symbol) const;

private:
  mlir::SymbolTable symbols;
  llvm::StringMap<dist::BucketOp> buckets; // by parameter
  llvm::DenseMap<mlir::Value, dist::Space> known;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_LAYOUT_MEMORYSPACES_H
