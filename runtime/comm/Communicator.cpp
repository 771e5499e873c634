//===- Communicator.cpp ---------------------------------------------------===//
#include "runtime/comm/Communicator.h"

#include "formats/Error.h"
#include "runtime/comm/GlooTransport.h"

namespace regimen::runtime {
namespace {

/// How long a broken connection waits for the heartbeat to tell which rank was the first to fail.
constexpr std::chrono::milliseconds kNews(500);

/// One rank alone.
class NoTransport : public Transport {
public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::unique_ptr<Transfer> send(int, int, const std::byte *, size_t) override { return fail(); }
  std::unique_ptr<Transfer> receive(int, int, std::byte *, size_t) override { return fail(); }
  void abort(const std::string &) override {}

private:
  [[noreturn]] static std::unique_ptr<Transfer> fail() {
    throw Error("there is no other rank to exchange messages with");
  }
};

} // namespace

Communicator::Communicator(const World &world, const CommunicatorOptions &options) : world(world) {
  if (world.size == 1) {
    theTransport = std::make_unique<NoTransport>();
  } else {
    Rendezvous rendezvous(world, options.rendezvous);
    theTransport = createGlooTransport(
        rendezvous, [this](int) { return heartbeat ? heartbeat->failure(kNews) : ""; });
    heartbeat = std::make_unique<Heartbeat>(
        rendezvous, options.heartbeat,
        [this](const std::string &message) { theTransport->abort(message); });
  }
  theCollectives = std::make_unique<Collectives>(*theTransport, options.collectives);
  theHost = std::make_unique<HostChannel>(*theTransport, options.collectives.channel + 1);
  // What cannot exchange messages fails here, not in the first step.
  theHost->scalars().barrier();
}

Communicator::~Communicator() = default;

} // namespace regimen::runtime
