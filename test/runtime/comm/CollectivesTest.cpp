//===- CollectivesTest.cpp ------------------------------------------------===//
#include "runtime/comm/Collectives.h"

#include "Ranks.h"
#include "formats/Error.h"
#include "runtime/comm/HostChannel.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <latch>
#include <limits>
#include <random>
#include <vector>

namespace regimen::runtime {
namespace {

using Bytes = std::vector<std::byte>;

template <typename T> constexpr c10::ScalarType kType = c10::CppTypeToScalarType<T>::value;
/// What values of a type are summed in.
template <typename T>
using SumOf =
    std::conditional_t<std::is_same_v<T, c10::BFloat16> || std::is_same_v<T, c10::Half>, float, T>;

/// A rank's values: the same on every rank that asks.
template <typename T> std::vector<T> values(int rank, size_t count, unsigned seed = 0) {
  std::mt19937 random(static_cast<unsigned>(rank) * 1000 + seed);
  std::vector<T> result(count);
  for (T &value : result) {
    if constexpr (std::is_integral_v<T>)
      value = static_cast<T>(static_cast<uint64_t>(random()) * random());
    else
      value = static_cast<T>(std::ldexp(static_cast<float>(random()) * 0x1p-32f - 0.5f,
                                        static_cast<int>(random() % 8)));
  }
  return result;
}

/// The definition, an element at a time.
template <typename T>
std::vector<T> sumOverRanks(int ranks, size_t count, const Reduction &reduction,
                            const std::vector<T> &before) {
  std::vector<SumOf<T>> sum(count);
  for (int rank = 0; rank < ranks; ++rank) {
    std::vector<T> own = values<T>(rank, count);
    for (size_t i = 0; i < count; ++i) {
      auto value = static_cast<SumOf<T>>(own[i]);
      if constexpr (std::is_integral_v<T>) // overflow wraps
        sum[i] = static_cast<T>(static_cast<uint64_t>(sum[i]) + static_cast<uint64_t>(value));
      else
        sum[i] = rank == 0 ? value : sum[i] + value;
    }
  }
  std::vector<T> result(count);
  for (size_t i = 0; i < count; ++i) {
    volatile SumOf<T> scaled = sum[i] * static_cast<SumOf<T>>(reduction.scale);
    result[i] = static_cast<T>(scaled);
    if (!reduction.accumulate)
      continue;
    if constexpr (std::is_integral_v<T>)
      result[i] =
          static_cast<T>(static_cast<uint64_t>(result[i]) + static_cast<uint64_t>(before[i]));
    else
      result[i] =
          static_cast<T>(static_cast<SumOf<T>>(before[i]) + static_cast<SumOf<T>>(result[i]));
  }
  return result;
}

template <typename T> std::byte *bytes(std::vector<T> &values) {
  return reinterpret_cast<std::byte *>(values.data());
}

template <typename T>
bool sameBits(const T *a, const std::vector<T> &b, size_t begin, size_t count) {
  return std::memcmp(a, b.data() + begin, count * sizeof(T)) == 0;
}

template <typename T> class CollectivesOf : public testing::Test {};
using Types = testing::Types<float, double, c10::BFloat16, c10::Half, int32_t, int64_t>;
TYPED_TEST_SUITE(CollectivesOf, Types);

TYPED_TEST(CollectivesOf, OrderedReductionsAreTheSumInRankOrder) {
  using T = TypeParam;
  for (int ranks = 1; ranks <= 5; ++ranks)
    onRanks(ranks, [&](Transport &transport) {
      auto n = static_cast<size_t>(ranks), r = static_cast<size_t>(transport.rank());
      for (size_t shard : {1u, 77u, 5003u})
        for (bool accumulate : {false, true})
          for (bool alias : {false, true}) {
            CollectiveOptions options;
            options.chunkBytes = alias ? 1000 : 1 << 20; // bits do not depend on it
            Collectives collectives(transport, options);
            Reduction reduction{kType<T>, std::is_integral_v<T> ? 1 : 1.0 / ranks, accumulate};
            std::vector<T> input = values<T>(transport.rank(), n * shard);
            std::vector<T> output = values<T>(99, shard);
            T *target = alias ? input.data() + r * shard : output.data();
            std::vector<T> before(n * shard);
            std::copy(target, target + shard, before.begin() + static_cast<ptrdiff_t>(r * shard));
            Bytes scratch(reduceScatterScratch(Algorithm::Ordered, ranks, shard * sizeof(T)));
            collectives.reduceScatter(bytes(input), reinterpret_cast<std::byte *>(target), shard,
                                      reduction, scratch);
            EXPECT_TRUE(sameBits(target, sumOverRanks<T>(ranks, n * shard, reduction, before),
                                 r * shard, shard))
                << ranks << " ranks, shards of " << shard;
            EXPECT_EQ(collectives.bytesSent(TrafficKind::ReduceScatter),
                      reduceScatterTraffic(ranks, shard * sizeof(T)));
          }
      // Any number of elements, also such that the last ranks have none.
      for (size_t count : {1u, 6u, 1001u}) {
        Collectives collectives(transport);
        Reduction reduction{kType<T>};
        std::vector<T> data = values<T>(transport.rank(), count);
        Bytes scratch(allReduceScratch(Algorithm::Ordered, ranks, count, sizeof(T)));
        collectives.allReduce(bytes(data), count, reduction, scratch);
        EXPECT_TRUE(sameBits(data.data(), sumOverRanks<T>(ranks, count, reduction, {}), 0, count));
        EXPECT_EQ(collectives.bytesSent(TrafficKind::AllReduce),
                  allReduceTraffic(Algorithm::Ordered, ranks, transport.rank(), count, sizeof(T)));
      }
    });
}

TYPED_TEST(CollectivesOf, RingReductionsAreCloseAndTheSameOnAllRanks) {
  using T = TypeParam;
  for (int ranks = 1; ranks <= 5; ++ranks)
    onRanks(ranks, [&](Transport &transport) {
      CollectiveOptions options;
      options.algorithm = Algorithm::Ring;
      options.chunkBytes = 512;
      auto n = static_cast<size_t>(ranks), r = static_cast<size_t>(transport.rank());
      const size_t shard = 331;
      Reduction reduction{kType<T>, std::is_integral_v<T> ? 1 : 1.0 / ranks};
      auto isClose = [&](T got, T want) {
        if constexpr (std::is_integral_v<T>)
          return got == want;
        else // values are below 64
          return std::abs(static_cast<double>(got) - static_cast<double>(want)) <=
                 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
      };
      Collectives collectives(transport, options);
      std::vector<T> input = values<T>(transport.rank(), n * shard), output(shard);
      Bytes scratch(reduceScatterScratch(Algorithm::Ring, ranks, shard * sizeof(T)));
      collectives.reduceScatter(bytes(input), bytes(output), shard, reduction, scratch);
      std::vector<T> want = sumOverRanks<T>(ranks, n * shard, reduction, {});
      for (size_t i = 0; i < shard; ++i)
        ASSERT_TRUE(isClose(output[i], want[r * shard + i]));
      EXPECT_EQ(collectives.bytesSent(TrafficKind::ReduceScatter),
                reduceScatterTraffic(ranks, shard * sizeof(T)));

      for (size_t count : {1u, 1001u}) {
        Collectives fresh(transport, options);
        std::vector<T> data = values<T>(transport.rank(), count);
        Bytes window(allReduceScratch(Algorithm::Ring, ranks, count, sizeof(T)));
        fresh.allReduce(bytes(data), count, reduction, window);
        want = sumOverRanks<T>(ranks, count, reduction, {});
        for (size_t i = 0; i < count; ++i)
          ASSERT_TRUE(isClose(data[i], want[i]));
        EXPECT_EQ(fresh.bytesSent(TrafficKind::AllReduce),
                  allReduceTraffic(Algorithm::Ring, ranks, transport.rank(), count, sizeof(T)));
        std::vector<T> all(n * count);
        fresh.allGatherBytes(std::as_bytes(std::span(data)),
                             std::as_writable_bytes(std::span(all)));
        for (size_t rank = 0; rank < n; ++rank)
          EXPECT_TRUE(sameBits(all.data() + rank * count, data, 0, count));
      }
    });
}

TEST(Collectives, GatherInPlace) {
  for (Algorithm algorithm : {Algorithm::Ordered, Algorithm::Ring})
    for (int ranks = 1; ranks <= 8; ranks += ranks < 5 ? 1 : 3)
      onRanks(ranks, [&](Transport &transport) {
        CollectiveOptions options;
        options.algorithm = algorithm;
        Collectives collectives(transport, options);
        const size_t shard = 12347;
        std::vector<uint8_t> buffer(shard * static_cast<size_t>(ranks)), want;
        for (int rank = 0; rank < ranks; ++rank) {
          std::vector<uint8_t> part = values<uint8_t>(rank, shard);
          want.insert(want.end(), part.begin(), part.end());
          if (rank == transport.rank())
            std::copy(part.begin(), part.end(),
                      buffer.begin() + static_cast<ptrdiff_t>(shard * static_cast<size_t>(rank)));
        }
        collectives.allGather(bytes(buffer), shard);
        EXPECT_EQ(buffer, want);
        EXPECT_EQ(collectives.bytesSent(TrafficKind::AllGather), allGatherTraffic(ranks, shard));
        EXPECT_EQ(collectives.bytesSent(TrafficKind::Scalars), 0u);
      });
}

TEST(Collectives, BroadcastFromAnyRank) {
  for (int ranks = 1; ranks <= 8; ranks += ranks < 5 ? 1 : 3)
    onRanks(ranks, [&](Transport &transport) {
      Collectives collectives(transport);
      for (int root = 0; root < ranks; ++root) {
        std::vector<int64_t> data = values<int64_t>(transport.rank(), 301);
        collectives.broadcast(bytes(data), data.size() * 8, root);
        EXPECT_EQ(data, values<int64_t>(root, 301));
      }
      uint64_t own = collectives.bytesSent(TrafficKind::Broadcast);
      std::vector<uint64_t> all(static_cast<size_t>(ranks));
      collectives.allGatherBytes(std::as_bytes(std::span(&own, 1)),
                                 std::as_writable_bytes(std::span(all)));
      uint64_t total = 0;
      for (uint64_t one : all)
        total += one;
      EXPECT_EQ(total, static_cast<uint64_t>(ranks) * broadcastTraffic(ranks, 301 * 8));
    });
}

TEST(Collectives, CollectWhatRanksHaveToSay) {
  for (int ranks = 1; ranks <= 4; ++ranks)
    onRanks(ranks, [&](Transport &transport) {
      Collectives collectives(transport);
      // The second rank has nothing to say.
      std::string own(static_cast<size_t>(transport.rank() == 1 ? 0 : 1000 + transport.rank()),
                      static_cast<char>('a' + transport.rank()));
      std::string text;
      collectives.collectBytes(std::as_bytes(std::span(own)), [&](std::span<const std::byte> part) {
        text.append(reinterpret_cast<const char *>(part.data()), part.size());
        text += ';';
      });
      std::string want;
      for (int rank = 0; rank < ranks && transport.rank() == 0; ++rank)
        want += std::string(static_cast<size_t>(rank == 1 ? 0 : 1000 + rank),
                            static_cast<char>('a' + rank)) +
                ';';
      EXPECT_EQ(text, want);
    });
}

TEST(Collectives, BarrierWaitsForAll) {
  std::atomic<int> entered = 0;
  onRanks(5, [&](Transport &transport) {
    Collectives collectives(transport);
    for (int round = 1; round <= 20; ++round) {
      if (transport.rank() == round % 5)
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ++entered;
      collectives.barrier();
      EXPECT_GE(entered, 5 * round);
    }
  });
}

TEST(Collectives, ChannelsDoNotMix) {
  onRanks(2, [](Transport &transport) {
    auto work = [&](int channel) {
      CollectiveOptions options;
      options.channel = channel;
      Collectives collectives(transport, options);
      for (int round = 0; round < 200; ++round) {
        int own = channel * 1000 + round * 2 + transport.rank(), all[2];
        collectives.allGatherBytes(std::as_bytes(std::span(&own, 1)),
                                   std::as_writable_bytes(std::span(all)));
        ASSERT_EQ(all[0], channel * 1000 + round * 2);
        ASSERT_EQ(all[1], channel * 1000 + round * 2 + 1);
      }
    };
    std::thread other(work, 1);
    work(0);
    other.join();
  });
}

TEST(Collectives, RefuseWhatTheyCannotDo) {
  onRanks(2, [](Transport &transport) {
    Collectives collectives(transport);
    std::vector<float> data(8);
    Bytes scratch(16);
    EXPECT_THROW(
        collectives.reduceScatter(bytes(data), bytes(data), 4, {c10::ScalarType::Bool}, scratch),
        Error);
    EXPECT_THROW(collectives.reduceScatter(bytes(data), bytes(data), 4, {c10::ScalarType::Int, 0.5},
                                           scratch),
                 Error);
    EXPECT_THROW(
        collectives.reduceScatter(bytes(data), bytes(data), 4, {}, std::span(scratch).first(15)),
        Error);
    EXPECT_THROW(collectives.allReduce(bytes(data), 8, {.accumulate = true}, scratch), Error);
  });
}

TEST(SumKernel, RoundsLikeAten) {
  // All bf16 and fp16 values, NaNs and infinities among them, and sums between them.
  const float factors[] = {1.0f, 0.3333333f, 1.00390625f, 1e-3f, 70000.0f};
  std::vector<uint16_t> all(1 << 16);
  for (size_t i = 0; i < all.size(); ++i)
    all[i] = static_cast<uint16_t>(i);
  auto check = [&]<typename T>(T) {
    for (float factor : factors) {
      std::vector<T> result(all.size());
      const std::byte *source = bytes(all);
      sumInOrder({kType<T>, factor}, std::span(&source, 1), bytes(result), all.size());
      for (size_t i = 0; i < all.size(); ++i) {
        T value(all[i], T::from_bits());
        T want(static_cast<float>(value) * factor);
        bool bothNaN =
            std::isnan(static_cast<float>(result[i])) && std::isnan(static_cast<float>(want));
        ASSERT_TRUE(result[i].x == want.x || bothNaN) << i << " times " << factor;
      }
    }
  };
  check(c10::BFloat16());
  check(c10::Half());
}

TEST(SumKernel, LargeAndUnalignedOutputsAreTheSame) {
  // Large results take another way to memory.
  const size_t count = 300001;
  std::vector<float> a = values<float>(0, count), b = values<float>(1, count), output(count + 1);
  std::array<const std::byte *, 2> sources = {bytes(a), bytes(b)};
  for (size_t offset : {0u, 1u}) {
    sumInOrder({.scale = 0.7}, sources, bytes(output) + offset * sizeof(float), count);
    for (size_t i = 0; i < count; ++i)
      ASSERT_EQ(output[offset + i], (a[i] + b[i]) * 0.7f) << i;
  }
}

TEST(HostChannel, AgreesOrSaysWhoEnteredWhat) {
  onRanks(3, [](Transport &transport) {
    HostChannel channel(transport, 7);
    auto name = [](uint32_t program, uint32_t) { return program == 2 ? "forward" : "update"; };
    for (int i = 0; i < 3; ++i)
      EXPECT_NO_THROW(channel.agree(2, 1, name));
    std::string message;
    try {
      channel.agree(transport.rank() == 1 ? 4 : 2, 0, name);
    } catch (const Error &error) {
      message = error.what();
    }
    EXPECT_EQ(message, "rank " + std::to_string(transport.rank()) +
                           ": the ranks do not run the same: ranks 0 and 2 entered program "
                           "'forward' (variant 0) as segment 3; rank 1 entered program 'update' "
                           "(variant 0) as segment 3");
  });
}

TEST(Transport, AbortEndsWaits) {
  // The other rank stays, so that no lost connection ends the wait.
  std::latch over(2);
  onRanks(2, [&](Transport &transport) {
    if (transport.rank() == 1)
      return over.arrive_and_wait();
    std::byte byte{};
    std::unique_ptr<Transfer> never = transport.receive(1, 0, &byte, 1);
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      transport.abort("the reason");
      transport.abort("a later reason");
    });
    std::string message;
    try {
      never->wait();
    } catch (const Error &error) {
      message = error.what();
    }
    other.join();
    EXPECT_EQ(message, "the reason");
    EXPECT_THROW(transport.receive(1, 0, &byte, 1), Error);
    over.arrive_and_wait();
  });
}

} // namespace
} // namespace regimen::runtime
