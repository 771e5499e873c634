#include "passes/autodiff/ParameterGroups.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace regimen;
using namespace regimen::passes;

namespace {

CompileConfig configOf(const char *text) {
  CompileConfig config;
  config.merge(nlohmann::json::parse(text));
  return config;
}

TEST(ParameterGroups, NoDecayKeepsTheLearningRate) {
  CompileConfig config = configOf(R"({"optimizer.lr": 0.5, "optimizer.weight_decay": 0.1,
                                      "optimizer.no_decay": ["*bias", "*norm*"]})");
  ParameterGroups groups(config.optimizer);
  auto plain = groups.groups()[groups.groupOf("h.0.fc.weight")];
  auto bias = groups.groups()[groups.groupOf("h.0.fc.bias")];
  EXPECT_EQ(plain.weightDecay, 0.1);
  EXPECT_EQ(bias.weightDecay, 0.0);
  EXPECT_EQ(bias.lr, 0.5);
  EXPECT_EQ(groups.groupOf("h.0.fc.bias"), groups.groupOf("final_norm.weight"));
}

TEST(ParameterGroups, TheFirstMatchingEntryCounts) {
  CompileConfig config = configOf(R"({"optimizer.lr": 1.0, "optimizer.groups": [
      {"params": ["head.*"], "lr": 2.0}, {"params": "*", "lr": 3.0, "weight_decay": 0.5}]})");
  ParameterGroups groups(config.optimizer);
  EXPECT_EQ(groups.groups()[groups.groupOf("head.weight")].lr, 2.0);
  EXPECT_EQ(groups.groups()[groups.groupOf("head.weight")].weightDecay, 1e-2);
  EXPECT_EQ(groups.groups()[groups.groupOf("body.weight")].lr, 3.0);
  EXPECT_EQ(groups.groups()[groups.groupOf("body.weight")].weightDecay, 0.5);
}

TEST(ParameterGroups, GlobsWithoutAMatchAreReported) {
  CompileConfig config = configOf(R"({"optimizer.no_decay": ["*.bias", "*.baias"]})");
  EXPECT_EQ(ParameterGroups(config.optimizer).unmatched({"fc.bias", "fc.weight"}),
            std::vector<std::string>{"*.baias"});
}

} // namespace
