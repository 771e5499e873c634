//===- BlockOrder.cpp -----------------------------------------------------===//
#include "runtime/data/DataSource.h"

#include <numeric>
#include <utility>

namespace regimen::runtime {
namespace {

/// SplitMix64: a counter-based generator, so that an epoch's order depends on the seed and the
/// epoch alone.
uint64_t mix(uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

/// A number below `bound` without bias worth mentioning (bound / 2^64).
uint64_t below(uint64_t random, uint64_t bound) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(random) * bound) >> 64);
}

} // namespace

std::vector<InputSpec> inputSpecs(const plan::fb::PlanT &plan, const plan::fb::ProgramT &program) {
  std::vector<InputSpec> specs;
  for (const auto &input : program.inputs) {
    const plan::fb::TensorT &tensor = *plan.tensors.at(input->tensor);
    specs.push_back({input->name, tensor.dtype, tensor.sizes});
  }
  return specs;
}

uint64_t rowsOf(const std::vector<InputSpec> &inputs) {
  for (const InputSpec &input : inputs)
    if (!input.sizes.empty())
      return static_cast<uint64_t>(input.sizes[0]);
  return 1;
}

BlockOrder::BlockOrder(uint64_t blocks, std::optional<uint64_t> shuffleSeed)
    : blocks(blocks), seed(shuffleSeed) {
  if (seed)
    permutation.resize(blocks);
}

uint64_t BlockOrder::at(uint64_t k) {
  if (!seed)
    return k % blocks;
  if (k / blocks != shuffledEpoch)
    shuffle(k / blocks);
  return permutation[k % blocks];
}

void BlockOrder::shuffle(uint64_t epoch) {
  std::iota(permutation.begin(), permutation.end(), 0);
  const uint64_t key = mix(mix(*seed) + epoch);
  for (uint64_t i = blocks; i > 1; --i)
    std::swap(permutation[i - 1], permutation[below(mix(key + i), i)]);
  shuffledEpoch = epoch;
}

} // namespace regimen::runtime
