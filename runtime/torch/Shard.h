//===- Shard.h - What a rank holds of a tensor ------------------*- C++ -*-===//
#ifndef REGIMEN_RUNTIME_TORCH_SHARD_H
#define REGIMEN_RUNTIME_TORCH_SHARD_H

#include "formats/plan/Plan.h"
#include "runtime/comm/Communicator.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace regimen::runtime {

/// A parameter's place among the ranks' shards of its bucket.
struct Shard {
  Shard() = default;
  Shard(const plan::fb::PlanT &plan, const plan::fb::ParameterT &parameter, uint32_t bucket);

  /// Elements [begin, begin + size) of the whole tensor, row-major, that a rank's shard has.
  struct Range {
    int64_t begin = 0, size = 0;
  };
  Range rangeOf(uint64_t rank) const;

  std::vector<int64_t> sizes; // of the whole tensor
  uint32_t bucket = 0;
  /// ZeRO stage of the bucket.
  uint32_t stage = 0;
  /// The parameter's elements in the bucket, and how many of the bucket each rank has.
  uint64_t offset = 0, elements = 0, shard = 0;
};

/// The bucket of every parameter of a plan. Throws Error for a plan of several ranks that does not
/// say it, as those of earlier compilers.
std::vector<uint32_t> bucketsOf(const plan::fb::PlanT &plan);

/// A tensor that has sizes and no memory; reading or writing its elements raises an error with this
/// message.
at::Tensor makePlaceholder(at::IntArrayRef sizes, at::ScalarType type, std::string message);

/// The whole tensor from the ranks' parts, on every rank. All ranks call it in one order.
at::Tensor gatherWhole(Communicator &ranks, const Shard &shard, const at::Tensor &part);
/// Sets a rank's part from the whole tensor.
void setPart(const Shard &shard, uint64_t rank, const at::Tensor &whole, const at::Tensor &part);
/// Gives every rank what the first one has; a tensor that is not contiguous is copied to and fro.
void broadcastFirst(Communicator &ranks, const at::Tensor &tensor);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TORCH_SHARD_H
