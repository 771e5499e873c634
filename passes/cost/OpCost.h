//===- OpCost.h - How long ops and transfers take ---------------*- C++ -*-===//
//
// A roofline: an op takes the longer of its arithmetic and its memory traffic. Good enough to order
// work and to see what a transfer hides under; no promise of a time.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_COST_OPCOST_H
#define REGIMEN_PASSES_COST_OPCOST_H

#include "dialects/aten/AtenDialect.h"

namespace regimen::passes {

/// Rates of one rank and of its link. The defaults are round figures for a core of a server-class
/// x86-64 machine; the link's are those of 64 MB messages over loopback between two ranks.
struct MachineModel {
  double flopsPerSecond = 5e10;
  double memoryBytesPerSecond = 8e9;
  double linkBytesPerSecond = 2.5e9;
  double linkLatency = 1e-4;

  /// Rates with so many threads a rank.
  static MachineModel withThreads(int64_t threads) {
    MachineModel machine;
    machine.flopsPerSecond *= static_cast<double>(threads);
    return machine;
  }
};

/// Floating-point operations of an op.
using CostRule = double (*)(mlir::Operation *);

namespace costs {

/// 2 m k n of the first two operands, and of the two behind the summand.
double matrixProduct(mlir::Operation *op);
double addedMatrixProduct(mlir::Operation *op);
double convolution(mlir::Operation *op);
/// Gradients of input and weight cost as much as the forward each.
double convolutionBackward(mlir::Operation *op);
/// Scores and output: 4 b h l s d.
double attention(mlir::Operation *op);
/// Scores again, and the gradients of query, key, value and scores.
double attentionBackward(mlir::Operation *op);

} // namespace costs

/// Seconds that an op takes; 0 for what runs nothing.
double secondsOf(mlir::Operation *op, const MachineModel &machine);
/// Whether an op's arithmetic, not its memory traffic, is what takes its time.
bool computesMoreThanItMoves(mlir::Operation *op);
/// Seconds of a transfer in which a rank sends so many bytes.
double transferSeconds(double bytes, const MachineModel &machine);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_COST_OPCOST_H
