//===- Rendezvous.cpp - c10d's TCPStore -----------------------------------===//
#include "runtime/comm/Rendezvous.h"

#include "formats/Error.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

namespace regimen::runtime {
namespace {

/// The address that this machine sends from when it talks to the master.
std::string ownAddress(const World &world) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  int error = getaddrinfo(world.masterAddress.c_str(), std::to_string(world.masterPort).c_str(),
                          &hints, &found);
  if (error != 0)
    throw Error(fmt::format("{}cannot resolve the master's address '{}': {}", world.prefix(),
                            world.masterAddress, gai_strerror(error)));
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  for (addrinfo *one = found; one; one = one->ai_next) {
    // Connecting a datagram socket sends nothing; it picks the route.
    int fd = socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
      continue;
    sockaddr_storage own{};
    socklen_t length = sizeof(own);
    auto *address = reinterpret_cast<sockaddr *>(&own);
    char text[NI_MAXHOST];
    bool known = connect(fd, one->ai_addr, one->ai_addrlen) == 0 &&
                 getsockname(fd, address, &length) == 0 &&
                 getnameinfo(address, length, text, sizeof(text), nullptr, 0, NI_NUMERICHOST) == 0;
    close(fd);
    if (known)
      return text;
  }
  throw Error(
      fmt::format("{}no route to the master's address '{}'", world.prefix(), world.masterAddress));
}

} // namespace

struct Rendezvous::State {
  World world;
  RendezvousOptions options;
  std::string address;
  c10::intrusive_ptr<c10d::Store> store;

  /// Runs `body`; what c10d throws becomes an Error that says what was tried.
  template <typename Body> auto attempt(const std::string &what, Body body) {
    auto fail = [&](const char *why) {
      return Error(fmt::format("{}cannot {} at {}:{}: {}", world.prefix(), what,
                               world.masterAddress, world.masterPort, why));
    };
    try {
      return body();
    } catch (const c10::Error &error) {
      throw fail(error.what_without_backtrace());
    } catch (const std::exception &error) {
      throw fail(error.what());
    }
  }
};

Rendezvous::Rendezvous(const World &world, const RendezvousOptions &options)
    : state(std::make_unique<State>()) {
  state->world = world;
  state->options = options;
  state->address = ownAddress(world);
  c10d::TCPStoreOptions storeOptions;
  storeOptions.port = world.masterPort;
  storeOptions.isServer = world.rank == 0 && !world.agentStore;
  storeOptions.timeout = options.timeout;
  storeOptions.waitWorkers = false;
  // Several communicators of a process share the server.
  storeOptions.multiTenant = true;
  if (storeOptions.isServer && world.listenSocket >= 0) {
    // The server closes the socket that it is given.
    storeOptions.masterListenFd = dup(world.listenSocket);
    storeOptions.useLibUV = false;
  }
  state->store = state->attempt("meet the other ranks", [&] {
    auto store = c10::make_intrusive<c10d::TCPStore>(world.masterAddress, storeOptions);
    return c10::make_intrusive<c10d::PrefixStore>(
        fmt::format("{}/{}", options.name, world.generation), std::move(store));
  });
}

Rendezvous::~Rendezvous() = default;

const World &Rendezvous::world() const { return state->world; }
const RendezvousOptions &Rendezvous::options() const { return state->options; }
const std::string &Rendezvous::address() const { return state->address; }
const c10::intrusive_ptr<c10d::Store> &Rendezvous::store() const { return state->store; }

void Rendezvous::set(const std::string &key, const std::string &value) {
  state->attempt("publish '" + key + "'", [&] { state->store->set(key, value); });
}

std::string Rendezvous::get(const std::string &key) {
  return state->attempt("find '" + key + "'", [&] { return state->store->get_to_str(key); });
}

} // namespace regimen::runtime
