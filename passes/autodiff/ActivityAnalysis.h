//===- ActivityAnalysis.h - Which values need a gradient --------*- C++ -*-===//
#ifndef REGIMEN_PASSES_AUTODIFF_ACTIVITYANALYSIS_H
#define REGIMEN_PASSES_AUTODIFF_ACTIVITYANALYSIS_H

#include "dialects/train/TrainDialect.h"

#include "llvm/ADT/DenseSet.h"

namespace regimen::passes {

/// The values in `program` of the trainable parameters in `symbols`.
llvm::SmallVector<mlir::Value> readsOfTrainable(train::ProgramOp program,
                                                mlir::SymbolTable &symbols);

/// Which values of a program depend on some of its values, the sources, by a differentiable path.
/// From the trainable parameters: those that require a gradient in PyTorch.
class DependenceAnalysis {
public:
  DependenceAnalysis(train::ProgramOp program, llvm::ArrayRef<mlir::Value> sources);

  bool requiresGrad(mlir::Value value) const { return dependent.contains(value); }

private:
  llvm::DenseSet<mlir::Value> dependent;
};

/// Which values of a program lie on a differentiable path from sources (trainable parameters) to
/// sinks (the loss).
///
///   %w = train.read @w            active: trainable, and the loss depends on it
///   %y = aten.mm(%x, %w)          active; %x, an input, is not
///   %m = aten.gt.Scalar(%y, %0)   not active: no gradient flows through a comparison
///
/// Integer and boolean values never are, and detach stops a path.
class ActivityAnalysis {
public:
  ActivityAnalysis(train::ProgramOp program, llvm::ArrayRef<mlir::Value> sources,
                   llvm::ArrayRef<mlir::Value> sinks);
  /// From the trainable parameters in `symbols` to the loss, which the program must name.
  ActivityAnalysis(train::ProgramOp program, mlir::SymbolTable &symbols);

  /// Whether a gradient flows to `value`.
  bool isActive(mlir::Value value) const { return active.contains(value); }

private:
  llvm::DenseSet<mlir::Value> active;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_ACTIVITYANALYSIS_H
