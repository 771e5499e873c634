//===- Launch.cpp ---------------------------------------------------------===//
#include "runtime/comm/Launch.h"

#include "formats/Error.h"
#include "runtime/comm/RankReports.h"
#include "runtime/comm/Transport.h"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace regimen::runtime {
namespace {

using Clock = std::chrono::steady_clock;

#if defined(__SANITIZE_THREAD__)
constexpr ptrdiff_t kOwnThreads = 2; // the sanitizer has one, which survives a fork
#else
constexpr ptrdiff_t kOwnThreads = 1;
#endif

uint64_t parseNumber(const char *name, const std::string &text, uint64_t highest) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > highest)
    throw Error(fmt::format("the environment variable {} is '{}', a number up to {} is needed",
                            name, text, highest));
  return value;
}

/// Signals that the parent takes one by one instead of being interrupted by them.
class HeldSignals {
public:
  HeldSignals() {
    sigemptyset(&held);
    for (int signal : {SIGCHLD, SIGINT, SIGTERM})
      sigaddset(&held, signal);
    sigprocmask(SIG_BLOCK, &held, &before);
    // Under SIG_IGN ended children would vanish without a trace.
    struct sigaction plain{};
    plain.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &plain, &childBefore);
  }
  HeldSignals(const HeldSignals &) = delete;
  HeldSignals &operator=(const HeldSignals &) = delete;
  ~HeldSignals() { release(); }

  void release() {
    sigaction(SIGCHLD, &childBefore, nullptr);
    sigprocmask(SIG_SETMASK, &before, nullptr);
  }
  /// The next signal, 0 when there is none until `deadline`.
  int next(const std::optional<Clock::time_point> &deadline, siginfo_t *info) {
    if (!deadline)
      return std::max(sigwaitinfo(&held, info), 0);
    auto left = std::max(*deadline - Clock::now(), Clock::duration::zero());
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    timespec timeout{seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
    return std::max(sigtimedwait(&held, info, &timeout), 0);
  }

private:
  sigset_t held, before;
  struct sigaction childBefore{};
};

int listenLocally(uint16_t *port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  // Listening already: ranks that are up before rank 0 wait in the queue instead of being refused.
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr *>(&address), length) != 0 ||
      listen(fd, SOMAXCONN) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr *>(&address), &length) != 0) {
    int error = errno;
    if (fd >= 0)
      close(fd);
    throw Error(
        fmt::format("cannot open a local port for the ranks to meet: {}", std::strerror(error)));
  }
  *port = ntohs(address.sin_port);
  return fd;
}

[[noreturn]] void runRank(const World &world, const std::function<int(const World &)> &body,
                          int report) {
  int code = 1;
  try {
    code = body(world);
  } catch (const LostRank &error) {
    RankReports::send(report, RankReports::Kind::Lost, error.what());
  } catch (const std::exception &error) {
    RankReports::send(report, RankReports::Kind::Failed, error.what());
  }
  std::fflush(nullptr);
  _exit(code);
}

/// The ranks that were started, and what became of them.
class Ranks {
public:
  explicit Ranks(const LaunchOptions &options) : options(options) {}

  /// `report` is the end of a pipe that the rank sends its report to.
  void add(pid_t pid, int report) {
    pids.push_back(pid);
    reports.add(report);
  }
  void signalAll(int signal) {
    for (pid_t pid : pids)
      if (pid > 0)
        kill(pid, signal);
  }
  int waitForAll(HeldSignals &signals) {
    collect();
    while (running() > 0) {
      siginfo_t info{};
      int signal = signals.next(deadline, &info);
      // What a terminal sends goes to all its processes; passed on, the ranks would have it twice.
      if ((signal == SIGINT || signal == SIGTERM) && info.si_code != SI_KERNEL)
        signalAll(signal);
      collect();
      if (deadline && Clock::now() >= *deadline) {
        signalAll(told ? SIGKILL : SIGTERM);
        told = true;
        deadline = Clock::now() + options.grace;
      }
    }
    for (const std::string &message : reports.messages())
      options.say(message);
    return firstFailure;
  }

private:
  size_t running() const {
    size_t count = 0;
    for (pid_t pid : pids)
      count += pid > 0 ? 1 : 0;
    return count;
  }
  void collect() {
    for (size_t rank = 0; rank < pids.size(); ++rank) {
      int status = 0;
      if (pids[rank] <= 0 || waitpid(pids[rank], &status, WNOHANG) != pids[rank])
        continue;
      pids[rank] = 0;
      int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      // Those that the launch itself ended need no explanation.
      if (WIFSIGNALED(status) && !told)
        reports.addEndedBy(rank, WTERMSIG(status));
      else
        reports.receive(rank);
      if (code == 0 || deadline)
        continue;
      firstFailure = code;
      deadline = Clock::now() + options.grace;
    }
  }

