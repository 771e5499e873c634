//===- EvaluationExport.h - An evaluation graph of its own ------*- C++ -*-===//
#ifndef REGIMEN_PASSES_IMPORT_EVALUATIONEXPORT_H
#define REGIMEN_PASSES_IMPORT_EVALUATIONEXPORT_H

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace regimen::passes {

/// Moves the forward of `evaluation`, the import of the archive `archive`, into `training` as its
/// evaluation program, over the storage that is there. Inputs and their shapes may differ; what is
/// stored may not: throws Error, with the name, for a parameter or buffer that one of the two lacks
/// or has of another type or value, for other ties, and for a graph that updates buffers.
void addEvaluation(mlir::ModuleOp training, mlir::ModuleOp evaluation, const std::string &archive);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_EVALUATIONEXPORT_H
