//===- StoragePlan.h - Which storage a program's values get -----*- C++ -*-===//
//
// Decides, for every value with storage of its own, where it lies: in a static buffer (a
// train.read's, a constant's, or that of the storage symbol it is written to, so that no copy is
// needed), or in a buffer of the program, which an elementwise op may take over from an operand
// that dies there.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_SCHEDULE_STORAGEPLAN_H
#define REGIMEN_PASSES_SCHEDULE_STORAGEPLAN_H

#include "passes/schedule/LayoutAnalysis.h"

#include "llvm/ADT/DenseSet.h"

namespace regimen::passes {

class StoragePlan {
public:
  StoragePlan(train::ProgramOp program, const LayoutAnalysis &layouts);

  /// Whether anything that the program leaves behind depends on the op.
  bool isLive(mlir::Operation *op) const { return live.contains(op); }
  /// The storage symbol in which base value `base` is made, or null.
  mlir::FlatSymbolRefAttr destinationOf(mlir::Value base) const {
    return destinations.lookup(base);
  }
  /// The write that needs nothing to run, as its value was made in place.
  bool isInPlace(train::WriteOp write) const { return inPlace.contains(write); }
  /// A train.read whose value is used after its storage has changed: it needs a copy.
  bool needsCopy(train::ReadOp read) const { return copiedReads.contains(read); }
  /// The base value whose buffer `base` takes over; itself if it has its own.
  mlir::Value bufferOf(mlir::Value base) const {
    auto it = takenOver.find(base);
    return it == takenOver.end() ? base : it->second;
  }
  /// What buffers count as: activations are forward values that the backward reads, and all values
  /// of the backward; what else moves between memories is communication.
  exec::Category categoryOf(mlir::Value buffer) const;

  /// Whether `base` is a tensor that the program's caller owns.
  bool isCallers(mlir::Value base) const { return callers.contains(base); }
  /// The output that is made in the caller's storage as `base`; none if it must be copied there.
  std::optional<unsigned> outputMadeAs(mlir::Value base) const {
    auto it = callers.find(base);
    return it == callers.end() ? std::nullopt : it->second;
  }

  /// Outputs that the program keeps: for a caller all, else the loss and the gradient norm, as
  /// nobody reads what else the model returns.
  static llvm::SmallVector<unsigned> keptOutputs(train::ProgramOp program);
  /// The layout in which a caller gets the output `value`: its own where its storage is dense.
  static Layout callerLayout(const LayoutAnalysis &layouts, mlir::Value value);

private:
  void findLive(train::ProgramOp program);
  void findUses();
  void findCallers(train::ProgramOp program);
  void placeWrites();
  bool canMakeInPlace(train::WriteOp write) const;
  void takeOverBuffers();
  void takeOverBuffer(mlir::Operation *op);
  void findActivations(train::Segment segment);
  /// Index of the last instruction that touches storage of `base`; that of its definition if none
  /// does.
  size_t lastUse(mlir::Value base) const { return lastUses.lookup(base); }
  size_t indexOf(mlir::Operation *op) const { return indices.lookup(op); }

  const LayoutAnalysis &layouts;
  llvm::SmallVector<mlir::Operation *> ops;
  llvm::DenseSet<mlir::Operation *> live;
  llvm::DenseMap<mlir::Operation *, size_t> indices;
  llvm::DenseMap<mlir::Value, size_t> lastUses;
  llvm::DenseMap<mlir::Attribute, llvm::SmallVector<train::ReadOp>> readsOf;
  llvm::DenseMap<mlir::Attribute, llvm::SmallVector<train::WriteOp>> writesOf;
  llvm::DenseMap<mlir::Value, mlir::FlatSymbolRefAttr> destinations;
  llvm::DenseSet<mlir::Operation *> inPlace, copiedReads;
  /// Base values in the caller's storage; with the index of the output that they are.
  llvm::DenseMap<mlir::Value, std::optional<unsigned>> callers;
  llvm::DenseMap<mlir::Value, mlir::Value> takenOver;
  llvm::DenseSet<mlir::Value> activations;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SCHEDULE_STORAGEPLAN_H