  const LaunchOptions &options;
  std::vector<pid_t> pids;
  RankReports reports;
  int firstFailure = 0;
  std::optional<Clock::time_point> deadline;
  bool told = false;
};

} // namespace

void LaunchOptions::printMessage(const std::string &message) {
  fmt::print(stderr, "{}\n", message);
}

std::string World::prefix() const { return size > 1 ? fmt::format("rank {}: ", rank) : ""; }

std::optional<World> worldFromEnvironment(const VariableLookup &lookup) {
  auto find = [&](const char *name) -> std::optional<std::string> {
    const char *text = lookup(name);
    return text && *text ? std::optional<std::string>(text) : std::nullopt;
  };
  if (!find("RANK") && !find("WORLD_SIZE"))
    return std::nullopt;
  auto need = [&](const char *name) {
    if (std::optional<std::string> text = find(name))
      return *text;
    throw Error(
        fmt::format("RANK or WORLD_SIZE is set, but not {}; a launcher such as torchrun sets "
                    "RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT",
                    name));
  };
  auto number = [&](const char *name, uint64_t highest) {
    return parseNumber(name, need(name), highest);
  };
  constexpr uint64_t kMostRanks = 1 << 20;
  World world;
  world.size = static_cast<int>(number("WORLD_SIZE", kMostRanks));
  if (world.size == 0)
    throw Error("the environment variable WORLD_SIZE is 0, at least one rank is needed");
  world.rank = static_cast<int>(number("RANK", kMostRanks));
  if (world.rank >= world.size)
    throw Error(fmt::format("the environment variable RANK is {}, but WORLD_SIZE is {}", world.rank,
                            world.size));
  world.localRank = static_cast<int>(number("LOCAL_RANK", kMostRanks));
  if (world.localRank >= world.size)
    throw Error(fmt::format("the environment variable LOCAL_RANK is {}, but WORLD_SIZE is {}",
                            world.localRank, world.size));
  world.masterAddress = need("MASTER_ADDR");
  world.masterPort = static_cast<uint16_t>(number("MASTER_PORT", UINT16_MAX));
  if (world.masterPort == 0)
    throw Error("the environment variable MASTER_PORT is 0, which no other rank could find");
  world.agentStore = find("TORCHELASTIC_USE_AGENT_STORE") == "True";
  if (std::optional<std::string> restarts = find("TORCHELASTIC_RESTART_COUNT"))
    world.generation = parseNumber("TORCHELASTIC_RESTART_COUNT", *restarts, UINT32_MAX);
  return world;
}

int launchLocally(int count, const std::function<int(const World &)> &body,
                  const LaunchOptions &options) {
  // A forked process has only the thread that forked, and whatever locks the others held.
  std::filesystem::directory_iterator threads("/proc/self/task");
  if (std::distance(begin(threads), end(threads)) > kOwnThreads)
    throw Error("ranks can only be started before the process has threads of its own");
  World world;
  world.size = count;
  world.listenSocket = listenLocally(&world.masterPort);
  std::fflush(nullptr);
  HeldSignals signals;
  Ranks ranks(options);
  const pid_t parent = getpid();
  for (int rank = 0; rank < count; ++rank) {
    std::array<int, 2> report{-1, -1};
    pid_t pid = pipe2(report.data(), O_CLOEXEC) == 0 ? fork() : -1;
    if (pid < 0) {
      int error = errno;
      for (int end : report)
        close(end);
      ranks.signalAll(SIGKILL);
      ranks.waitForAll(signals);
      close(world.listenSocket);
      throw Error(fmt::format("cannot start rank {}: {}", rank, std::strerror(error)));
    }
    if (pid == 0) {
      // No rank outlives the launch.
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent)
        _exit(1);
      signals.release();
      world.rank = world.localRank = rank;
      if (rank > 0)
        close(std::exchange(world.listenSocket, -1));
      close(report[0]);
      runRank(world, body, report[1]);
    }
    close(report[1]);
    ranks.add(pid, report[0]);
  }
  close(world.listenSocket);
  return ranks.waitForAll(signals);
}

} // namespace regimen::runtime
