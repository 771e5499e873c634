//===- DataSource.h - Where micro-batches come from -----------------------===//
//
// Data is a sequence of blocks; a block is what one rank's micro-batch takes of every input.
// Sources know blocks by number, BlockOrder says which block the k-th micro-batch of a training
// takes.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_RUNTIME_DATA_DATASOURCE_H
#define REGIMEN_RUNTIME_DATA_DATASOURCE_H

#include "formats/plan/Plan.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace regimen::runtime {

/// An input of a program, as data must provide it.
struct InputSpec {
  std::string name;
  plan::fb::DType dtype;
  std::vector<int64_t> sizes;
};

/// The inputs of a program, in its order.
std::vector<InputSpec> inputSpecs(const plan::fb::PlanT &plan, const plan::fb::ProgramT &program);

/// Samples of a micro-batch: the size of the first axis that any input has; 1 where none has one.
uint64_t rowsOf(const std::vector<InputSpec> &inputs);

class DataSource {
public:
  virtual ~DataSource() = default;
  /// Number of whole blocks, at least 1.
  virtual uint64_t blocks() const = 0;
  /// Writes what block `block` (below blocks()) has for an input, contiguous, in the input's type.
  /// Any thread.
  virtual void load(uint64_t block, size_t input, std::span<std::byte> destination) const = 0;
};

/// Rows of the tensors of a safetensors file: an input of B rows takes rows [b B, (b+1) B) of the
/// tensor of its name, a 0-d input element b. Inputs named in the file's metadata "constant" are
/// passed whole. Throws Error when a tensor is missing, not an input, of another type or shape,
/// shorter than a block, or when tensors disagree on the blocks.
std::unique_ptr<DataSource> openSafetensorsData(const std::filesystem::path &path,
                                                std::vector<InputSpec> inputs);

enum class Labels { Shifted, Same };

/// Windows of a headerless stream of little-endian uint16 or uint32 tokens. An integer input [B, T]
/// takes the B windows of T tokens that follow each other. The input whose name has "label" or
/// "target" takes the same tokens, or those one later; attention masks are ones, position ids count
/// from 0. `bits` is 16, 32 or 0: guess from the upper halves.
std::unique_ptr<DataSource> openTokenData(const std::filesystem::path &path,
                                          std::vector<InputSpec> inputs, Labels labels,
                                          unsigned bits);

/// The order in which a training takes the blocks: round and round, or permuted anew in each epoch.
class BlockOrder {
public:
  BlockOrder(uint64_t blocks, std::optional<uint64_t> shuffleSeed);
  /// Block of the k-th micro-batch, counted over all ranks from the beginning of training.
  uint64_t at(uint64_t k);

private:
  void shuffle(uint64_t epoch);

  uint64_t blocks;
  std::optional<uint64_t> seed;
  uint64_t shuffledEpoch = UINT64_MAX;
  std::vector<uint64_t> permutation;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_DATA_DATASOURCE_H
