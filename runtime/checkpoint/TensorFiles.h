//===- TensorFiles.h - Files that all ranks write together ------*- C++ -*-===//
//
// A file holds whole tensors whatever the stage, so any world reads what any other has written, and
// other programs read it, too. Every rank writes its own bytes of it: nothing is sent, and no rank
// needs memory for more than a tensor's part.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_RUNTIME_CHECKPOINT_TENSORFILES_H
#define REGIMEN_RUNTIME_CHECKPOINT_TENSORFILES_H

#include "runtime/checkpoint/Wholes.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace regimen::runtime {

/// Makes a safetensors file of these tensors in full size. One rank calls it.
void createTensorFile(const std::filesystem::path &path, const plan::fb::PlanT &plan,
                      std::span<const ModelTensor> tensors);

/// Writes this rank's part of a file that createTensorFile() made, and returns when it is on the
/// disk. Between them the ranks write every byte.
void writeOwnParts(const std::filesystem::path &path, Executor &executor,
                   std::span<const ModelTensor> tensors);

/// SHA-256 of a file that all ranks see, each of which reads a part of it: of the digests, as text,
/// of its pieces of `pieceBytes` each. All ranks call it and get the same. Throws Error where they
/// see files of different sizes.
std::string digestTogether(const std::filesystem::path &path, Executor &executor,
                           uint64_t pieceBytes);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_CHECKPOINT_TENSORFILES_H
