//===- HeartbeatLink.cpp --------------------------------------------------===//
#include "runtime/comm/HeartbeatLink.h"

#include "formats/Error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace regimen::runtime {
namespace {

/// How long a new connection may take to say who it is.
constexpr std::chrono::seconds kStranger(5);

/// Closes a socket unless it is handed on.
class Socket {
public:
  explicit Socket(int fd) : fd(fd) {}
  Socket(const Socket &) = delete;
  Socket &operator=(const Socket &) = delete;
  ~Socket() {
    if (fd >= 0)
      close(fd);
  }
  int get() const { return fd; }
  int release() { return std::exchange(fd, -1); }

private:
  int fd;
};

Error failure(const World &world, const std::string &what) {
  return Error(fmt::format("{}{}: {}", world.prefix(), what, std::strerror(errno)));
}

std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> resolve(const std::string &host,
                                                           const std::string &port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0)
    found = nullptr;
  return {found, &freeaddrinfo};
}

/// Milliseconds for poll.
int left(std::chrono::steady_clock::time_point deadline) {
  auto rest = deadline - std::chrono::steady_clock::now();
  return static_cast<int>(
      std::max<int64_t>(std::chrono::ceil<std::chrono::milliseconds>(rest).count(), 0));
}

bool ready(int fd, short events, std::chrono::steady_clock::time_point deadline) {
  pollfd wanted{fd, events, 0};
  int count = 0;
  while ((count = poll(&wanted, 1, left(deadline))) < 0 && errno == EINTR)
    ;
  if (count == 0)
    errno = ETIMEDOUT;
  return count > 0;
}

void makeLink(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  fcntl(fd, F_SETFL, O_NONBLOCK);
}

/// A listening socket on this machine's address, published for the previous rank.
int publish(Rendezvous &rendezvous) {
  const World &world = rendezvous.world();
  auto own = resolve(rendezvous.address(), "0");
  Socket listener(own ? ::socket(own->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1);
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  auto *address = reinterpret_cast<sockaddr *>(&bound);
  char port[NI_MAXSERV];
  if (listener.get() < 0 || bind(listener.get(), own->ai_addr, own->ai_addrlen) != 0 ||
      listen(listener.get(), SOMAXCONN) != 0 ||
      getsockname(listener.get(), address, &length) != 0 ||
      getnameinfo(address, length, nullptr, 0, port, sizeof(port), NI_NUMERICSERV) != 0)
    throw failure(world, "cannot listen for heartbeats at " + rendezvous.address());
  rendezvous.set(fmt::format("heartbeat/{}", world.rank),
                 fmt::format("{} {}", rendezvous.address(), port));
  return listener.release();
}

int connectTo(Rendezvous &rendezvous, int peer, std::chrono::steady_clock::time_point deadline) {
  const World &world = rendezvous.world();
  std::string where = rendezvous.get(fmt::format("heartbeat/{}", peer));
  size_t space = where.find(' ');
  auto theirs =
      resolve(where.substr(0, space), where.substr(std::min(space, where.size() - 1) + 1));
  std::string what = fmt::format("cannot connect the heartbeat to rank {} at {}", peer, where);
  Socket link(theirs ? ::socket(theirs->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
                     : -1);
  if (link.get() < 0)
    throw failure(world, what);
  if (connect(link.get(), theirs->ai_addr, theirs->ai_addrlen) != 0) {
    if (errno != EINPROGRESS || !ready(link.get(), POLLOUT, deadline))
      throw failure(world, what);
    socklen_t length = sizeof(errno);
    getsockopt(link.get(), SOL_SOCKET, SO_ERROR, &errno, &length);
    if (errno != 0)
      throw failure(world, what);
  }
  makeLink(link.get());
  HeartbeatMessage hello{HeartbeatMessage::Hello, static_cast<uint32_t>(world.rank)};
  if (::send(link.get(), &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello))
    throw failure(world, what);
  return link.release();
}

int acceptFrom(const World &world, int listener, int peer,
               std::chrono::steady_clock::time_point deadline) {
  while (ready(listener, POLLIN, deadline)) {
    Socket link(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    HeartbeatMessage hello;
    // Whoever else finds the port does not hold up the right one for long.
    auto patience = std::min(deadline, std::chrono::steady_clock::now() + kStranger);
    if (link.get() < 0 || !ready(link.get(), POLLIN, patience) ||
        recv(link.get(), &hello, sizeof(hello), 0) != sizeof(hello) ||
        hello.kind != HeartbeatMessage::Hello || hello.rank != static_cast<uint32_t>(peer))
      continue;
    makeLink(link.get());
    return link.release();
  }
  throw failure(world, fmt::format("no heartbeat connection came from rank {}", peer));
}

} // namespace

void HeartbeatLink::shut() {
  if (fd >= 0)
    close(std::exchange(fd, -1));
}

void HeartbeatLink::send(const HeartbeatMessage &message) {
  // After half a message, nothing that follows could be read.
  if (fd < 0 || stuck)
    return;
  ssize_t sent = ::send(fd, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
  stuck = sent > 0 && sent != sizeof(message);
}

void HeartbeatLink::sendNoMore() {
  if (fd >= 0)
    shutdown(fd, SHUT_WR);
}

void HeartbeatLink::finish(std::chrono::steady_clock::time_point deadline) {
  if (fd < 0)
    return;
  for (bool closed = false; !closed && ready(fd, POLLIN, deadline);)
    receive(&closed);
  shut();
}

std::vector<HeartbeatMessage> HeartbeatLink::receive(bool *closed) {
  *closed = false;
  while (fd >= 0) {
    std::byte buffer[256];
    ssize_t count = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (count > 0) {
      partial.insert(partial.end(), buffer, buffer + count);
      continue;
    }
    if (count < 0 && errno == EINTR)
      continue;
    *closed = count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    break;
  }
  std::vector<HeartbeatMessage> messages(partial.size() / sizeof(HeartbeatMessage));
  size_t whole = messages.size() * sizeof(HeartbeatMessage);
  if (whole > 0)
    std::memcpy(messages.data(), partial.data(), whole);
  partial.erase(partial.begin(), partial.begin() + static_cast<ptrdiff_t>(whole));
  return messages;
}

HeartbeatNeighbours connectNeighbours(Rendezvous &rendezvous) {
  const World &world = rendezvous.world();
  auto deadline = std::chrono::steady_clock::now() + rendezvous.options().timeout;
  Socket listener(publish(rendezvous));
  // The queue of the listener takes the connection before anyone accepts it, so all may connect
  // first.
  Socket next(connectTo(rendezvous, (world.rank + 1) % world.size, deadline));
  Socket previous(
      acceptFrom(world, listener.get(), (world.rank + world.size - 1) % world.size, deadline));
  return {next.release(), previous.release()};
}

} // namespace regimen::runtime
