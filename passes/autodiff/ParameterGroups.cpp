//===- ParameterGroups.cpp - Which hyperparameters a parameter takes ------===//
#include "passes/autodiff/ParameterGroups.h"

#include <algorithm>
#include <fnmatch.h>

using namespace regimen;
using namespace regimen::passes;

static bool matches(const std::vector<std::string> &globs, const std::string &name) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string &glob) {
    return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
  });
}

ParameterGroups::ParameterGroups(const OptimizerConfig &config) : config(config) {
  auto add = [&](double lr, double weightDecay) {
    all.push_back({lr, weightDecay});
    all.push_back({lr, 0.0});
  };
  add(config.lr, config.weightDecay);
  for (const OptimizerConfig::Group &group : config.groups)
    add(group.lr.value_or(config.lr), group.weightDecay.value_or(config.weightDecay));
}

size_t ParameterGroups::groupOf(const std::string &name) const {
  size_t index = 0;
  for (size_t i = 0; i < config.groups.size() && index == 0; ++i)
    if (matches(config.groups[i].params, name))
      index = i + 1;
  return 2 * index + matches(config.noDecay, name);
}

std::vector<std::string> ParameterGroups::unmatched(const std::vector<std::string> &names) const {
  std::vector<std::string> globs = config.noDecay;
  for (const OptimizerConfig::Group &group : config.groups)
    globs.insert(globs.end(), group.params.begin(), group.params.end());
  std::erase_if(globs, [&](const std::string &glob) {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string &name) { return matches({glob}, name); });
  });
  return globs;
}
