//===- LayoutAnalysis.h - Layouts of a program's values ---------*- C++ -*-===//
//
// Gives every tensor value of a train.program the strides, offset and base that it has in eager
// PyTorch: views are windows of their base's storage, all else has storage of its own.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_SCHEDULE_LAYOUTANALYSIS_H
#define REGIMEN_PASSES_SCHEDULE_LAYOUTANALYSIS_H

#include "dialects/train/TrainDialect.h"
#include "passes/layout/KernelTable.h"

namespace regimen::passes {

/// Layouts that a forward gives to what its backwards take from it.
struct ForwardLayouts {
  /// By symbol of train.saved.
  llvm::StringMap<Layout> saved;
  /// Of the model's outputs, by index.
  llvm::DenseMap<int64_t, Layout> outputs;
};

class LayoutAnalysis {
public:
  /// Analyses a program, with `forward` what it may take from its forward. With `fuse` kernels of
  /// the default path are chosen. Reports ops without a kernel.
  static mlir::FailureOr<LayoutAnalysis> compute(train::ProgramOp program, bool fuse,
                                                 const ForwardLayouts &forward);

  const Layout &layoutOf(mlir::Value value) const { return places.find(value)->second.layout; }
  /// The value whose storage `value` is a window of: an op's result, a train.read, an input or a
  /// constant; itself if it is no window.
  mlir::Value baseOf(mlir::Value value) const { return places.find(value)->second.base; }
  /// Whether the op only names windows, so that nothing runs for it.
  bool isView(mlir::Operation *op) const;
  /// The op's kernel: null for views, and for view ops whose strides need a copy.
  const KernelRecord *kernelOf(mlir::Operation *op) const { return kernels.lookup(op); }
  LayoutArgs argsOf(mlir::Operation *op) const;

private:
  struct Place {
    mlir::Value base;
    Layout layout;
  };
  mlir::LogicalResult visit(mlir::Operation &op, bool fuse, const ForwardLayouts &forward);
  void place(mlir::Value value, mlir::Value base, Layout layout) {
    places[value] = {base, std::move(layout)};
  }
  void placeFresh(mlir::Value value);

  llvm::DenseMap<mlir::Value, Place> places;
  llvm::DenseMap<mlir::Operation *, const KernelRecord *> kernels;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SCHEDULE_LAYOUTANALYSIS_H
