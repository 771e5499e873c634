//===- MemoryPlannerTest.cpp - Placements are sound and tight -------------===//
#include "passes/allocate/MemoryPlanner.h"
#include "passes/allocate/PlacementValidator.h"

#include <chrono>
#include <gtest/gtest.h>
#include <random>

using namespace regimen::passes;

namespace {

std::vector<PlacedBuffer> placed(const std::vector<Interval> &intervals,
                                 const Placement &placement) {
  std::vector<PlacedBuffer> buffers;
  for (size_t i = 0; i < intervals.size(); ++i)
    buffers.push_back(
        {placement.offsets[i], intervals[i].bytes, intervals[i].first, intervals[i].last});
  return buffers;
}

/// Plans, has the plan proved, and returns it.
Placement planned(const std::vector<Interval> &intervals, const PlannerOptions &options = {}) {
  Placement placement = planMemory(intervals, options);
  auto error = validatePlacement(placed(intervals, placement), placement.bytes, options.alignment);
  EXPECT_FALSE(error) << error->message;
  EXPECT_GE(placement.bytes, placement.lowerBound);
  return placement;
}

double ratio(const Placement &placement) {
  return double(placement.bytes) / double(placement.lowerBound);
}

/// A micro-step's shape: activations that live from layer i forward to layer i backward, and
/// temporaries.
std::vector<Interval> trainingStep(uint32_t layers, uint32_t seed) {
  std::minstd_rand engine(seed);
  auto random = [&] { return static_cast<uint32_t>(engine()); };
  std::vector<Interval> intervals;
  uint32_t perLayer = 20, end = 2 * layers * perLayer;
  for (uint32_t layer = 0; layer < layers; ++layer)
    for (uint32_t i = 0; i < perLayer; ++i) {
      uint32_t at = layer * perLayer + i;
      uint64_t bytes = uint64_t{64} * (1 + random() % 4096);
      if (i % 3 == 0)
        intervals.push_back({bytes, at, end - at - random() % 5});
      else
        intervals.push_back({bytes, at, at + 1 + random() % 6});
      uint32_t back = end - at;
      intervals.push_back({bytes, back, back + 1 + random() % 6});
    }
  return intervals;
}

TEST(MemoryPlanner, NothingNeedsNothing) {
  Placement placement = planMemory({});
  EXPECT_EQ(placement.bytes, 0u);
  EXPECT_TRUE(placement.offsets.empty());
}

TEST(MemoryPlanner, ReusesWhatIsDead) {
  std::vector<Interval> intervals{{100, 0, 1}, {100, 2, 3}, {100, 4, 4}};
  EXPECT_EQ(planned(intervals).bytes, 128u);
}

TEST(MemoryPlanner, BothEndsAreAlive) {
  std::vector<Interval> intervals{{64, 0, 2}, {64, 2, 3}};
  EXPECT_EQ(planned(intervals).bytes, 128u);
}

TEST(MemoryPlanner, EmptyBuffersTakeNoSpace) {
  std::vector<Interval> intervals{{0, 0, 5}, {64, 0, 5}, {0, 3, 3}};
  EXPECT_EQ(planned(intervals).bytes, 64u);
}

TEST(MemoryPlanner, FindsOrderThatSizeAloneMisses) {
  // By size, the two large ones go to the bottom and the long-lived small one splits the rest.
  std::vector<Interval> intervals{
      {6400, 0, 3}, {6400, 6, 9}, {3200, 2, 7}, {4800, 4, 5}, {3200, 4, 9}};
  Placement placement = planned(intervals);
  EXPECT_LE(ratio(placement), 1.0001);
}

TEST(MemoryPlanner, StopsWhereItIsGoodEnough) {
  PlannerOptions options;
  options.goodEnough = 1 << 30;
  EXPECT_EQ(planned(trainingStep(8, 1), options).strategy, "first-fit by size");
}

TEST(MemoryPlanner, TrainingStepsComeCloseToTheBound) {
  for (uint32_t seed : {1, 2, 3})
    EXPECT_LE(ratio(planned(trainingStep(24, seed))), 1.02);
}

TEST(MemoryPlanner, RandomInstancesAreSound) {
  std::minstd_rand random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Interval> intervals(1 + random() % 60);
    for (Interval &interval : intervals) {
      interval.first = random() % 40;
      interval.last = interval.first + random() % 20;
      interval.bytes = random() % 1000;
    }
    PlannerOptions options;
    options.steps = 100000;
    planned(intervals, options);
  }
}

