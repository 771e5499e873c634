//===- Heartbeat.cpp ------------------------------------------------------===//
#include "runtime/comm/Heartbeat.h"

#include "runtime/comm/HeartbeatLink.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace regimen::runtime {

using Clock = std::chrono::steady_clock;
using Message = HeartbeatMessage;

/// How long a rank that leaves waits until its neighbours have read its last words.
constexpr std::chrono::seconds kParting(2);

class Heartbeat::Ring {
public:
  Ring(const World &world, const HeartbeatOptions &options, const HeartbeatNeighbours &neighbours,
       std::function<void(const std::string &)> onFailure)
      : world(world), options(options), onFailure(std::move(onFailure)),
        next(neighbours.next, (world.rank + 1) % world.size),
        previous(neighbours.previous, (world.rank + world.size - 1) % world.size),
        wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread([this] { run(); }) {}
  ~Ring() {
    {
      std::lock_guard lock(mutex);
      leaving = true;
    }
    stir();
    thread.join();
    close(wake);
  }

  void announceFailure() {
    {
      std::lock_guard lock(mutex);
      failing = true;
    }
    stir();
  }

  std::string failure(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex);
    failed.wait_for(lock, wait, [this] { return !message.empty(); });
    return message;
  }

private:
  void stir() {
    uint64_t one = 1;
    // Cannot fail: the counter is far from full.
    [[maybe_unused]] ssize_t written = write(wake, &one, sizeof(one));
  }

  void run() {
    Clock::time_point beat = Clock::now(), before = beat;
    while (true) {
      auto pause = std::chrono::ceil<std::chrono::milliseconds>(beat - Clock::now());
      std::array<pollfd, 3> wanted = {pollfd{wake, POLLIN, 0}, pollfd{next.socket(), POLLIN, 0},
                                      pollfd{previous.socket(), POLLIN, 0}};
      poll(wanted.data(), wanted.size(), static_cast<int>(std::max<int64_t>(pause.count(), 0)));
      if (obeyOwner())
        return;
      Clock::time_point now = Clock::now();
      // Time in which this process itself did not run is nobody's silence.
      std::chrono::nanoseconds elapsed =
          std::min<std::chrono::nanoseconds>(now - before, 2 * options.interval);
      before = now;
      listenTo(next, elapsed);
      listenTo(previous, elapsed);
      if (now < beat)
        continue;
      tell({Message::Beat, static_cast<uint32_t>(world.rank)});
      beat = now + options.interval;
    }
  }

  /// Whether the owner wants the thread to end.
  bool obeyOwner() {
    bool tellFailure = false, end = false;
    uint64_t stirred = 0;
    [[maybe_unused]] ssize_t count = read(wake, &stirred, sizeof(stirred));
    {
      std::lock_guard lock(mutex);
      // A rank that ends because of another's failure has none of its own.
      tellFailure = std::exchange(failing, false) && message.empty();
      end = leaving;
    }
    if (tellFailure)
      tell({Message::Failed, static_cast<uint32_t>(world.rank)});
    if (end) {
      tell({Message::Bye, static_cast<uint32_t>(world.rank)});
      Clock::time_point deadline = Clock::now() + kParting;
      // Both first: two ranks that part at one time would else wait for each other.
      next.sendNoMore();
      previous.sendNoMore();
      next.finish(deadline);
      previous.finish(deadline);
    }
    return end;
  }

  void listenTo(HeartbeatLink &link, std::chrono::nanoseconds elapsed) {
    if (!link.open())
      return;
    bool closed = false, bye = false;
    std::vector<Message> messages = link.receive(&closed);
    link.silence = messages.empty() ? link.silence + elapsed : std::chrono::nanoseconds(0);
    for (const Message &message : messages) {
      bye |= message.kind == Message::Bye;
      if (message.kind != Message::Beat && message.kind != Message::Bye)
        learn(message);
    }
    auto peer = static_cast<uint32_t>(link.peer());
    if (!bye && closed)
      learn({Message::Died, peer});
    else if (!bye && link.silence > options.patience)
      learn({Message::Silent, peer});
    else if (!bye)
      return;
    link.shut();
  }

  void learn(const Message &news) {
    {
      std::lock_guard lock(mutex);
      if (!message.empty())
        return;
      message = describe(news);
    }
    failed.notify_all();
    tell(news);
    onFailure(message);
  }

  std::string describe(const Message &news) const {
    const char *kind = news.kind == Message::Died ? "has died: its connection closed"
                       : news.kind == Message::Silent
                           ? "hangs or is out of reach: it gave no sign of life"
                           : "has failed";
    std::string text = fmt::format("{}rank {} {}", world.prefix(), news.rank, kind);
    if (news.kind == Message::Silent)
      text +=
          fmt::format(" for {} seconds", std::chrono::duration<double>(options.patience).count());
    return text + "; see its own messages";
  }

  void tell(const Message &message) {
    next.send(message);
    previous.send(message);
  }

  const World world;
  const HeartbeatOptions options;
  const std::function<void(const std::string &)> onFailure;
  HeartbeatLink next, previous;
  std::mutex mutex;
  std::condition_variable failed;
  bool leaving = false, failing = false;
  /// Of the first failure; written once.
  std::string message;
  int wake;
  std::thread thread;
};

Heartbeat::Heartbeat(Rendezvous &rendezvous, const HeartbeatOptions &options,
                     std::function<void(const std::string &)> onFailure)
    : exceptions(std::uncaught_exceptions()) {
  if (rendezvous.world().size > 1)
    ring = std::make_unique<Ring>(rendezvous.world(), options, connectNeighbours(rendezvous),
                                  std::move(onFailure));
}

Heartbeat::~Heartbeat() {
  if (std::uncaught_exceptions() > exceptions)
    announceFailure();
}

std::string Heartbeat::failure(std::chrono::milliseconds wait) const {
  return ring ? ring->failure(wait) : "";
}

void Heartbeat::announceFailure() {
  if (ring)
    ring->announceFailure();
}

} // namespace regimen::runtime
