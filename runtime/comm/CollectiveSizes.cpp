//===- CollectiveSizes.cpp ------------------------------------------------===//
#include "runtime/comm/CollectiveSizes.h"

namespace regimen::runtime {

size_t reduceScatterScratch(Algorithm algorithm, int ranks, size_t shardBytes) {
  auto others = static_cast<size_t>(ranks - 1);
  // The ring needs the sum that leaves and the one that arrives.
  return shardBytes * (algorithm == Algorithm::Ordered ? others : std::min<size_t>(others, 2));
}

size_t allReduceScratch(Algorithm algorithm, int ranks, size_t elements, size_t elementBytes) {
  return reduceScatterScratch(algorithm, ranks, Parts::of(elements, elementBytes, ranks).shard);
}

uint64_t allGatherTraffic(int ranks, size_t shardBytes) {
  return shardBytes * static_cast<uint64_t>(ranks - 1);
}

uint64_t reduceScatterTraffic(int ranks, size_t shardBytes) {
  return allGatherTraffic(ranks, shardBytes);
}

uint64_t allReduceTraffic(Algorithm algorithm, int ranks, int rank, size_t elements,
                          size_t elementBytes) {
  Parts parts = Parts::of(elements, elementBytes, ranks);
  // Either way, a rank reduces its own part and sends on all others.
  uint64_t reducing = parts.total - parts.bytes(rank);
  // Everyone gets its part from it; in the ring, the next rank gets all but the one that it has.
  if (algorithm == Algorithm::Ordered)
    return reducing + allGatherTraffic(ranks, parts.bytes(rank));
  return reducing + parts.total - parts.bytes((rank + 1) % ranks);
}

uint64_t broadcastTraffic(int ranks, size_t bytes) { return allGatherTraffic(ranks, bytes); }

} // namespace regimen::runtime
