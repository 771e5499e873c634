//===- EagerLayout.h - Layouts before kernels are chosen --------*- C++ -*-===//
#ifndef REGIMEN_PASSES_LAYOUT_EAGERLAYOUT_H
#define REGIMEN_PASSES_LAYOUT_EAGERLAYOUT_H

#include "passes/layout/Layout.h"

namespace regimen::passes {

/// The layout of tensor `value` as eager PyTorch has it, by the rules of Kernels.td for the
/// reference path. Inputs, parameters and buffers are contiguous, and so is what an op without a
/// kernel (a composite) makes. PyTorch's composites and gradients branch on it.
Layout eagerLayoutOf(mlir::Value value);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_LAYOUT_EAGERLAYOUT_H
