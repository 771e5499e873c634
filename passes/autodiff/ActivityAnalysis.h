//===- ActivityAnalysis.h - Which values need a gradient --------*- C++ -*-===//
#ifndef REGIMEN_PASSES_AUTODIFF_ACTIVITYANALYSIS_H
#define REGIMEN_PASSES_AUTODIFF_ACTIVITYANALYSIS_H

#include "dialects/train/TrainDialect.h"

#include "llvm/ADT/DenseSet.h"

namespace regimen::passes {

/// Which values of a program depend on a trainable parameter by a differentiable path: those that
/// require a gradient in PyTorch.
class DependenceAnalysis {
public:
  /// Analyses `program`, whose parameters are in `symbols`.
  DependenceAnalysis(train::ProgramOp program, mlir::SymbolTable &symbols);

  bool requiresGrad(mlir::Value value) const { return dependent.contains(value); }

private:
  llvm::DenseSet<mlir::Value> dependent;
};

/// Which values of a program lie on a differentiable path from a trainable parameter to the loss.
///
///   %w = train.read @w            active: trainable, and the loss depends on it
///   %y = aten.mm(%x, %w)          active; %x, an input, is not
///   %m = aten.gt.Scalar(%y, %0)   not active: no gradient flows through a comparison
///
/// Integer and boolean values never are, and detach stops a path.
class ActivityAnalysis {
public:
  /// Analyses `program`, whose parameters are in `symbols`. The program must name a loss.
  ActivityAnalysis(train::ProgramOp program, mlir::SymbolTable &symbols);

  /// Whether a gradient flows to `value`.
  bool isActive(mlir::Value value) const { return active.contains(value); }

private:
  llvm::DenseSet<mlir::Value> active;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_ACTIVITYANALYSIS_H
