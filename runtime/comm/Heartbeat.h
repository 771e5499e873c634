//===- Heartbeat.h - Notices ranks that die or hang -----------------------===//
#ifndef REGIMEN_RUNTIME_COMM_HEARTBEAT_H
#define REGIMEN_RUNTIME_COMM_HEARTBEAT_H

#include "runtime/comm/Rendezvous.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace regimen::runtime {

struct HeartbeatOptions {
  std::chrono::milliseconds interval = std::chrono::seconds(1);
  /// A rank that is silent for so long counts as lost.
  std::chrono::milliseconds patience = std::chrono::seconds(60);
};

/// A ring of connections on which a thread of every rank says each interval that its process runs,
/// whatever the other threads do. A connection that closes without a goodbye, or patience without a
/// beat, is a failure; news of it goes around the ring, so that all ranks name the same culprit. It
/// does not notice a rank that computes forever.
class Heartbeat {
public:
  /// Connects to both neighbours. `onFailure` is called at most once, from the heartbeat's thread,
  /// with a message for the user.
  Heartbeat(Rendezvous &rendezvous, const HeartbeatOptions &options,
            std::function<void(const std::string &message)> onFailure);
  /// Says goodbye; during the unwinding of an exception, that this rank has failed.
  ~Heartbeat();

  /// The message of the first failure known; waits for one to arrive, for so long. Empty: none.
  std::string failure(std::chrono::milliseconds wait) const;
  /// Tells the other ranks that this one has failed and is about to end.
  void announceFailure();

private:
  class Ring;
  std::unique_ptr<Ring> ring;
  int exceptions;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_HEARTBEAT_H
