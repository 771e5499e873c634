//===- Weights.h - A model's initial values -------------------------------===//
#ifndef REGIMEN_RUNTIME_CHECKPOINT_WEIGHTS_H
#define REGIMEN_RUNTIME_CHECKPOINT_WEIGHTS_H

#include "formats/safetensors/Safetensors.h"
#include "runtime/checkpoint/Wholes.h"
#include "runtime/executor/Executor.h"

#include <filesystem>
#include <optional>

namespace regimen::runtime {

/// Gives every parameter and module buffer its value: from `weights` (a safetensors file, a folder
/// of them as Hugging Face writes it, a .pt2 archive, or a folder with the plan's archive), else
/// from the archive that the plan names, looked for at its relative path from `planPath` and beside
/// it. Throws Error naming what is missing or does not fit.
void loadWeights(Executor &executor, const std::filesystem::path &planPath,
                 const std::optional<std::filesystem::path> &weights);

/// Sets a tensor of the plan from one of a file; `name` is for messages. Throws Error when type or
/// shape differ.
void setFrom(Executor &executor, const ModelTensor &tensor, const safetensors::TensorView &view,
             const std::string &source);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_CHECKPOINT_WEIGHTS_H
