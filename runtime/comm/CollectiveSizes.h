//===- CollectiveSizes.h - Scratch and traffic of the collectives ---------===//
#ifndef REGIMEN_RUNTIME_COMM_COLLECTIVESIZES_H
#define REGIMEN_RUNTIME_COMM_COLLECTIVESIZES_H

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace regimen::runtime {

/// Ordered: every rank sends each part to the rank that reduces it, which sums in rank order; the
/// bits do not depend on how buffers are cut. Ring: sums travel around the ring and are rounded to
/// the type at every hop.
enum class Algorithm { Ordered, Ring };

/// How a buffer is cut into one part a rank; only the last ones can be smaller or empty.
struct Parts {
  size_t total, shard;

  static Parts equal(size_t shardBytes, int ranks) {
    return {shardBytes * static_cast<size_t>(ranks), shardBytes};
  }
  /// Of any number of elements.
  static Parts of(size_t elements, size_t elementBytes, int ranks) {
    auto count = static_cast<size_t>(ranks);
    return {elements * elementBytes, (elements + count - 1) / count * elementBytes};
  }
  size_t begin(int rank) const { return std::min(total, shard * static_cast<size_t>(rank)); }
  size_t bytes(int rank) const { return begin(rank + 1) - begin(rank); }
};

/// Scratch bytes of a reduce-scatter into shards of so many bytes.
size_t reduceScatterScratch(Algorithm algorithm, int ranks, size_t shardBytes);
/// Scratch bytes of an all-reduce.
size_t allReduceScratch(Algorithm algorithm, int ranks, size_t elements, size_t elementBytes);

// Bytes that a rank sends. A buffer of p bytes in N shards: p(N-1)/N for either of the first two.
uint64_t allGatherTraffic(int ranks, size_t shardBytes);
uint64_t reduceScatterTraffic(int ranks, size_t shardBytes);
/// 2p(N-1)/N where N divides the elements; else rank by rank, as the last shards are smaller.
uint64_t allReduceTraffic(Algorithm algorithm, int ranks, int rank, size_t elements,
                          size_t elementBytes);
/// Of broadcasts over all ranks together: p(N-1).
uint64_t broadcastTraffic(int ranks, size_t bytes);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_COLLECTIVESIZES_H