TEST(MemoryPlanner, SameInputSamePlacement) {
  std::vector<Interval> intervals = trainingStep(16, 5);
  EXPECT_EQ(planMemory(intervals).offsets, planMemory(intervals).offsets);
}

TEST(MemoryPlanner, TwentyThousandBuffersTakeBoundedEffort) {
  std::minstd_rand random(11);
  std::vector<Interval> dense(20000);
  for (Interval &interval : dense) {
    interval.first = random() % 20000;
    interval.last = interval.first + random() % 20000;
    interval.bytes = 64 * (1 + random() % 10000);
  }
  for (const auto &intervals : {dense, trainingStep(500, 3)}) {
    auto start = std::chrono::steady_clock::now();
    Placement placement = planned(intervals);
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    RecordProperty("ratio", std::to_string(ratio(placement)));
    RecordProperty("seconds", std::to_string(seconds.count()));
    EXPECT_LE(ratio(placement), 1.3);
  }
}

//===----------------------------------------------------------------------===//
// The validator, by mutation
//===----------------------------------------------------------------------===//

TEST(PlacementValidator, AcceptsTouchingBuffers) {
  std::vector<PlacedBuffer> buffers{{0, 64, 0, 5}, {64, 64, 0, 5}, {0, 128, 6, 7}};
  EXPECT_FALSE(validatePlacement(buffers, 128, 64));
}

TEST(PlacementValidator, RejectsUnalignedOffset) {
  std::vector<PlacedBuffer> buffers{{32, 16, 0, 5}};
  auto error = validatePlacement(buffers, 128, 64);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message, "offset 32 is no multiple of 64");
}

TEST(PlacementValidator, RejectsBackwardLifetime) {
  std::vector<PlacedBuffer> buffers{{0, 64, 5, 4}};
  EXPECT_TRUE(validatePlacement(buffers, 128, 64));
}

TEST(PlacementValidator, RejectsBufferBeyondArena) {
  std::vector<PlacedBuffer> buffers{{64, 65, 0, 0}};
  EXPECT_TRUE(validatePlacement(buffers, 128, 64));
  buffers[0] = {~uint64_t{0} - 63, 64, 0, 0};
  EXPECT_TRUE(validatePlacement(buffers, 128, 64));
}

TEST(PlacementValidator, RejectsOverlapFromBelowAboveAndAtTheSameOffset) {
  for (uint64_t offset : {0, 64, 128, 192}) {
    std::vector<PlacedBuffer> buffers{{64, 192, 2, 4}, {offset, 128, 4, 6}};
    auto error = validatePlacement(buffers, 1024, 64);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->message, "share bytes while both are alive at 4");
    EXPECT_EQ(error->first + error->second, 1);
  }
}

TEST(PlacementValidator, EveryMovedOffsetThatCollidesIsFound) {
  std::vector<Interval> intervals = trainingStep(4, 9);
  std::vector<PlacedBuffer> buffers = placed(intervals, planned(intervals));
  unsigned found = 0;
  for (size_t i = 0; i < buffers.size(); ++i)
    for (size_t j = 0; j < buffers.size(); ++j) {
      if (i == j || buffers[i].first > buffers[j].last || buffers[j].first > buffers[i].last)
        continue;
      std::vector<PlacedBuffer> mutant = buffers;
      mutant[i].offset = mutant[j].offset;
      EXPECT_TRUE(validatePlacement(mutant, uint64_t{1} << 40, 64));
      ++found;
    }
  EXPECT_GT(found, 100u);
}

TEST(PlacementValidator, LongerLifetimeThatCollidesIsFound) {
  std::vector<PlacedBuffer> buffers{{0, 64, 0, 1}, {0, 64, 2, 3}};
  EXPECT_FALSE(validatePlacement(buffers, 64, 64));
  buffers[0].last = 2;
  EXPECT_TRUE(validatePlacement(buffers, 64, 64));
}

} // namespace
