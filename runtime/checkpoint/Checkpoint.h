//===- Checkpoint.h - Saving and resuming a training ----------------------===//
//
// DIR/step-N/ holds, after N steps:
//   model.safetensors                      persistent parameters and buffers by FQN, or, above a
//   size limit,
//                                          model-0000i-of-0000n.safetensors and
//                                          model.safetensors.index.json
//   optimizer-00001-of-00001.safetensors   optimizer states as "slot/FQN"
//   training.json                          step, updates, blocks consumed, seed, the files' digests
// The files hold whole tensors, and every rank writes what it holds of them, so the folder must be
// one that all ranks share. It appears under this name only when it is complete. Then links beside
// it, DIR/model.safetensors first, are turned to its model files.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_RUNTIME_CHECKPOINT_CHECKPOINT_H
#define REGIMEN_RUNTIME_CHECKPOINT_CHECKPOINT_H

#include "runtime/executor/Executor.h"

#include <cstdint>
#include <filesystem>

namespace regimen::runtime {

/// Where a training stands.
struct TrainingState {
  uint64_t step = 0;    // completed steps
  uint64_t updates = 0; // those that changed the parameters
  uint64_t blocks = 0;  // micro-batches consumed, over all ranks
  uint64_t seed = 0;
  bool shuffle = false;
};

/// Model files larger than this are cut.
inline constexpr uint64_t kModelFileBytes = uint64_t(5) << 30;

/// Creates the folder, makes sure that a checkpoint can be put there, and removes what a save left
/// that was killed. One rank calls it. Throws Error.
void prepareSaving(const std::filesystem::path &folder);

/// Writes DIR/step-N. All ranks call it. On failure, a full disk for example, throws Error and
/// leaves everything that was there.
void saveCheckpoint(const std::filesystem::path &folder, Executor &executor,
                    const TrainingState &state, uint64_t modelFileBytes = kModelFileBytes);

/// Loads the newest checkpoint of a folder, or the one that the folder is. Throws Error when it is
/// not of this model and optimizer.
TrainingState loadCheckpoint(const std::filesystem::path &folder, Executor &executor);

/// Writes the gradients of all parameters that have one, by FQN. All ranks call it; rank 0 writes,
/// since it alone may see the path.
void dumpGradients(const std::filesystem::path &path, Executor &executor);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_CHECKPOINT_CHECKPOINT_H
