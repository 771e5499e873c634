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
  config.set("mesh.tp", 1);
  EXPECT_EQ(errorOf([&] { config.set("mesh.tp", 4); }),
            "configuration key 'mesh.tp' = 4: this feature is not built yet; the only value is 1");
}

TEST(CompileConfig, WrongValuesSayWhatIsExpected) {
  CompileConfig config;
  EXPECT_EQ(errorOf([&] { config.set("accumulate", 0); }),
            "configuration key 'accumulate' = 0: expected an integer from 1 to 1048576");
  EXPECT_EQ(errorOf([&] { config.set("accumulate", -1); }),
            "configuration key 'accumulate' = -1: expected an integer from 1 to 1048576");
  EXPECT_EQ(errorOf([&] { config.set("optimizer.type", "lion"); }),
            "configuration key 'optimizer.type' = \"lion\": expected one of adamw, sgd, none");
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

TEST(CompileConfig, ValuesOfAnotherOptimizerAreRefused) {
  CompileConfig config;
  config.set("optimizer.momentum", 0.9);
  EXPECT_EQ(errorOf([&] { config.validate(); }),
            "optimizer.momentum is of optimizer.type=sgd; this configuration has adamw");
  config.set("optimizer.type", "sgd");
  EXPECT_EQ(errorOf([&] { config.validate(); }), "");
  config.set("optimizer.betas", json{0.9, 0.999}); // the default says nothing
  EXPECT_EQ(errorOf([&] { config.validate(); }), "");
  config.set("optimizer.betas", json{0.9, 0.95});
  EXPECT_EQ(errorOf([&] { config.validate(); }),
            "optimizer.betas is of optimizer.type=adamw; this configuration has sgd");
}

TEST(CompileConfig, FileErrorsNameTheFile) {
  std::string path = testing::TempDir() + "broken.json";
  std::ofstream(path) << "{\"accumulate\": ";
  CompileConfig config;
  EXPECT_EQ(errorOf([&] { config.mergeFile(path); }).find(path), 0u);
  EXPECT_EQ(errorOf([&] { config.mergeFile("/nonexistent.json"); }),
            "'/nonexistent.json': cannot open: No such file or directory");
  EXPECT_EQ(errorOf([&] { config.mergeFile(testing::TempDir()); }),
            "'" + testing::TempDir() + "': not a regular file");
}

TEST(CompileConfig, RefusesWhatIsNoConfiguration) {
  CompileConfig config;
  const std::string deep(100000, '[');
  EXPECT_EQ(errorOf([&] { config.mergeText("{\"loss\": " + deep); }),
            "nested more than 16 levels deep");
  EXPECT_EQ(errorOf([&] { config.setAssignment("loss=" + deep); }),
            "nested more than 16 levels deep");
  EXPECT_EQ(errorOf([&] { config.mergeText(std::string((1 << 20) + 1, ' ')); }),
            "a configuration has at most 1048576 bytes, this has more");
  EXPECT_EQ(errorOf([&] { config.setAssignment("loss=\xff"); }),
            "--set loss: the value is not UTF-8");
  EXPECT_NE(errorOf([&] { config.mergeText("{\"loss\": \"\xff\"}"); }), "");
  EXPECT_NE(errorOf([&] { config.mergeText("{\"optimizer.lr\": 1e999}"); }), "");
  EXPECT_NE(errorOf([&] { config.mergeText(""); }), "");
  // A message stays short whatever the value.
  const std::string longText(100000, 'x');
  EXPECT_LT(errorOf([&] { config.setAssignment(longText + "=1"); }).size(), 600u);
  EXPECT_LT(errorOf([&] { config.setAssignment("mesh.dp=" + longText); }).size(), 600u);
}

TEST(CompileConfig, BackwardVariants) {
  CompileConfig config;
  config.merge(json::parse(R"({"driver": "python", "optimizer.type": "none", "memory.frames": 2,
      "layout": [["a"], ["b", "c"]], "update": ["b"],
      "backward": [{"outputs": [0, 2], "inputs": [1], "parameters": ["w"], "gradients": "returned",
                    "retain": true},
                   {"outputs": [1], "parameters": true, "gradients": "later",
                    "local": true}],
      "mesh.dp": 2, "zero.stage": 3})"));
  config.validate();
  ASSERT_TRUE(config.backward);
  ASSERT_EQ(config.backward->size(), 2u);
  const BackwardConfig &first = config.backward->front(), &second = config.backward->back();
  EXPECT_EQ(first.outputs, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(first.inputs, std::vector<int64_t>{1});
  EXPECT_EQ(first.parameters, std::vector<std::string>{"w"});
  EXPECT_EQ(first.gradients, BackwardConfig::Gradients::Returned);
  EXPECT_TRUE(first.retain);
  EXPECT_FALSE(first.local);
  EXPECT_FALSE(second.parameters);
  EXPECT_EQ(second.gradients, BackwardConfig::Gradients::Later);
  EXPECT_FALSE(second.retain);
  EXPECT_TRUE(second.local);
  EXPECT_EQ(config.frames, 2u);
  EXPECT_EQ(config.layout->back(), (std::vector<std::string>{"b", "c"}));
  CompileConfig again;
  again.merge(json::parse(config.canonical()));
  EXPECT_EQ(config.canonical(), again.canonical());
}

TEST(CompileConfig, RefusesWrongVariants) {
  for (const char *value :
       {"1", "[1]", "[{}]", R"([{"outputs": [1, 0]}])", R"([{"outputs": [0], "inputs": [-1]}])",
        R"([{"outputs": [0], "gradients": "both"}])", R"([{"outputs": [0], "parameters": false}])",
        R"([{"outputs": [0], "retain": 1}])", R"([{"outputs": [0], "local": 1}])",
        R"([{"outputs": [0], "gradients": "returned", "local": true}])",
        R"([{"outputs": [0], "frame": 1}])"})
    EXPECT_NE(errorOf([&] { CompileConfig().set("backward", json::parse(value)); }), "") << value;
  EXPECT_NE(errorOf([&] { CompileConfig().set("layout", json::parse("[1]")); }), "");
  EXPECT_NE(errorOf([&] { CompileConfig().set("update", "a"); }), "");
  EXPECT_NE(errorOf([&] { CompileConfig().set("memory.frames", 0); }), "");
}

TEST(CompileConfig, SuspendedKeysNeedACaller) {
  auto errorOfAll = [](const char *text) {
    return errorOf([&] {
      CompileConfig config;
      config.merge(json::parse(text));
      config.validate();
    });
  };
  EXPECT_NE(errorOfAll(R"({"optimizer.type": "none"})").find("needs driver=python"),
            std::string::npos);
  EXPECT_NE(errorOfAll(R"({"driver": "python", "evaluation": true})").find("driver=both"),
            std::string::npos);
  EXPECT_EQ(errorOfAll(R"({"driver": "both", "evaluation": true})"), "");
  EXPECT_NE(errorOfAll(R"({"memory.frames": 2})").find("need driver=python or driver=both"),
            std::string::npos);
  EXPECT_NE(errorOfAll(R"({"driver": "python", "backward": []})").find("leaves the update alone"),
            std::string::npos);
  EXPECT_EQ(errorOfAll(R"({"driver": "python", "backward": [], "layout": [["a"]]})"), "");
}

} // namespace
