//===- Passes.h - The autodiff stage ----------------------------*- C++ -*-===//
//
// In:  one `forward` program of aten ops, as exported.
// Out: micro-step programs that also compute gradients, and the `update` program. For a caller from
//      PyTorch: one forward that leaves what backwards need in `train.saved` symbols, backwards by
//      variant, and an inference program.
//
//   train.program @forward forward inputs ["x", "y"] outputs ["loss"] loss 0 { ... }
//   // becomes
//   train.gradient @"fc.weight:grad" of @"fc.weight" : tensor<4x2xf32>
//   train.program @micro_step_first micro_step contribution(first) inputs ["x", "y"] outputs
//   ["loss"] loss 0 {
//     ...                                                        // forward, decomposed
//     %seed = train.seed accumulate 1 : tensor<f32>
//     ...                                                        // backward
//     train.write %dw, @"fc.weight:grad" : tensor<4x2xf32>
//     train.return %loss : tensor<f32>
//   }
//   train.program @update update inputs [] outputs ["grad_norm"] grad_norm 0 { ... }
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_AUTODIFF_PASSES_H
#define REGIMEN_PASSES_AUTODIFF_PASSES_H

#include "passes/CompileConfig.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace regimen::passes {

#define GEN_PASS_DECL
#include "passes/autodiff/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/autodiff/Passes.h.inc"

/// A pass's option `config`: the configuration as JSON. Fails with a diagnostic at `module`.
mlir::FailureOr<CompileConfig> parseConfig(mlir::ModuleOp module, llvm::StringRef text);

/// Appends what makes micro-steps of @forward, forward and backward in one program.
void buildMicroSteps(mlir::OpPassManager &passes, const CompileConfig &config);
/// Appends the stage: decompose, differentiate, build the update, drop dead ops, verify.
void buildAutodiffPipeline(mlir::OpPassManager &passes, const CompileConfig &config);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_PASSES_H
