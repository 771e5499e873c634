//===- HeartbeatLink.h - A heartbeat's connection to a neighbour ----------===//
#ifndef REGIMEN_RUNTIME_COMM_HEARTBEATLINK_H
#define REGIMEN_RUNTIME_COMM_HEARTBEATLINK_H

#include "runtime/comm/Rendezvous.h"

#include <chrono>
#include <cstdint>
#include <vector>

namespace regimen::runtime {

/// What travels on the ring: a sign of life, the news that `rank` failed, or a goodbye.
struct HeartbeatMessage {
  enum Kind : uint32_t { Hello, Beat, Died, Silent, Failed, Bye };
  uint32_t kind = Beat;
  uint32_t rank = 0;
};

/// A connection that never blocks once it is made.
class HeartbeatLink {
public:
  HeartbeatLink(int socket, int peer) : fd(socket), theirRank(peer) {}
  HeartbeatLink(const HeartbeatLink &) = delete;
  HeartbeatLink &operator=(const HeartbeatLink &) = delete;
  ~HeartbeatLink() { shut(); }

  int peer() const { return theirRank; }
  /// -1 once closed.
  int socket() const { return fd; }
  bool open() const { return fd >= 0; }
  void shut();
  /// Best effort: who does not read any more will be noticed otherwise.
  void send(const HeartbeatMessage &message);
  /// What has arrived; `closed` tells whether the other end has closed.
  std::vector<HeartbeatMessage> receive(bool *closed);

  /// Lets the other end know that nothing more comes.
  void sendNoMore();
  /// After sendNoMore: returns when the other end has said the same, or at the deadline. Closing at
  /// once could take back what was sent last.
  void finish(std::chrono::steady_clock::time_point deadline);

  /// Time without a sign of life.
  std::chrono::nanoseconds silence{0};

private:
  int fd;
  int theirRank;
  bool stuck = false;
  std::vector<std::byte> partial;
};

/// Connects this rank to the next and the previous one. Throws Error.
struct HeartbeatNeighbours {
  int next = -1, previous = -1;
};
HeartbeatNeighbours connectNeighbours(Rendezvous &rendezvous);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_HEARTBEATLINK_H
