//===- collectives.cpp - Our collectives beside plain messages ------------===//
//
//     ninja -C build bench-collectives && build/bin/bench-collectives [MiB] [ranks] [chunk KiB]
//
// Milliseconds of a collective over one flat buffer on local ranks, and of the messages alone that
// it cannot do without: each rank's shard to everyone for a gather, the parts to their owners for a
// reduce-scatter. All take turns, a round after the other; the slowest rank counts; medians, and
// the median of the rounds' ratios to the plain messages of the same round.
//
//===----------------------------------------------------------------------===//

#include "runtime/comm/Communicator.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace regimen::runtime;

namespace {

constexpr int kRounds = 31;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Contender {
  std::string name;
  std::function<void()> work;
  /// Whose time it is compared with.
  size_t reference;
  std::vector<double> times;
};

/// The messages of a gather or an exchange, without anything else.
void exchange(Transport &transport,
              const std::function<std::pair<std::byte *, size_t>(int)> &leaving,
              const std::function<std::pair<std::byte *, size_t>(int)> &arriving) {
  std::vector<std::unique_ptr<Transfer>> transfers;
  for (int distance = 1; distance < transport.size(); ++distance) {
    int target = (transport.rank() + distance) % transport.size();
    int source = (transport.rank() + transport.size() - distance) % transport.size();
    auto [to, capacity] = arriving(source);
    transfers.push_back(transport.receive(source, 0, to, capacity));
    auto [from, bytes] = leaving(target);
    transfers.push_back(transport.send(target, 0, from, bytes));
  }
  for (std::unique_ptr<Transfer> &transfer : transfers)
    transfer->wait();
}

/// Everyone runs `work`; the time of the slowest.
double measure(Communicator &communicator, const std::function<void()> &work) {
  communicator.host().scalars().barrier();
  double begin = seconds();
  work();
  double own = seconds() - begin;
  std::vector<double> all(static_cast<size_t>(communicator.size()));
  communicator.host().scalars().allGatherBytes(std::as_bytes(std::span(&own, 1)),
                                               std::as_writable_bytes(std::span(all)));
  return *std::max_element(all.begin(), all.end());
}

int run(const World &world, size_t bytes, size_t chunk) {
  CommunicatorOptions options;
  if (chunk > 0)
    options.collectives.chunkBytes = chunk;
  Communicator communicator(world, options);
  Transport &transport = communicator.transport();
  CollectiveOptions ringOptions = options.collectives;
  ringOptions.algorithm = Algorithm::Ring;
  Collectives &ordered = communicator.collectives(), ring(transport, ringOptions);
  const auto ranks = static_cast<size_t>(world.size), rank = static_cast<size_t>(world.rank);
  const size_t shard = bytes / ranks / 256 * 256;
  std::vector<float> buffer(shard * ranks / sizeof(float), 0.5f), output(shard / sizeof(float)),
      scratch(shard * ranks / sizeof(float));
  auto *data = reinterpret_cast<std::byte *>(buffer.data());
  auto *result = reinterpret_cast<std::byte *>(output.data());
  std::span<std::byte> window(reinterpret_cast<std::byte *>(scratch.data()), shard * ranks);
  auto part = [&](std::byte *base, size_t index) { return std::pair(base + index * shard, shard); };
  const Reduction mean{c10::ScalarType::Float, 1.0 / world.size};
  const Reduction narrow{c10::ScalarType::BFloat16, 1.0 / world.size};
  Reduction added = mean;
  added.accumulate = true;

  std::vector<Contender> contenders = {
      {"messages of a gather",
       [&] {
         exchange(
             transport, [&](int) { return part(data, rank); },
             [&](int source) { return part(data, static_cast<size_t>(source)); });
       },
       0,
       {}},
      {"all-gather", [&] { ordered.allGather(data, shard); }, 0, {}},
      {"all-gather, ring", [&] { ring.allGather(data, shard); }, 0, {}},
      {"messages of a reduce-scatter",
       [&] {
         exchange(
             transport, [&](int target) { return part(data, static_cast<size_t>(target)); },
             [&](int source) { return part(window.data(), static_cast<size_t>(source)); });
       },
       3,
       {}},
      {"reduce-scatter fp32",
       [&] { ordered.reduceScatter(data, result, shard / 4, mean, window); },
       3,
       {}},
      {"reduce-scatter fp32, accumulated",
       [&] { ordered.reduceScatter(data, result, shard / 4, added, window); },
       3,
       {}},
      {"reduce-scatter bf16",
       [&] { ordered.reduceScatter(data, result, shard / 2, narrow, window); },
       3,
       {}},
      {"reduce-scatter fp32, ring",
       [&] { ring.reduceScatter(data, result, shard / 4, mean, window); },
       3,
       {}},
  };
  for (int round = -2; round < kRounds; ++round)
    for (Contender &contender : contenders) {
      double time = measure(communicator, contender.work);
      if (round >= 0)
        contender.times.push_back(time);
    }
  double begin = seconds();
  constexpr int kAgreements = 500;
  for (int i = 0; i < kAgreements; ++i)
    communicator.host().agree(0, 0);
  double agreement = (seconds() - begin) / kAgreements;
  if (world.rank == 0) {
    std::printf("%zu MiB, %d ranks\n| %-32s | median ms | fastest | ratio |\n"
                "|----------------------------------|-----------|---------|-------|\n",
                bytes >> 20, world.size, "");
    for (const Contender &contender : contenders) {
      std::vector<double> ratios;
      for (size_t round = 0; round < contender.times.size(); ++round)
        ratios.push_back(contender.times[round] / contenders[contender.reference].times[round]);
      std::printf("| %-32s | %9.1f | %7.1f | %5.2f |\n", contender.name.c_str(),
                  median(contender.times) * 1e3,
                  *std::min_element(contender.times.begin(), contender.times.end()) * 1e3,
                  median(ratios));
    }
    std::printf("agreement before a segment: %.0f us\n", agreement * 1e6);
  }
  communicator.host().scalars().barrier();
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  auto argument = [&](int index, int otherwise) {
    return argc > index ? std::max(static_cast<int>(std::strtol(argv[index], nullptr, 10)), 1)
                        : otherwise;
  };
  size_t bytes = static_cast<size_t>(argument(1, 64)) << 20;
  size_t chunk = static_cast<size_t>(argument(3, 0)) << 10;
  return launchLocally(argument(2, 2),
                       [&](const World &world) { return run(world, bytes, chunk); });
}
