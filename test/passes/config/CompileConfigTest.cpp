#include "passes/CompileConfig.h"
#include "formats/Error.h"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace regimen;
using nlohmann::json;

namespace {

std::string errorOf(const std::function<void()> &action) {
  try {
    action();
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

TEST(CompileConfig, DefaultsAreTorchs) {
  CompileConfig config;
  EXPECT_EQ(config.optimizer.lr, 1e-3);
  EXPECT_EQ(config.optimizer.weightDecay, 1e-2);
  config.set("optimizer.type", "sgd");
  EXPECT_EQ(config.optimizer.weightDecay, 0.0);
  config.set("optimizer.weight_decay", 0.3);
  config.set("optimizer.type", "adamw");
  EXPECT_EQ(config.optimizer.weightDecay, 0.3);
}

TEST(CompileConfig, NestedAndDottedKeysAreOne) {
  CompileConfig nested, dotted;
  nested.merge(json::parse(
      R"({"optimizer": {"lr": 0.5, "schedule": {"type": "cosine", "total_steps": 9}}})"));
  dotted.setAssignment("optimizer.lr=0.5");
  dotted.setAssignment("optimizer.schedule.type=cosine");
  dotted.setAssignment("optimizer.schedule.total_steps=9");
  EXPECT_EQ(nested.canonical(), dotted.canonical());
  EXPECT_EQ(dotted.schedule.type, "cosine");
}

TEST(CompileConfig, CanonicalReadsBackEqual) {
  CompileConfig config;
  config.merge(json::parse(
      R"({"optimizer.groups": [{"params": "*.bias", "lr": 0.1}], "clip_grad_norm": 0.5})"));
  CompileConfig again;
  again.merge(json::parse(config.canonical()));
  EXPECT_EQ(config.canonical(), again.canonical());
  EXPECT_EQ(again.optimizer.groups.at(0).lr, 0.1);
  EXPECT_EQ(again.clipGradNorm, 0.5);
}

TEST(CompileConfig, UnknownKeyNamesTheNearest) {
  CompileConfig config;
  EXPECT_EQ(errorOf([&] { config.setAssignment("optimizer.weight_decy=0"); }),
            "unknown configuration key 'optimizer.weight_decy'; the nearest known one is "
            "'optimizer.weight_decay'");
}

TEST(CompileConfig, FeaturesNotBuiltTakeTheirDefaultOnly) {
  CompileConfig config;
  config.set("mesh.dp", 1);
  EXPECT_EQ(errorOf([&] { config.set("mesh.dp", 4); }),
            "configuration key 'mesh.dp' = 4: this feature is not built yet; the only value is 1");
}

TEST(CompileConfig, WrongValuesSayWhatIsExpected) {
  CompileConfig config;
  EXPECT_EQ(errorOf([&] { config.set("accumulate", 0); }),
            "configuration key 'accumulate' = 0: expected an integer from 1 to 1048576");
  EXPECT_EQ(errorOf([&] { config.set("accumulate", -1); }),
            "configuration key 'accumulate' = -1: expected an integer from 1 to 1048576");
  EXPECT_EQ(errorOf([&] { config.set("optimizer.type", "lion"); }),
            "configuration key 'optimizer.type' = \"lion\": expected one of adamw, sgd");
  EXPECT_EQ(errorOf([&] {
              config.set("optimizer.betas", json::array({0.9, 1.0}));
            }).find("configuration key 'optimizer.betas'"),
            0u);
  EXPECT_NE(errorOf([&] { config.set("optimizer.lr", "fast"); }), "");
  EXPECT_NE(errorOf([&] { config.set("fuse.enable", 1); }), "");
  EXPECT_NE(errorOf([&] { config.set("clip_grad_norm", 0); }), "");
  EXPECT_NE(errorOf([&] { config.setAssignment("accumulate"); }), "");
  EXPECT_NE(errorOf([&] { config.merge(json::array()); }), "");
}

TEST(CompileConfig, WholeConfigurationIsChecked) {
  CompileConfig config;
  config.set("optimizer.schedule.type", "cosine");
  EXPECT_NE(errorOf([&] { config.validate(); }), "");
  config.set("optimizer.schedule.total_steps", 10);
  EXPECT_EQ(errorOf([&] { config.validate(); }), "");
  config.set("optimizer.nesterov", true);
  EXPECT_NE(errorOf([&] { config.validate(); }), "");
}

TEST(CompileConfig, FileErrorsNameTheFile) {
  std::string path = testing::TempDir() + "broken.json";
  std::ofstream(path) << "{\"accumulate\": ";
  CompileConfig config;
  EXPECT_EQ(errorOf([&] { config.mergeFile(path); }).find(path), 0u);
  EXPECT_EQ(errorOf([&] { config.mergeFile("/nonexistent.json"); }),
            "cannot read the configuration file /nonexistent.json");
}

} // namespace
