//===- TrainerTest.cpp ----------------------------------------------------===//
#include "ToyPlan.h"

#include "formats/Error.h"
#include "formats/safetensors/Safetensors.h"
#include "runtime/Trainer.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace regimen::runtime {
namespace {

using namespace regimen::test;

/// A trainer over leastSquares with everything that it needs.
struct ToyRun {
  explicit ToyRun(uint32_t accumulate = 1, TrainerOptions options = {}, int64_t blocks = 5,
                  TrainingState state = {})
      : plan(leastSquares(accumulate)), device(createCpuDevice(1)), executor(plan, *device),
        data(openSafetensorsData(writeLeastSquaresData(folder.path, blocks),
                                 inputSpecs(plan, *plan.programs[0]))),
        trainer(executor, *data, state, std::move(options)) {
    executor.memory().tensors()[0].fill_(0.25);
  }
  at::Tensor weight() { return executor.memory().tensors()[0]; }

  TemporaryFolder folder;
  fb::PlanT plan;
  std::unique_ptr<Device> device;
  Executor executor;
  std::unique_ptr<DataSource> data;
  Trainer trainer;
};

/// leastSquares in ATen: losses and norms of each step; `w` is left at its last value.
struct Reference {
  Reference(uint32_t accumulate, uint64_t steps, int64_t blocks) {
    at::Tensor allX = at::sin(at::arange(blocks * 12, at::kFloat) * 0.7f).view({-1, 3});
    at::Tensor allT = at::cos(at::arange(blocks * 4, at::kFloat)).view({-1, 1});
    at::Tensor momentum = at::zeros({3, 1});
    for (uint64_t step = 0; step < steps; ++step) {
      double loss = 0;
      at::Tensor grad;
      for (uint32_t micro = 0; micro < accumulate; ++micro) {
        int64_t row = static_cast<int64_t>(step * accumulate + micro) % blocks * 4;
        at::Tensor x = allX.narrow(0, row, 4), diff = at::mm(x, w) - allT.narrow(0, row, 4);
        loss += at::mean(diff * diff).item().toDouble() / accumulate;
        at::Tensor part = at::mm(x.t(), diff * (0.5 / accumulate));
        grad = micro == 0 ? part : grad + part;
      }
      losses.push_back(loss);
      norms.push_back(
          static_cast<float>(std::sqrt(grad.to(at::kDouble).square().sum().item().toDouble())));
      grads.push_back(grad);
      momentum.mul_(0.9).add_(grad);
      w.add_(momentum, -0.05);
    }
  }
  at::Tensor w = at::full({3, 1}, 0.25f);
  std::vector<double> losses;
  std::vector<float> norms;
  std::vector<at::Tensor> grads;
};

TEST(Trainer, HasTheBitsOfTheSameAtenCalls) {
  for (uint32_t accumulate : {1u, 3u}) {
    ToyRun run(accumulate);
    Reference want(accumulate, 7, 5);
    for (uint64_t step = 0; step < 7; ++step) {
      StepMetrics metrics = run.trainer.step();
      EXPECT_EQ(metrics.step, step + 1);
      EXPECT_EQ(metrics.loss, want.losses[step]);
      EXPECT_EQ(metrics.gradNorm, want.norms[step]);
      EXPECT_EQ(metrics.samples, 4 * accumulate);
    }
    EXPECT_TRUE(at::equal(run.weight(), want.w));
    EXPECT_EQ(run.trainer.state().blocks, 7 * accumulate);
  }
}

TEST(Trainer, OnePassUnlessToldOtherwise) {
  EXPECT_EQ(ToyRun(1).trainer.lastStep(), 5u);
  EXPECT_EQ(ToyRun(2).trainer.lastStep(), 2u);
  TrainerOptions options;
  options.steps = 99;
  EXPECT_EQ(ToyRun(2, options).trainer.lastStep(), 99u);
}

TEST(Trainer, DumpsTheFirstStepsGradients) {
  TemporaryFolder folder;
  TrainerOptions options;
  options.dumpGradients = folder.path / "grads.safetensors";
  ToyRun run(2, options);
  run.trainer.train();
  safetensors::File file = safetensors::File::open(*options.dumpGradients);
  ASSERT_EQ(file.tensors().size(), 1u);
  at::Tensor want = Reference(2, 1, 5).grads[0];
  EXPECT_EQ(std::memcmp(file.find("w")->bytes.data(), want.const_data_ptr(), want.nbytes()), 0);
}

TEST(Trainer, StopsAtALossThatIsNotFinite) {
  ToyRun run;
  run.trainer.step();
  run.weight().fill_(std::numeric_limits<float>::quiet_NaN());
  try {
    run.trainer.step();
    FAIL() << "went on";
  } catch (const Error &error) {
    EXPECT_NE(std::string(error.what()).find("the loss of step 2 is not finite"), std::string::npos)
        << error.what();
  }
}

TEST(Trainer, SkipLeavesTheStateAlone) {
  TrainerOptions options;
  options.nan = NanPolicy::Skip;
  ToyRun run(1, options);
  run.trainer.step();
  run.weight().fill_(std::numeric_limits<float>::infinity());
  at::Tensor momentum = run.executor.memory().tensors()[3].clone();
  EXPECT_TRUE(run.trainer.step().skipped);
  EXPECT_TRUE(at::equal(run.executor.memory().tensors()[3], momentum));
  EXPECT_EQ(run.trainer.state().step, 2u);
  EXPECT_EQ(run.trainer.state().updates, 1u);
  run.weight().fill_(0.5);
  StepMetrics metrics = run.trainer.step();
  EXPECT_FALSE(metrics.skipped);
  EXPECT_TRUE(std::isfinite(metrics.gradNorm));
}

TEST(Trainer, IgnoreGoesOn) {
  TrainerOptions options;
  options.nan = NanPolicy::Ignore;
  ToyRun run(1, options);
  run.weight().fill_(std::numeric_limits<float>::quiet_NaN());
  StepMetrics metrics = run.trainer.step();
  EXPECT_TRUE(std::isnan(metrics.loss));
  EXPECT_FALSE(metrics.skipped);
}

TEST(Trainer, EndsCleanlyWhenInterrupted) {
  TemporaryFolder folder;
  int steps = 0;
  TrainerOptions options;
  options.steps = 1000;
  options.saveFolder = folder.path;
  options.onStep = [&](const StepMetrics &) { ++steps; };
  options.interrupted = [&] { return steps == 3; };
  ToyRun run(1, options);
  run.trainer.train();
  EXPECT_EQ(steps, 3);
  EXPECT_TRUE(std::filesystem::exists(folder.path / "step-3" / "training.json"));
}

TEST(Trainer, SteadyStateTakesNoTensorsFromOutside) {
  ToyRun run(2);
  run.trainer.step();
  UnplannedMemory::resetPeak();
  run.trainer.step();
  // ATen makes 0-d tensors of numbers (a mean's divisor); anything larger would be a tensor.
  EXPECT_LE(run.executor.unplannedBytes(), 16u);
}

TEST(Trainer, APlanWithoutUpdateIsRefused) {
  fb::PlanT plan = leastSquares();
  plan.programs.pop_back();
  for (auto &buffer : plan.buffers)
    if (buffer->program == 1)
      buffer->program = -1;
  std::unique_ptr<Device> device = createCpuDevice(1);
  Executor executor(plan, *device);
  TemporaryFolder folder;
  auto data = openSafetensorsData(writeLeastSquaresData(folder.path, 2),
                                  inputSpecs(plan, *plan.programs[0]));
  EXPECT_THROW(Trainer(executor, *data, {}, {}), Error);
}

} // namespace
} // namespace regimen::runtime
