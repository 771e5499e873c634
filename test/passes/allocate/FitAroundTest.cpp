//===- FitAroundTest.cpp - Buffers between others stay apart --------------===//
#include "passes/allocate/FitAround.h"

#include <gtest/gtest.h>
#include <random>

using namespace regimen::passes;

namespace {

using Offsets = std::vector<std::optional<uint64_t>>;

TEST(FitAround, TakesWhatIsFreeAtTheTime) {
  // Bytes 0 to 64 are taken at first, bytes 64 to 128 later.
  std::vector<PlacedBuffer> obstacles = {{0, 64, 0, 4}, {64, 64, 5, 9}};
  std::vector<Interval> intervals = {{64, 0, 3}, {64, 5, 9}, {64, 3, 6}, {128, 0, 9}};
  EXPECT_EQ(fitAround(intervals, obstacles, 128, 64), (Offsets{64, 0, std::nullopt, std::nullopt}));
}

TEST(FitAround, LargerOnesGoFirst) {
  std::vector<Interval> intervals = {{64, 0, 1}, {128, 0, 1}};
  EXPECT_EQ(fitAround(intervals, {}, 128, 64), (Offsets{std::nullopt, 0}));
}

TEST(FitAround, RoundsUp) {
  std::vector<PlacedBuffer> obstacles = {{0, 4, 0, 9}};
  std::vector<Interval> intervals = {{1, 0, 0}, {1, 0, 0}};
  EXPECT_EQ(fitAround(intervals, obstacles, 192, 64), (Offsets{64, 128}));
}

TEST(FitAround, NothingIntoNothing) {
  std::vector<Interval> intervals = {{1, 0, 0}};
  EXPECT_EQ(fitAround(intervals, {}, 0, 64), Offsets{std::nullopt});
}

TEST(FitAround, WhatItPlacesIsSound) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    std::minstd_rand engine(seed);
    auto random = [&](uint32_t below) { return static_cast<uint32_t>(engine() % below); };
    std::vector<PlacedBuffer> all;
    uint64_t bytes = 0;
    for (int i = 0; i < 20; ++i) {
      uint64_t size = 64 * (1 + random(8));
      all.push_back({bytes, size - random(64), 0, random(100)});
      bytes += size;
    }
    std::vector<Interval> intervals;
    for (int i = 0; i < 60; ++i) {
      uint32_t first = random(100);
      intervals.push_back({1 + random(600), first, first + random(20)});
    }
    Offsets offsets = fitAround(intervals, all, bytes, 64);
    size_t placed = 0;
    for (size_t i = 0; i < intervals.size(); ++i)
      if (offsets[i]) {
        all.push_back({*offsets[i], intervals[i].bytes, intervals[i].first, intervals[i].last});
        ++placed;
      }
    EXPECT_GT(placed, 10u);
    auto error = validatePlacement(all, bytes, 64);
    EXPECT_FALSE(error) << error->message;
  }
}

} // namespace
