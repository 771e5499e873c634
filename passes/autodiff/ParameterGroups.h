//===- ParameterGroups.h - Which hyperparameters a parameter takes -*- C++ -*-===//
#ifndef REGIMEN_PASSES_AUTODIFF_PARAMETERGROUPS_H
#define REGIMEN_PASSES_AUTODIFF_PARAMETERGROUPS_H

#include "passes/CompileConfig.h"

namespace regimen::passes {

/// The optimizer's parameter groups: the optimizer's own values, then those of each entry of
/// optimizer.groups, each once with and once without weight decay. Indices depend on the
/// configuration only, so that every stage agrees.
class ParameterGroups {
public:
  struct Group {
    double lr;
    double weightDecay;
  };

  explicit ParameterGroups(const OptimizerConfig &config);

  const std::vector<Group> &groups() const { return all; }
  /// Index of the group of parameter `name`: the first entry of optimizer.groups that matches it,
  /// without decay if a glob of optimizer.no_decay matches.
  size_t groupOf(const std::string &name) const;
  /// Globs of the configuration that match none of `names`: most likely typing errors.
  std::vector<std::string> unmatched(const std::vector<std::string> &names) const;

private:
  const OptimizerConfig &config;
  std::vector<Group> all;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_PARAMETERGROUPS_H
