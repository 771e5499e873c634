//===- PlannedAllocatorTest.cpp -------------------------------------------===//
#include "runtime/kernels/PlannedAllocator.h"

#include <ATen/Functions.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <thread>

namespace regimen::runtime {
namespace {

class PlannedAllocatorTest : public testing::Test {
protected:
  void SetUp() override { UnplannedMemory::install(); }
  alignas(64) std::array<std::byte, 1 << 16> memory{};
};

TEST_F(PlannedAllocatorTest, RecordsSizesAndLifetimes) {
  AllocationRecorder recorder;
  at::Tensor kept = at::empty({16}, at::kFloat);
  {
    at::Tensor dropped = at::empty({32}, at::kFloat);
  }
  at::Tensor last = at::empty({8}, at::kFloat);
  const AllocationLog &log = recorder.log();
  ASSERT_EQ(log.size(), 3u);
  EXPECT_EQ(log[0].bytes, 64u);
  EXPECT_EQ(log[0].address, kept.const_data_ptr());
  EXPECT_EQ(log[0].freed, UINT32_MAX);
  EXPECT_EQ(log[1].bytes, 128u);
  EXPECT_LT(log[1].freed, log[2].allocated);
}

TEST_F(PlannedAllocatorTest, ReplaysByOrdinalAndSize) {
  PlannedRange range(memory.data(), memory.size());
  AllocationPlan plan{{64, memory.data()}, {64, memory.data() + 64}, {64, nullptr}};
  at::Tensor first, wrongSize, unplanned, beyond;
  {
    AllocationReplay replay(plan);
    first = at::empty({16}, at::kFloat);
    wrongSize = at::empty({17}, at::kFloat);
    unplanned = at::empty({16}, at::kFloat);
    beyond = at::empty({16}, at::kFloat);
  }
  EXPECT_EQ(first.const_data_ptr(), memory.data());
  for (const at::Tensor &other : {wrongSize, unplanned, beyond})
    EXPECT_TRUE(other.const_data_ptr() < memory.data() ||
                other.const_data_ptr() >= memory.data() + memory.size());
}

TEST_F(PlannedAllocatorTest, RawDeleterIgnoresPlannedMemory) {
  PlannedRange range(memory.data(), memory.size());
  AllocationPlan plan{{64, memory.data()}};
  c10::Allocator *allocator = c10::GetAllocator(c10::kCPU);
  AllocationReplay replay(plan);
  void *planned = allocator->raw_allocate(64), *other = allocator->raw_allocate(64);
  EXPECT_EQ(planned, memory.data());
  allocator->raw_deallocate(planned);
  allocator->raw_deallocate(other);
}

TEST_F(PlannedAllocatorTest, RawDeleterKnowsBlocksFromBeforeItsTime) {
  void *earlier = c10::GetDefaultCPUAllocator()->raw_allocate(100);
  void *larger = c10::GetDefaultCPUAllocator()->raw_allocate(size_t(64) << 20);
  c10::GetAllocator(c10::kCPU)->raw_deallocate(earlier);
  c10::GetAllocator(c10::kCPU)->raw_deallocate(larger);
}

TEST_F(PlannedAllocatorTest, CountsThePeakOfLiveBytesOfAllThreads) {
  at::Tensor before = at::empty({1 << 20}, at::kByte);
  UnplannedMemory::resetPeak();
  UnplannedMemory::setCounting(true);
  {
    at::Tensor a = at::empty({1000}, at::kByte), b = at::empty({500}, at::kByte);
  }
  before.reset(); // was not counted, must not be subtracted
  std::thread([] { at::Tensor c = at::empty({1200}, at::kByte); }).join();
  UnplannedMemory::setCounting(false);
  at::Tensor after = at::empty({1 << 20}, at::kByte);
  EXPECT_EQ(UnplannedMemory::peak(), 1500u);
}

TEST_F(PlannedAllocatorTest, ScratchIsSharedByWhatDoesNotLiveTogether) {
  // 0: [0, 2), 1: [1, inf), 2: a result, 3: [4, inf) may take the place of 0, 4: does not fit.
  AllocationLog log{{128, nullptr, 0, 2},
                    {64, nullptr, 1},
                    {64, nullptr, 3},
                    {100, nullptr, 4},
                    {4096, nullptr, 5}};
  std::byte *result = memory.data() + 32768;
  AllocationPlan plan;
  for (const RecordedAllocation &entry : log)
    plan.push_back({entry.bytes, nullptr});
  plan[2].address = result;
  placeInScratch(log, memory.data(), 256, plan);
  EXPECT_EQ(plan[0].address, memory.data());
  EXPECT_EQ(plan[1].address, memory.data() + 128);
  EXPECT_EQ(plan[2].address, result);
  EXPECT_EQ(plan[3].address, memory.data());
  EXPECT_EQ(plan[4].address, nullptr);
}

} // namespace
} // namespace regimen::runtime
