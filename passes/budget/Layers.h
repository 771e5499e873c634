//===- Layers.h - The repeated parts of a forward ---------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_BUDGET_LAYERS_H
#define REGIMEN_PASSES_BUDGET_LAYERS_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/ArrayRef.h"

#include <string>
#include <vector>

namespace regimen::passes {

/// The module that an op comes from, as a fully qualified name; empty if it is not known.
std::string moduleOf(mlir::Location location);

/// The layer of each op of a forward, counted from 0 in their order; -1 for an op in none.
///
/// A layer is an element of a list of modules, as the name says: ops of `h.0.attn` and `h.0.mlp`
/// are of layer `h.0`. Where lists lie in lists, that depth counts at which the values between
/// layers and the inside of the largest layer together have the fewest bytes. A forward without
/// lists is cut into about as many equal pieces as the square root of its ops.
std::vector<int> layersOf(llvm::ArrayRef<mlir::Operation *> forward);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_BUDGET_LAYERS_H
