//===- GlooTransport.cpp - c10d's ProcessGroupGloo, send and receive only -===//
#include "runtime/comm/GlooTransport.h"

#include "formats/Error.h"

#include <fmt/format.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <mutex>
#include <set>
#include <utility>

namespace regimen::runtime {
namespace {

/// Longer than any run; a wait without a timeout would use the group's, which is for connecting.
constexpr std::chrono::milliseconds kForever = std::chrono::hours(24 * 365);

class GlooTransport;

class GlooTransfer : public Transfer {
public:
  GlooTransfer(GlooTransport &transport, c10::intrusive_ptr<c10d::Work> work, int peer)
      : transport(transport), work(std::move(work)), peer(peer) {}
  void wait() override;

private:
  GlooTransport &transport;
  c10::intrusive_ptr<c10d::Work> work;
  int peer;
};

class GlooTransport : public Transport {
public:
  GlooTransport(Rendezvous &rendezvous, Explanation explain)
      : world(rendezvous.world()), explain(std::move(explain)) {
    try {
      auto options = c10d::ProcessGroupGloo::Options::create(rendezvous.options().timeout);
      options->devices.push_back(
          c10d::ProcessGroupGloo::createDeviceForHostname(rendezvous.address()));
      // The threads run c10d's own collectives, which are not used.
      options->threads = 1;
      group = c10::make_intrusive<c10d::ProcessGroupGloo>(rendezvous.store(), world.rank,
                                                          world.size, std::move(options));
    } catch (const c10::Error &error) {
      throw connectionError(error.what_without_backtrace());
    } catch (const std::exception &error) {
      throw connectionError(error.what());
    }
  }

  int rank() const override { return world.rank; }
  int size() const override { return world.size; }

  std::unique_ptr<Transfer> send(int peer, int tag, const std::byte *data, size_t bytes) override {
    // Sending only reads, which the tensor's type does not know.
    return start(&c10d::ProcessGroupGloo::send, peer, tag, const_cast<std::byte *>(data), bytes);
  }
  std::unique_ptr<Transfer> receive(int peer, int tag, std::byte *data, size_t bytes) override {
    return start(&c10d::ProcessGroupGloo::recv, peer, tag, data, bytes);
  }

  void abort(const std::string &message) override {
    std::lock_guard lock(mutex);
    if (!aborted.empty())
      return;
    aborted = message;
    for (c10d::Work *work : waiting)
      work->abort();
  }

  void wait(c10d::Work &work, int peer) {
    enter(&work);
    bool completed = false;
    try {
      completed = work.wait(kForever);
    } catch (const std::exception &error) {
      leave(&work);
      throw lost(peer, error.what());
    }
    leave(&work);
    if (!completed)
      throwAborted();
  }

private:
  using Start = c10::intrusive_ptr<c10d::Work> (c10d::ProcessGroupGloo::*)(
      std::vector<at::Tensor> &, int, int);

  std::unique_ptr<Transfer> start(Start post, int peer, int tag, std::byte *data, size_t bytes) {
    std::vector<at::Tensor> tensors = {
        at::from_blob(data, {static_cast<int64_t>(bytes)}, at::TensorOptions(at::kByte))};
    try {
      std::unique_lock lock(mutex);
      if (aborted.empty())
        return std::make_unique<GlooTransfer>(*this, (*group.*post)(tensors, peer, tag), peer);
    } catch (const std::exception &error) {
      throw lost(peer, error.what());
    }
    throwAborted();
  }

  void enter(c10d::Work *work) {
    std::lock_guard lock(mutex);
    if (!aborted.empty())
      throw LostRank(aborted);
    waiting.insert(work);
  }
  void leave(c10d::Work *work) {
    std::lock_guard lock(mutex);
    waiting.erase(work);
  }
  [[noreturn]] void throwAborted() {
    std::lock_guard lock(mutex);
    throw LostRank(aborted);
  }

  Error connectionError(const char *why) const {
    return Error(fmt::format("{}cannot connect to the other ranks: {}", world.prefix(), why));
  }
  LostRank lost(int peer, const std::string &why) {
    std::string known = explain ? explain(peer) : "";
    std::lock_guard lock(mutex);
    if (!aborted.empty())
      return LostRank(aborted);
    if (!known.empty())
      return LostRank(known);
    return LostRank(fmt::format("{}lost the connection to rank {}: {}", world.prefix(), peer,
                                why.substr(0, why.find('\n'))));
  }

  const World world;
  Explanation explain;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
  std::mutex mutex;
  std::set<c10d::Work *> waiting;
  std::string aborted;
};

void GlooTransfer::wait() { transport.wait(*work, peer); }

} // namespace

std::unique_ptr<Transport> createGlooTransport(Rendezvous &rendezvous, Explanation explain) {
  return std::make_unique<GlooTransport>(rendezvous, std::move(explain));
}

} // namespace regimen::runtime
