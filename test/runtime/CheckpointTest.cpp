//===- CheckpointTest.cpp -------------------------------------------------===//
#include "ToyPlan.h"

#include "formats/Error.h"
#include "runtime/Trainer.h"
#include "runtime/checkpoint/Weights.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <fstream>
#include <sys/resource.h>

namespace regimen::runtime {
namespace {

using namespace regimen::test;
namespace fs = std::filesystem;

class CheckpointTest : public testing::Test {
protected:
  CheckpointTest() : plan(leastSquares()), device(createCpuDevice(1)) {
    data = openSafetensorsData(writeLeastSquaresData(folder.path, 5),
                               inputSpecs(plan, *plan.programs[0]));
  }
  std::unique_ptr<Executor> fresh() {
    auto executor = std::make_unique<Executor>(plan, *device);
    executor->memory().tensors()[0].fill_(0.25);
    return executor;
  }
  static std::vector<double> train(Executor &executor, DataSource &data, TrainingState state,
                                   TrainerOptions options) {
    std::vector<double> figures;
    options.onStep = [&](const StepMetrics &metrics) {
      figures.push_back(metrics.loss);
      figures.push_back(metrics.gradNorm);
    };
    Trainer(executor, data, state, options).train();
    return figures;
  }
  std::vector<std::string> namesIn(const fs::path &path) {
    std::vector<std::string> names;
    for (const fs::directory_entry &entry : fs::directory_iterator(path))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryFolder folder;
  const fs::path out = folder.path / "out";
  fb::PlanT plan;
  std::unique_ptr<Device> device;
  std::unique_ptr<DataSource> data;
};

TEST_F(CheckpointTest, AResumedRunIsTheUnbrokenOne) {
  for (bool shuffle : {false, true}) {
    TrainingState state;
    state.seed = 3;
    state.shuffle = shuffle;
    TrainerOptions options;
    options.steps = 9;
    auto whole = fresh();
    std::vector<double> want = train(*whole, *data, state, options);

    fs::path saved = folder.path / (shuffle ? "shuffled" : "plain");
    prepareSaving(saved);
    options.steps = 4;
    options.saveFolder = saved;
    auto first = fresh();
    std::vector<double> got = train(*first, *data, state, options);
    Executor second(plan, *device);
    TrainingState resumed = loadCheckpoint(saved, second);
    EXPECT_EQ(resumed.step, 4u);
    EXPECT_EQ(resumed.seed, 3u);
    EXPECT_EQ(resumed.shuffle, shuffle);
    options.steps = 9;
    options.saveFolder.reset();
    std::vector<double> rest = train(second, *data, resumed, options);
    got.insert(got.end(), rest.begin(), rest.end());
    EXPECT_EQ(got, want);
    EXPECT_TRUE(at::equal(second.memory().tensors()[0], whole->memory().tensors()[0]));
    EXPECT_TRUE(at::equal(second.memory().tensors()[3], whole->memory().tensors()[3]));
  }
}

TEST_F(CheckpointTest, HoldsTheStateDictOnceAndLinksToTheNewest) {
  auto executor = fresh();
  TrainerOptions options;
  options.steps = 5;
  options.saveFolder = out;
  options.saveEvery = 2;
  prepareSaving(out);
  train(*executor, *data, {}, options);
  EXPECT_EQ(namesIn(out),
            (std::vector<std::string>{"model.safetensors", "step-2", "step-4", "step-5"}));
  EXPECT_EQ(fs::read_symlink(out / "model.safetensors"), fs::path("step-5/model.safetensors"));
  EXPECT_EQ(namesIn(out / "step-5"),
            (std::vector<std::string>{"model.safetensors", "optimizer-00001-of-00001.safetensors",
                                      "training.json"}));
  safetensors::File model = safetensors::File::open(out / "model.safetensors");
  EXPECT_EQ(model.tensors().size(), 2u); // the tied name is not stored again
  EXPECT_TRUE(model.find("w") && model.find("scale"));
  EXPECT_TRUE(safetensors::File::open(out / "step-5" / "optimizer-00001-of-00001.safetensors")
                  .find("momentum_buffer/w"));
}

TEST_F(CheckpointTest, LargeModelsAreCut) {
  auto executor = fresh();
  TrainingState state;
  state.step = 1;
  prepareSaving(out);
  saveCheckpoint(out, *executor, state);
  state.step = 2;
  saveCheckpoint(out, *executor, state, /*modelFileBytes=*/12);
  EXPECT_EQ(namesIn(out),
            (std::vector<std::string>{"model-00001-of-00002.safetensors",
                                      "model-00002-of-00002.safetensors",
                                      "model.safetensors.index.json", "step-1", "step-2"}));
  Executor other(plan, *device);
  EXPECT_EQ(loadCheckpoint(out, other).step, 2u);
  EXPECT_TRUE(at::equal(other.memory().tensors()[0], executor->memory().tensors()[0]));
  Executor third(plan, *device);
  loadWeights(third, "toy.plan", out);
  EXPECT_TRUE(at::equal(third.memory().tensors()[0], executor->memory().tensors()[0]));
}

TEST_F(CheckpointTest, AFullDiskLeavesThePreviousOneWhole) {
  auto executor = fresh();
  TrainingState state;
  state.step = 1;
  prepareSaving(out);
  saveCheckpoint(out, *executor, state);
  std::vector<std::string> before = namesIn(out);
  // A limit on file sizes makes writes fail as a full disk does.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  for (rlim_t limit : {rlim_t(0), rlim_t(100), rlim_t(180)}) {
    rlimit low{limit, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &low);
    state.step = 2;
    EXPECT_THROW(saveCheckpoint(out, *executor, state), Error);
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_EQ(namesIn(out), before);
    Executor other(plan, *device);
    EXPECT_EQ(loadCheckpoint(out, other).step, 1u);
  }
  saveCheckpoint(out, *executor, state);
  EXPECT_EQ(fs::read_symlink(out / "model.safetensors"), fs::path("step-2/model.safetensors"));
}

TEST_F(CheckpointTest, SavingTheSameStepAgainReplacesIt) {
  auto executor = fresh();
  TrainingState state;
  state.step = 1;
  prepareSaving(out);
  saveCheckpoint(out, *executor, state);
  executor->memory().tensors()[0].fill_(7);
  saveCheckpoint(out, *executor, state);
  Executor other(plan, *device);
  loadCheckpoint(out, other);
  EXPECT_EQ(other.memory().tensors()[0].sum().item().toFloat(), 21);
  EXPECT_EQ(namesIn(out), (std::vector<std::string>{"model.safetensors", "step-1"}));
}

TEST_F(CheckpointTest, WhatIsNotOursIsNotReplaced) {
  fs::create_directories(out);
  std::ofstream(out / "model.safetensors") << "precious";
  EXPECT_THROW(prepareSaving(out), Error);
  EXPECT_THROW(prepareSaving("/proc/nowhere"), Error);
}

TEST_F(CheckpointTest, BadCheckpointsAreRefused) {
  Executor executor(plan, *device);
  EXPECT_THROW(loadCheckpoint(folder.path, executor), Error); // none there
  auto source = fresh();
  prepareSaving(out);
  TrainingState state;
  state.step = 1;
  saveCheckpoint(out, *source, state);
  plan.training->optimizer = "adamw";
  EXPECT_THROW(loadCheckpoint(out, executor), Error);
  plan.training->optimizer = "sgd";
  fs::path description = out / "step-1" / "training.json";
  nlohmann::json meta = nlohmann::json::parse(std::ifstream(description));
  auto refuses = [&](const std::string &text, const char *part) {
    std::ofstream(description) << text;
    try {
      loadCheckpoint(out, executor);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error &error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refuses("{\"format\": 2", "damaged");
  refuses("{\"format\": 2, \"optimizer\": 5}", "damaged");
  auto with = [&](const char *key, const nlohmann::json &value) {
    nlohmann::json changed = meta;
    changed[key] = value;
    return changed.dump();
  };
  refuses(with("format", 1), "format 1, this version reads formats 2 and 3");
  refuses(with("format", 4), "format 4, this version reads formats 2 and 3");
  refuses(with("step", -1), "step is -1");
  refuses(with("blocks", 1.5), "blocks is 1.5");
  refuses(with("updates", UINT64_MAX), "updates is 18446744073709551615");
  refuses(with("digests", 3), "damaged");
  std::ofstream(description) << meta.dump();
  EXPECT_NO_THROW(loadCheckpoint(out, executor));
}

TEST_F(CheckpointTest, WhatAKilledSaveLeftIsRemoved) {
  fs::create_directories(out / ".step-7.new" / "below");
  fs::create_directories(out / ".mine");
  prepareSaving(out);
  EXPECT_EQ(namesIn(out), std::vector<std::string>{".mine"});
}

TEST_F(CheckpointTest, AFlippedBitOfAStateIsNoticed) {
  auto source = fresh();
  prepareSaving(out);
  TrainingState state;
  state.step = 1;
  saveCheckpoint(out, *source, state);
  Executor executor(plan, *device);
  for (const char *name : {"model.safetensors", "optimizer-00001-of-00001.safetensors"}) {
    fs::path path = out / "step-1" / name;
    auto last = static_cast<std::streamoff>(fs::file_size(path)) - 1;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(last);
    auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(last);
    file.put(byte);
    file.close();
    EXPECT_THROW(loadCheckpoint(out, executor), Error) << name;
    saveCheckpoint(out, *source, state);
    EXPECT_NO_THROW(loadCheckpoint(out, executor));
  }
}

TEST_F(CheckpointTest, WeightsComeByAnyNameAndMustFit) {
  at::Tensor w = at::arange(3, at::kFloat);
  fs::path path = folder.path / "weights.safetensors";
  auto write = [&](const std::string &name, std::vector<int64_t> shape) {
    safetensors::write(path, {{name, {safetensors::DType::F32, std::move(shape), bytesOf(w)}}});
  };
  Executor executor(plan, *device);
  write("head.w", {3, 1});
  loadWeights(executor, "toy.plan", path);
  EXPECT_TRUE(at::equal(executor.memory().tensors()[0], w.view({3, 1})));
  write("w", {3});
  EXPECT_THROW(loadWeights(executor, "toy.plan", path), Error);
  write("v", {3, 1});
  EXPECT_THROW(loadWeights(executor, "toy.plan", path), Error);
  EXPECT_THROW(loadWeights(executor, "toy.plan", folder.path / "nothing"), Error);
  EXPECT_THROW(loadWeights(executor, folder.path / "toy.plan", std::nullopt),
               Error); // no archive beside it
}

} // namespace
} // namespace regimen::runtime
