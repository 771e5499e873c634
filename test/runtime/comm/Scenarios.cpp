//===- Scenarios.cpp - Ranks as processes, for LaunchTest -----------------===//
//
// regimen-comm-scenarios NAME: launches ranks that do what NAME says. What they print and the exit
// code are the test's to check.
//
//===----------------------------------------------------------------------===//
#include "formats/Error.h"
#include "runtime/comm/Communicator.h"

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <map>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace regimen;
using namespace regimen::runtime;

namespace {

using Clock = std::chrono::steady_clock;

CommunicatorOptions options() {
  CommunicatorOptions options;
  options.rendezvous.timeout = std::chrono::seconds(60);
  options.heartbeat.interval = std::chrono::milliseconds(100);
  options.heartbeat.patience = std::chrono::seconds(30);
  return options;
}

/// Gathers until a rank is lost, and prints what it was told and how long after `since`, in
/// milliseconds since boot, which the culprit writes down.
int gatherUntilLost(Communicator &communicator, const volatile uint64_t *since) {
  std::vector<std::byte> buffer(size_t(1) << 20);
  size_t shard = buffer.size() / static_cast<size_t>(communicator.size());
  try {
    while (true)
      communicator.collectives().allGather(buffer.data(), shard);
  } catch (const Error &error) {
    auto now = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch());
    fmt::print(stderr, "after {} ms: {}\n", static_cast<uint64_t>(now.count()) - *since,
               error.what());
  }
  return 1;
}

uint64_t milliseconds() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
          .count());
}

/// Rank 0 tells the others when it happened: all read one clock.
struct SharedTime {
  uint64_t *value = static_cast<uint64_t *>(
      mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
};

/// All ranks gather; after a while `culprit` does `act`.
int lose(int ranks, int culprit, CommunicatorOptions options, const std::function<void()> &act) {
  SharedTime since;
  return launchLocally(ranks, [&](const World &world) {
    Communicator communicator(world, options);
    if (world.rank != culprit)
      return gatherUntilLost(communicator, since.value);
    std::vector<std::byte> buffer(size_t(1) << 20);
    for (int i = 0; i < 10; ++i)
      communicator.collectives().allGather(buffer.data(),
                                           buffer.size() / static_cast<size_t>(ranks));
    *since.value = milliseconds();
    act();
    return 0;
  });
}

int hang(int ranks, int culprit) {
  CommunicatorOptions impatient = options();
  impatient.heartbeat.patience = std::chrono::milliseconds(700);
  return lose(ranks, culprit, impatient, [] { raise(SIGSTOP); });
}

volatile std::sig_atomic_t interrupted = 0;

const std::map<std::string, std::function<int()>> &scenarios() {
  static const std::map<std::string, std::function<int()>> all = {
      {"world", [] {
         return launchLocally(3, [](const World &world) {
           Communicator communicator(world, options());
           for (int turn = 0; turn < world.size; ++turn) {
             communicator.host().agree(1, 2);
             if (turn == world.rank)
               fmt::print("{}of {}\n", world.prefix(), world.size);
             std::fflush(stdout);
           }
           return 0;
         });
       }},
      {"codes", [] {
         return launchLocally(3, [](const World &world) {
           std::this_thread::sleep_for(std::chrono::milliseconds(world.rank == 1 ? 50 : 400));
           return 10 + world.rank;
         });
       }},
      {"throws", [] {
         return launchLocally(2, [](const World &world) -> int {
           if (world.rank == 1)
             throw Error("no data");
           return 0;
         });
       }},
      {"stubborn", [] {
         LaunchOptions hurry;
         hurry.grace = std::chrono::milliseconds(150);
         return launchLocally(
             2,
             [](const World &world) {
               std::signal(SIGTERM, SIG_IGN);
               while (world.rank == 0)
                 pause();
               return 5;
             },
             hurry);
       }},
      {"interrupt", [] {
         return launchLocally(2, [](const World &world) {
           std::signal(SIGINT, [](int) { interrupted = 1; });
           std::signal(SIGTERM, [](int) { interrupted = 2; });
           fmt::print("ready\n");
           std::fflush(stdout);
           while (!interrupted)
             std::this_thread::sleep_for(std::chrono::milliseconds(5));
           fmt::print("{}signal {}\n", world.prefix(), static_cast<int>(interrupted));
           return 0;
         });
       }},
      {"threads", [] {
         std::thread other([] { std::this_thread::sleep_for(std::chrono::milliseconds(200)); });
         int code = 0;
         try {
           launchLocally(2, [](const World &) { return 0; });
         } catch (const Error &error) {
           fmt::print("{}\n", error.what());
           code = 1;
         }
         other.join();
         return code;
       }},
      {"death", [] { return lose(3, 2, options(), [] { raise(SIGKILL); }); }},
      {"master-death", [] { return lose(3, 0, options(), [] { raise(SIGKILL); }); }},
      {"failure", [] { return lose(3, 1, options(), [] { throw Error("out of luck"); }); }},
      {"hang", [] { return hang(3, 1); }},
      {"master-hang", [] { return hang(2, 0); }},
      {"pause", [] {
         // A rank that is stopped for longer than its own patience blames nobody when it goes on.
         CommunicatorOptions impatient = options();
         impatient.heartbeat.patience = std::chrono::milliseconds(1500);
         return launchLocally(2, [&](const World &world) {
           Communicator communicator(world, impatient);
           if (pid_t pid = getpid(), helper = world.rank == 0 ? fork() : 1; helper == 0) {
             for (int i = 0; i < 3; ++i) {
               kill(pid, SIGSTOP);
               usleep(700000);
               kill(pid, SIGCONT);
               usleep(300000);
             }
             _exit(0);
           }
           for (int i = 0; i < 30; ++i) {
             std::this_thread::sleep_for(std::chrono::milliseconds(100));
             communicator.host().agree(0, 0);
           }
           return 0;
         });
       }},
      {"environment", [] {
         std::optional<World> world =
             worldFromEnvironment([](const char *name) { return std::getenv(name); });
         Communicator communicator(*world, options());
         double own = 1 << world->rank;
         std::array<std::byte, 64> scratch;
         communicator.collectives().allReduce(reinterpret_cast<std::byte *>(&own), 1,
                                              {c10::ScalarType::Double}, scratch);
         fmt::print("{}sum {}\n", world->prefix(), own);
         return 0;
       }},
  };
  return all;
}

} // namespace

int main(int argc, char **argv) {
  auto found = scenarios().find(argc == 2 ? argv[1] : "");
  if (found == scenarios().end())
    return 2;
  try {
    return found->second();
  } catch (const std::exception &error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
