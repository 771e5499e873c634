//===- Launch.h - Which ranks there are, and starting local ones ----------===//
#ifndef REGIMEN_RUNTIME_COMM_LAUNCH_H
#define REGIMEN_RUNTIME_COMM_LAUNCH_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace regimen::runtime {

/// A process's place among the ranks, and where they meet.
struct World {
  int rank = 0;
  int size = 1;
  /// Rank among the processes of this machine.
  int localRank = 0;
  std::string masterAddress = "127.0.0.1";
  uint16_t masterPort = 0;
  /// The launcher serves the store at the master's port, so rank 0 does not.
  bool agentStore = false;
  /// How often the launcher has started the ranks anew; its store remembers earlier lives.
  uint64_t generation = 0;
  /// A listening socket at the master's port that rank 0 serves the store from; -1: it opens one.
  int listenSocket = -1;

  /// "rank 2: " to put before a message where there are several ranks.
  std::string prefix() const;
};

/// Value of a variable, or null. Main passes the environment.
using VariableLookup = std::function<const char *(const char *name)>;

/// The world that torchrun, or a launcher like it, describes by RANK, WORLD_SIZE, LOCAL_RANK,
/// MASTER_ADDR and MASTER_PORT; none when neither RANK nor WORLD_SIZE is set. Throws Error that
/// names the variable that is missing or wrong.
std::optional<World> worldFromEnvironment(const VariableLookup &lookup);

struct LaunchOptions {
  /// How long the other ranks may go on after one failed, before they are told to end; and then,
  /// before they are killed.
  std::chrono::milliseconds grace = std::chrono::seconds(3);
  /// Shows what became of ranks, a message a call.
  std::function<void(const std::string &message)> say = &printMessage;

  /// On standard error.
  static void printMessage(const std::string &message);
};

/// Runs `body` in `count` processes forked from this one, which must have one thread only; a body's
/// result is its process's exit code, an exception that leaves it counts as 1 and is told when all
/// have ended: once, with the ranks that it happened to, and that a rank was lost only where
/// nothing else explains the end. Passes SIGINT and SIGTERM on. Returns the exit code of the rank
/// that failed first (128 + signal for one that was killed), or 0. Throws Error when ranks cannot
/// be started.
int launchLocally(int count, const std::function<int(const World &)> &body,
                  const LaunchOptions &options = {});

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_LAUNCH_H
