//===- FitMemory.h - A plan within memory.limit -----------------*- C++ -*-===//
#ifndef REGIMEN_TOOLS_REGIMEN_COMPILE_FITMEMORY_H
#define REGIMEN_TOOLS_REGIMEN_COMPILE_FITMEMORY_H

#include "formats/plan/Plan.h"
#include "passes/CompileConfig.h"

#include <functional>
#include <optional>

namespace regimen::tools {

/// Finds the cheapest configuration whose plan fits, by compiling.
class MemoryFitter {
public:
  /// The plan of a configuration; none where it cannot be compiled. Trials are silent.
  using Compile = std::function<std::optional<plan::fb::PlanT>(const CompileConfig &, bool trial)>;
  /// How many steps of recomputation a configuration has.
  using CountSteps = std::function<size_t(const CompileConfig &)>;

  MemoryFitter(Compile compile, CountSteps countSteps)
      : compile(std::move(compile)), countSteps(std::move(countSteps)) {}

  /// The plan, whose configuration says so many steps where it asked for memory.remat=auto. None
  /// after a diagnostic of a pass. Throws Error when nothing fits the limit: with the shortfall to
  /// the plan of least memory that `config` allows, the largest consumers at its peak, and changes
  /// that would make it fit.
  std::optional<plan::fb::PlanT> fit(const CompileConfig &config);

private:
  std::optional<plan::fb::PlanT> search(const CompileConfig &config, size_t steps,
                                        plan::fb::PlanT least, uint64_t mostBytes);
  plan::fb::PlanT leastOf(const CompileConfig &config, size_t steps, plan::fb::PlanT all);
  [[noreturn]] void refuse(const CompileConfig &config, const plan::fb::PlanT &least);
  std::string changesThatFit(const CompileConfig &config);

  Compile compile;
  CountSteps countSteps;
};

/// "1.50 GiB".
std::string sizeText(uint64_t bytes);

} // namespace regimen::tools

#endif // REGIMEN_TOOLS_REGIMEN_COMPILE_FITMEMORY_H
