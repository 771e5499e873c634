//===- Communicator.h - All that connects the ranks -----------------------===//
#ifndef REGIMEN_RUNTIME_COMM_COMMUNICATOR_H
#define REGIMEN_RUNTIME_COMM_COMMUNICATOR_H

#include "runtime/comm/Collectives.h"
#include "runtime/comm/Heartbeat.h"
#include "runtime/comm/HostChannel.h"
#include "runtime/comm/Rendezvous.h"

#include <memory>

namespace regimen::runtime {

struct CommunicatorOptions {
  RendezvousOptions rendezvous;
  HeartbeatOptions heartbeat;
  CollectiveOptions collectives;
};

/// The connections of one compiled model: collectives for its comm lane, the host channel for its
/// calling thread, and the heartbeat that ends every wait when a rank is lost. Works for one rank,
/// too, without a socket.
class Communicator {
public:
  /// Called by all ranks. Throws Error.
  Communicator(const World &world, const CommunicatorOptions &options);
  /// All ranks should have passed a barrier since the last collective; a rank that leaves early
  /// fails those that wait for it.
  ~Communicator();

  int rank() const { return world.rank; }
  int size() const { return world.size; }
  Transport &transport() { return *theTransport; }
  Collectives &collectives() { return *theCollectives; }
  HostChannel &host() { return *theHost; }

private:
  const World world;
  std::unique_ptr<Transport> theTransport;
  std::unique_ptr<Collectives> theCollectives;
  std::unique_ptr<HostChannel> theHost;
  std::unique_ptr<Heartbeat> heartbeat;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_COMMUNICATOR_H
