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

#if defined(__SANITIZE_THREAD__)
// Gloo counts who uses a buffer with atomics that the sanitizer does not see.
extern "C" const char *__tsan_default_suppressions();
extern "C" const char *__tsan_default_suppressions() { return "race:libtorch_cpu.so\n"; }
#endif

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

uint64_t milliseconds() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
          .count());
}

/// Gathers until a rank is lost, and prints what it was told and how long after `since`, in
/// milliseconds.
int gatherUntilLost(Communicator &communicator, const volatile uint64_t *since) {
  std::vector<std::byte> buffer(size_t(1) << 20);
  size_t shard = buffer.size() / static_cast<size_t>(communicator.size());
  try {
    while (true)
      communicator.collectives().allGather(buffer.data(), shard);
  } catch (const Error &error) {
    fmt::print(stderr, "after {} ms: {}\n", milliseconds() - *since, error.what());
  }
  return 1;
}

/// When it happened, told to all ranks: they read one clock.
struct SharedTime {
  uint64_t *value = static_cast<uint64_t *>(
      mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
};

/// What the others do when they are told that a rank is lost.
enum class Others { Print, Throw };

/// All ranks gather; after a while `culprit` does `act`.
int lose(int ranks, int culprit, CommunicatorOptions options, const std::function<void()> &act,
         Others others = Others::Print) {
  SharedTime since;
  // A stopped process takes no signal but the last, after twice the grace.
  LaunchOptions hurry;
  hurry.grace = std::chrono::seconds(2);
  auto body = [&](const World &world) {
    Communicator communicator(world, options);
    if (world.rank != culprit && others == Others::Print)
      return gatherUntilLost(communicator, since.value);
    std::vector<std::byte> buffer(size_t(1) << 20);
    for (int i = 0; i < 10 || world.rank != culprit; ++i)
      communicator.collectives().allGather(buffer.data(),
                                           buffer.size() / static_cast<size_t>(ranks));
    *since.value = milliseconds();
    act();
    return 0;
  };
  return launchLocally(ranks, body, hurry);
}

int hang(int ranks, int culprit, Others others = Others::Print) {
  CommunicatorOptions impatient = options();
  impatient.heartbeat.patience = std::chrono::milliseconds(1500);
  return lose(ranks, culprit, impatient, [] { raise(SIGSTOP); }, others);
}

volatile std::sig_atomic_t interrupted = 0;

const std::map<std::string, std::function<int()>> &scenarios() {
  static const std::map<std::string, std::function<int()>> all = {
      {"world",
       [] {
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
      {"codes",
       [] {
         return launchLocally(3, [](const World &world) {
           std::this_thread::sleep_for(std::chrono::milliseconds(world.rank == 1 ? 50 : 400));
           return 10 + world.rank;
         });
       }},
      {"throws",
       [] {
         return launchLocally(2, [](const World &world) -> int {
           if (world.rank == 1)
             throw Error("no data");
           return 0;
         });
       }},
      {"throw-together",
       [] {
         return launchLocally(3, [](const World &world) -> int {
           // Some messages have the rank in front.
           throw Error(world.rank == 2 ? "no luck" : world.prefix() + "no data");
         });
       }},
      {"stubborn",
       [] {
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
      {"interrupt",
       [] {
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
      {"threads",
       [] {
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
      {"told-failure",
       [] { return lose(3, 1, options(), [] { throw Error("out of luck"); }, Others::Throw); }},
      {"told-death", [] { return lose(3, 1, options(), [] { raise(SIGKILL); }, Others::Throw); }},
      {"told-hang", [] { return hang(3, 1, Others::Throw); }},
      {"hang", [] { return hang(3, 1); }},
      {"master-hang", [] { return hang(2, 0); }},
      {"pause",
       [] {
         // Both ranks are stopped for longer than their patience, as when a laptop sleeps.
         CommunicatorOptions impatient = options();
         impatient.heartbeat.patience = std::chrono::milliseconds(1500);
         return launchLocally(2, [&](const World &world) {
           Communicator communicator(world, impatient);
           const uint64_t start = milliseconds();
           std::array<pid_t, 2> ranks{};
           pid_t own = getpid();
           communicator.host().scalars().allGatherBytes(std::as_bytes(std::span(&own, 1)),
                                                        std::as_writable_bytes(std::span(ranks)));
           if (world.rank == 0 && fork() == 0) {
             for (int signal : {SIGSTOP, SIGCONT}) {
               for (pid_t pid : ranks)
                 kill(pid, signal);
               usleep(2500000);
             }
             _exit(0);
           }
           for (bool more = true; more;) {
             std::this_thread::sleep_for(std::chrono::milliseconds(50));
             std::array<uint64_t, 2> times{};
             uint64_t time = milliseconds() - start;
             communicator.host().scalars().allGatherBytes(std::as_bytes(std::span(&time, 1)),
                                                          std::as_writable_bytes(std::span(times)));
             more = times[0] < 3000;
           }
           return 0;
         });
       }},
      {"environment",
       [] {
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
