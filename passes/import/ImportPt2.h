//===- ImportPt2.h - An exported program as IR ------------------*- C++ -*-===//
//
// In:  a .pt2 archive of a functional graph (torch.export, then run_decompositions({})).
// Out: a module with one storage symbol for each parameter and buffer, and one `forward` program of
//      aten ops with static shapes.
//
//   train.parameter @"fc.weight" : tensor<4x2xf32> trainable
//   train.program @forward forward inputs ["x"] outputs ["sum_1"] loss 0 {
//   ^bb0(%x: tensor<3x2xf32>):
//     %w = train.read @"fc.weight" : tensor<4x2xf32>
//     %y = aten.linear(%x, %w) : (tensor<3x2xf32>, tensor<4x2xf32>) -> tensor<3x4xf32>
//     %s = aten.sum(%y) : (tensor<3x4xf32>) -> tensor<f32>
//     train.return %s : tensor<f32>
//   }
//
// Every op carries NameLoc("<FQN of its layer>", file:line) of the model's source.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_IMPORT_IMPORTPT2_H
#define REGIMEN_PASSES_IMPORT_IMPORTPT2_H

#include "formats/pt2/ExportedProgram.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <cstdint>
#include <map>
#include <string>
#include <variant>

namespace regimen::passes {

struct ImportOptions {
  /// Sizes of dynamic axes, by "INPUT.AXIS".
  std::map<std::string, int64_t> dims = {};
  /// How messages call them.
  std::string dimsOption = "--dim";
  /// The user output that is the loss: its index, its pytree key ("loss", "0.loss"), or its name in
  /// the signature.
  std::variant<int64_t, std::string> loss = int64_t(0);
  /// A caller that brings gradients itself needs no loss among the outputs.
  bool needsLoss = true;
};

/// Imports `program`, whose constants are read from `archive`. The context must have the aten,
/// train and arith dialects loaded.
///
/// Throws Error for what is wrong with the archive or the options. Returns null after a diagnostic
/// where an op's verifier refuses what the archive says. Warnings are diagnostics.
mlir::OwningOpRef<mlir::ModuleOp> importProgram(const pt2::Archive &archive,
                                                const pt2::ExportedProgram &program,
                                                const ImportOptions &options,
                                                mlir::MLIRContext &context);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_IMPORTPT2_H
