//===- Rendezvous.h - Where ranks find each other -------------------------===//
#ifndef REGIMEN_RUNTIME_COMM_RENDEZVOUS_H
#define REGIMEN_RUNTIME_COMM_RENDEZVOUS_H

#include "runtime/comm/Launch.h"

#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <memory>
#include <string>

namespace c10d {
class Store;
} // namespace c10d

namespace regimen::runtime {

struct RendezvousOptions {
  /// How long ranks wait for each other at the start.
  std::chrono::milliseconds timeout = std::chrono::minutes(5);
  /// Keeps the communicators of one world apart; the same on all ranks.
  std::string name = "regimen";
};

/// A key-value store that all ranks of a world share; needed while they connect, not afterwards.
class Rendezvous {
public:
  /// Serves the store (rank 0, unless the launcher does) or connects to it. Throws Error.
  Rendezvous(const World &world, const RendezvousOptions &options);
  ~Rendezvous();

  const World &world() const;
  const RendezvousOptions &options() const;
  /// This machine's address as the other ranks see it, in numbers.
  const std::string &address() const;
  /// Publishes a value; waits for one, and throws Error naming what did not come within the
  /// timeout.
  void set(const std::string &key, const std::string &value);
  std::string get(const std::string &key);

  /// The store, all of whose keys are this communicator's own.
  const c10::intrusive_ptr<c10d::Store> &store() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_RENDEZVOUS_H
