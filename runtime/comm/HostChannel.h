//===- HostChannel.h - Ranks agree on what they enter ---------------------===//
#ifndef REGIMEN_RUNTIME_COMM_HOSTCHANNEL_H
#define REGIMEN_RUNTIME_COMM_HOSTCHANNEL_H

#include "runtime/comm/Collectives.h"

#include <cstdint>
#include <functional>
#include <string>

namespace regimen::runtime {

/// What a rank is about to run.
struct Entry {
  uint32_t program = 0;
  uint32_t variant = 0;
  /// Segments that this rank entered before.
  uint64_t sequence = 0;

  bool operator==(const Entry &) const = default;
};

/// Small messages between the ranks' calling threads, beside the collectives of the lanes.
class HostChannel {
public:
  /// `channel` is one that no other collectives use.
  HostChannel(Transport &transport, int channel) : collectives(transport, options(channel)) {}

  /// Describes what a rank entered.
  using Naming = std::function<std::string(uint32_t program, uint32_t variant)>;
  /// Returns when all ranks have entered the same; else throws Error, on every rank, that says who
  /// entered what.
  void agree(uint32_t program, uint32_t variant, const Naming &name = {});
  /// For metrics and the parts of a norm.
  Collectives &scalars() { return collectives; }

private:
  static CollectiveOptions options(int channel) {
    CollectiveOptions result;
    result.channel = channel;
    return result;
  }

  Collectives collectives;
  uint64_t entered = 0;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_HOSTCHANNEL_H
