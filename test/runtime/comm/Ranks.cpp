//===- Ranks.cpp ----------------------------------------------------------===//
#include "Ranks.h"

#include "runtime/comm/GlooTransport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace regimen::runtime {
namespace {

World openWorld(int count) {
  World world;
  world.size = count;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto *any = reinterpret_cast<sockaddr *>(&address);
  world.listenSocket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(world.listenSocket, any, length) != 0 || listen(world.listenSocket, 64) != 0 ||
      getsockname(world.listenSocket, any, &length) != 0)
    throw std::runtime_error("cannot listen");
  world.masterPort = ntohs(address.sin_port);
  return world;
}

} // namespace

void onRanks(int count, const std::function<void(Transport &)> &body) {
  const World world = openWorld(count);
  std::vector<std::exception_ptr> failures(static_cast<size_t>(count));
  std::latch connected(count), finished(count);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < count; ++rank)
    threads.emplace_back([&, rank] {
      World own = world;
      own.rank = own.localRank = rank;
      std::unique_ptr<Transport> transport;
      auto attempt = [&](const std::function<void()> &work) {
        try {
          work();
        } catch (...) {
          failures[static_cast<size_t>(rank)] = std::current_exception();
        }
      };
      attempt([&] {
        RendezvousOptions options;
        options.timeout = std::chrono::seconds(60);
        Rendezvous rendezvous(own, options);
        transport = createGlooTransport(rendezvous);
      });
      connected.arrive_and_wait();
      if (transport)
        attempt([&] { body(*transport); });
      // A rank whose body failed breaks its connections, so that the others do not wait for it.
      if (failures[static_cast<size_t>(rank)])
        transport.reset();
      finished.arrive_and_wait();
    });
  for (std::thread &thread : threads)
    thread.join();
  close(world.listenSocket);
  for (const std::exception_ptr &failure : failures)
    if (failure)
      std::rethrow_exception(failure);
}

} // namespace regimen::runtime
