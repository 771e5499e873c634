//===- DeviceTest.cpp -----------------------------------------------------===//
#include "runtime/device/Device.h"
#include "formats/Error.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <stdexcept>
#include <string>

namespace regimen::runtime {
namespace {

/// Resident bytes of the mapping named so, as the kernel sees them; -1 if there is none.
int64_t residentBytes(const std::string &name) {
  std::ifstream smaps("/proc/self/smaps");
  bool mine = false;
  for (std::string line; std::getline(smaps, line);) {
    if (line.find('-') < line.find(' '))
      mine = line.find(name) != std::string::npos;
    else if (mine && line.starts_with("Rss:"))
      return std::stoll(line.substr(4)) * 1024;
  }
  return -1;
}

TEST(CpuDevice, OnlyTouchedPagesOfAnArenaAreResident) {
  std::unique_ptr<Device> device = createCpuDevice(1);
  std::unique_ptr<Arena> arena = device->createArena("probe", 64 << 20);
  EXPECT_EQ(residentBytes("regimen-arena:probe"), 0);
  arena->data()[0] = std::byte(1);
  arena->data()[(10 << 20)] = std::byte(1);
  EXPECT_EQ(residentBytes("regimen-arena:probe"), 2 * 4096);
  arena->clear();
  EXPECT_EQ(residentBytes("regimen-arena:probe"), 0);
  EXPECT_EQ(arena->data()[0], std::byte(0));
}

TEST(CpuDevice, EmptyArenasAndImpossibleOnes) {
  std::unique_ptr<Device> device = createCpuDevice(1);
  EXPECT_EQ(device->createArena("none", 0)->data(), nullptr);
  EXPECT_THROW(device->createArena("huge", size_t(1) << 62), Error);
}

TEST(CpuDevice, QueuesRunInOrderAndMeetAtEvents) {
  std::unique_ptr<Device> device = createCpuDevice(1);
  std::unique_ptr<Queue> beside = device->createQueue(QueueKind::Concurrent, 8);
  std::unique_ptr<Queue> here = device->createQueue(QueueKind::Inline, 8);
  std::unique_ptr<Event> filled = device->createEvent(), used = device->createEvent();
  int value = 0, seen = 0;
  Task fill = [&] { value = 7; }, use = [&] { seen = value; }, overwrite = [&] { value = 9; };
  for (int round = 0; round < 200; ++round) {
    filled->reset();
    used->reset();
    value = seen = 0;
    beside->launch(fill);
    beside->record(*filled);
    here->wait(*filled);
    here->launch(use);
    here->record(*used);
    beside->wait(*used);
    beside->launch(overwrite);
    beside->synchronize();
    ASSERT_EQ(seen, 7);
    ASSERT_EQ(value, 9);
  }
}

TEST(CpuDevice, AFailureReachesTheCallerAndReleasesWhoWaits) {
  std::unique_ptr<Device> device = createCpuDevice(1);
  std::unique_ptr<Queue> beside = device->createQueue(QueueKind::Concurrent, 8);
  std::unique_ptr<Event> done = device->createEvent();
  bool ran = false;
  Task fail = [] { throw std::runtime_error("broken"); }, after = [&] { ran = true; };
  beside->launch(fail);
  beside->launch(after);
  beside->record(*done);
  device->createQueue(QueueKind::Inline, 1)->wait(*done);
  EXPECT_THROW(beside->synchronize(), std::runtime_error);
  EXPECT_FALSE(ran);
  beside->launch(after);
  beside->synchronize();
  EXPECT_TRUE(ran);
}

TEST(KernelSettings, TheLastHolderGivesTheProcessItsFlagsBack) {
  at::globalContext().setDeterministicAlgorithms(false, /*warn_only=*/false);
  auto first = std::make_unique<KernelSettings>(1);
  auto second = std::make_unique<KernelSettings>(1);
  first.reset();
  EXPECT_TRUE(at::globalContext().deterministicAlgorithms());
  second.reset();
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
  EXPECT_THROW(
      {
        KernelSettings settings(1);
        throw Error("a kernel failed");
      },
      Error);
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
}

TEST(CpuDevice, CancelEndsAWait) {
  std::unique_ptr<Device> device = createCpuDevice(1);
  std::unique_ptr<Queue> beside = device->createQueue(QueueKind::Concurrent, 8);
  std::unique_ptr<Event> never = device->createEvent();
  beside->wait(*never);
  beside->cancel();
  beside->synchronize();
}

} // namespace
} // namespace regimen::runtime
