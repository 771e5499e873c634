//===- ExecutorTest.cpp ---------------------------------------------------===//
#include "ToyPlan.h"

#include "formats/Error.h"
#include "runtime/executor/Executor.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>

namespace regimen::runtime {
namespace {

using namespace regimen::test;
using fb::KernelMode;
using fb::Lane;

class Ramp : public InputLoader {
public:
  void load(const plan::fb::ProgramT &program, size_t input,
            std::span<std::byte> destination) override {
    loader = std::this_thread::get_id();
    if (fail)
      throw Error("no data");
    at::Tensor values = at::arange(static_cast<int64_t>(destination.size() / 4), at::kFloat) +
                        static_cast<float>(input);
    std::memcpy(destination.data(), values.const_data_ptr(), destination.size());
  }
  bool fail = false;
  std::thread::id loader;
};

/// Loads on a thread of their own, and, as few bytes are, on the compute lane.
class CopyLane : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Executor, CopyLane, testing::Values(0, kInlineLoadBytes));

TEST_P(CopyLane, RunsLanesInTheOrderOfEvents) {
  fb::PlanT plan = leastSquares();
  std::unique_ptr<Device> device = createCpuDevice(1, GetParam());
  Executor executor(plan, *device);
  const std::vector<at::Tensor> &tensors = executor.memory().tensors();
  tensors[0].fill_(0.25);
  Ramp inputs;
  Hypers hypers(1);
  executor.run(0, hypers, inputs);
  EXPECT_EQ(inputs.loader == std::this_thread::get_id(), GetParam() > 0);
  at::Tensor x = at::arange(12, at::kFloat).view({4, 3}),
             t = (at::arange(4, at::kFloat) + 1).view({4, 1});
  at::Tensor diff = at::mm(x, at::full({3, 1}, 0.25f)) - t;
  uint32_t loss = plan.programs[0]->outputs[0]->tensor;
  EXPECT_EQ(static_cast<float>(executor.scalar(loss)), at::mean(diff * diff).item().toFloat());
  EXPECT_TRUE(at::equal(tensors[2], at::mm(x.t(), diff * 0.5)));
}

TEST(Executor, MeasuresWhatItTouched) {
  fb::PlanT plan = leastSquares();
  std::unique_ptr<Device> device = createCpuDevice(1);
  Executor executor(plan, *device);
  uint64_t whole = plan.arenas[0]->bytes + plan.arenas[1]->bytes;
  EXPECT_LT(executor.measuredPeak(), whole);
  Ramp inputs;
  Hypers hypers(1);
  executor.run(0, hypers, inputs);
  EXPECT_LT(executor.measuredPeak(), whole);
  executor.run(1, hypers, inputs);
  EXPECT_EQ(executor.measuredPeak(), whole);
}

TEST(Executor, EmbedsConstantsAndStartsFromZero) {
  fb::PlanT plan = leastSquares();
  std::unique_ptr<Device> device = createCpuDevice(1);
  Executor executor(plan, *device);
  const std::vector<at::Tensor> &tensors = executor.memory().tensors();
  EXPECT_TRUE(at::equal(tensors[1], at::ones({2})));
  for (uint32_t index : {0u, 2u, 3u})
    EXPECT_TRUE(at::equal(tensors[index], at::zeros({3, 1})));
}

TEST_P(CopyLane, AFailureEndsTheRun) {
  fb::PlanT plan = leastSquares();
  std::unique_ptr<Device> device = createCpuDevice(1, GetParam());
  Executor executor(plan, *device);
  Ramp inputs;
  Hypers hypers(1);
  inputs.fail = true;
  EXPECT_THROW(executor.run(0, hypers, inputs), Error);
  inputs.fail = false;
  executor.run(0, hypers, inputs);
}

TEST(Executor, AFailingKernelNamesItsPlaceInTheModel) {
  PlanBuilder b;
  b.program("broken", fb::Role::MicroStep, fb::Contribution::First);
  uint32_t table = b.tensor({3, 2}), index = b.tensor({2}, fb::DType::I64), out = b.tensor({2, 2});
  b.call("aten::index_select.out", KernelMode::Out, {tensorArg(table), intArg(0), tensorArg(index)},
         {out});
  b.wait(0, Lane::Copy); // never recorded, since the call before it fails
  b.plan.programs[0]->events = 1;
  auto layer = b.plan.locations[0].get();
  layer->layer = "h.0.wte";
  std::unique_ptr<Device> device = createCpuDevice(1);
  Executor executor(b.plan, *device);
  executor.memory().tensors()[index].fill_(99);
  Ramp inputs;
  try {
    executor.run(0, {}, inputs);
    FAIL() << "ran";
  } catch (const Error &error) {
    EXPECT_NE(std::string(error.what())
                  .find("instruction 0 of broken (aten.toy, layer h.0.wte, toy.py:7)"),
              std::string::npos)
        << error.what();
  }
}

TEST(Executor, TellsTheTracer) {
  class Count : public Tracer {
  public:
    void instruction(size_t, size_t, Clock::time_point begin, Clock::time_point end) override {
      ++instructions;
      if (end < begin)
        ordered = false;
    }
    void step(uint64_t, Clock::time_point, Clock::time_point) override {}
    std::atomic<int> instructions{0};
    std::atomic<bool> ordered{true};
  } count;
  fb::PlanT plan = leastSquares();
  std::unique_ptr<Device> device = createCpuDevice(1);
  Executor executor(plan, *device);
  executor.setTracer(&count);
  Ramp inputs;
  executor.run(0, Hypers(1), inputs);
  EXPECT_EQ(count.instructions, 8); // two loads, six calls
  EXPECT_TRUE(count.ordered);
}

TEST(Executor, OverheadOfAnInstructionIsSmall) {
  PlanBuilder b;
  b.program("many", fb::Role::MicroStep, fb::Contribution::First);
  uint32_t x = b.tensor({8}), y = b.tensor({8});
  constexpr int calls = 2000;
  for (int i = 0; i < calls; ++i)
    b.call("aten::add.out", KernelMode::Out, {tensorArg(x), tensorArg(x), defaultArg()}, {y});
  std::unique_ptr<Device> device = createCpuDevice(1);
  Executor executor(b.plan, *device);
  Ramp inputs;
  double best = 1e9;
  for (int round = 0; round < 20; ++round) {
    auto begin = std::chrono::steady_clock::now();
    executor.run(0, {}, inputs);
    best = std::min(
        best, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
                  .count());
  }
  RecordProperty("microseconds_per_add", std::to_string(best / calls));
  // The addition and its dispatch take about half a microsecond of this.
  EXPECT_LT(best / calls, 10.0);
}

} // namespace
} // namespace regimen::runtime
