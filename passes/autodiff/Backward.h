//===- Backward.h - The backward of a program -------------------*- C++ -*-===//
//
// The order of everything is that of autograd's engine: nodes run from the latest forward op to the
// earliest, and the contributions to one value are added as existing + new in order of arrival.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_AUTODIFF_BACKWARD_H
#define REGIMEN_PASSES_AUTODIFF_BACKWARD_H

#include "dialects/train/TrainDialect.h"
#include "passes/autodiff/ActivityAnalysis.h"
#include "passes/autodiff/AtenBuilder.h"

#include "mlir/IR/BuiltinOps.h"

namespace regimen::passes {

/// The one program of role forward in a module. Null, with a diagnostic, if there is another number
/// of them.
train::ProgramOp findForward(mlir::ModuleOp module);

/// Appends a backward to a program: makes it from the ops that the program has when this is
/// constructed.
class Backward {
public:
  Backward(train::ProgramOp program, const ActivityAnalysis &activity);

  /// Where new ops go: at the program's end.
  mlir::OpBuilder &builder() { return ops; }
  /// Starts from `gradient`, the gradient of `value`; several for one value add up.
  void seed(mlir::Value value, mlir::Value gradient);
  /// Differentiates every op on a path from a seed to an active value.
  mlir::LogicalResult run();

  /// The gradient of `value`, or null if none reached it.
  mlir::Value gradientOf(mlir::Value value) const { return gradients.lookup(value); }
  /// The gradient of the parameter `name`, or null.
  mlir::Value gradientOf(llvm::StringRef name) const;

private:
  mlir::LogicalResult differentiate(mlir::Operation *op);
  mlir::LogicalResult checkResults(mlir::Operation *op, llvm::ArrayRef<mlir::Value> arrived);
  mlir::LogicalResult propagate(mlir::Operation *op, llvm::ArrayRef<bool> wanted,
                                llvm::ArrayRef<mlir::Value> cotangents);
  void accumulate(AtenBuilder &aten, mlir::Value value, mlir::Value contribution);

  const ActivityAnalysis &activity;
  mlir::OpBuilder ops;
  llvm::SmallVector<mlir::Operation *> forward;
  llvm::DenseMap<mlir::Value, mlir::Value> gradients;
  /// The first read of each symbol.
  llvm::StringMap<mlir::Value> reads;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_BACKWARD_H
