//===- Collectives.h - Gather, reduce, broadcast over a transport ---------===//
//
// Every rank calls the same functions in the same order with the same sizes; each returns when the
// rank's own part is done. Buffers are flat: a buffer of N shards, rank r's at r * shard.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_RUNTIME_COMM_COLLECTIVES_H
#define REGIMEN_RUNTIME_COMM_COLLECTIVES_H

#include "runtime/comm/CollectiveSizes.h"
#include "runtime/comm/SumKernel.h"
#include "runtime/comm/Transport.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace regimen::runtime {

/// What bytes were sent for. Scalars are metrics, norms, agreements and barriers.
enum class TrafficKind { AllGather, ReduceScatter, AllReduce, Broadcast, Scalars };
constexpr size_t kTrafficKinds = 5;

/// Payload bytes that this rank has sent, by kind.
using Traffic = std::array<uint64_t, kTrafficKinds>;

struct CollectiveOptions {
  Algorithm algorithm = Algorithm::Ordered;
  /// Messages are cut into pieces of about so many bytes where a piece is summed while the next one
  /// arrives. Changes no bits and no byte counts.
  size_t chunkBytes = size_t(4) << 20;
  /// Collectives of different channels may run at once, on threads of their own.
  int channel = 0;
};

/// Used from one thread at a time. All functions throw the transport's errors; buffers then hold
/// anything.
class Collectives {
public:
  explicit Collectives(Transport &transport, const CollectiveOptions &options = {});

  int rank() const { return transport.rank(); }
  int size() const { return transport.size(); }

  /// Fills the buffer with all ranks' shards; this rank's own is there already.
  void allGather(std::byte *buffer, size_t shardBytes);
  /// Reduces the input's shards over the ranks; this rank's goes to `output`, which may be its
  /// shard of the input and no other memory of it.
  void reduceScatter(const std::byte *input, std::byte *output, size_t shardElements,
                     const Reduction &reduction, std::span<std::byte> scratch);
  /// A reduce-scatter and an all-gather in place; any number of elements. Does not accumulate.
  void allReduce(std::byte *buffer, size_t elements, const Reduction &reduction,
                 std::span<std::byte> scratch);
  /// Everyone's few bytes, rank after rank: metrics, parts of a norm.
  void allGatherBytes(std::span<const std::byte> own, std::span<std::byte> all);
  /// Hands everyone's bytes, any number of them, to `take` on rank 0, rank after rank.
  void collectBytes(std::span<const std::byte> own,
                    const std::function<void(std::span<const std::byte>)> &take);
  void broadcast(std::byte *data, size_t bytes, int root);
  /// Returns when all ranks have entered it.
  void barrier();

  /// Read while no call runs.
  const Traffic &traffic() const { return sent; }
  uint64_t bytesSent(TrafficKind kind) const { return sent[static_cast<size_t>(kind)]; }

private:
  class Batch;

  void gather(std::byte *buffer, const Parts &parts, TrafficKind kind);
  void gatherDirectly(std::byte *buffer, const Parts &parts, TrafficKind kind);
  void gatherInRing(std::byte *buffer, const Parts &parts, TrafficKind kind);
  void reduce(const std::byte *input, std::byte *output, const Parts &parts,
              const Reduction &reduction, std::span<std::byte> scratch, TrafficKind kind);
  void reduceInOrder(const std::byte *input, std::byte *output, const Parts &parts,
                     const Reduction &reduction, std::byte *scratch, TrafficKind kind);
  void reduceInRing(const std::byte *input, std::byte *output, const Parts &parts,
                    const Reduction &reduction, std::byte *scratch, TrafficKind kind);
  /// The rank `distance` places after this one.
  int peer(int distance) const { return (rank() + distance + size()) % size(); }

  Transport &transport;
  const CollectiveOptions options;
  Traffic sent{};
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_COLLECTIVES_H
