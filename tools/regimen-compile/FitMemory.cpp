//===- FitMemory.cpp ------------------------------------------------------===//
#include "FitMemory.h"

#include "formats/Error.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace regimen;
using namespace regimen::tools;
using plan::fb::PlanT;

std::string tools::sizeText(uint64_t bytes) {
  static constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return unit ? fmt::format("{:.2f} {}", value, units[unit]) : fmt::format("{} B", bytes);
}

static uint64_t peakOf(const PlanT &plan) { return plan::memory(plan).predictedPeak; }

static CompileConfig withSteps(CompileConfig config, size_t steps) {
  config.set("memory.remat", steps);
  return config;
}

std::optional<PlanT> MemoryFitter::fit(const CompileConfig &config) {
  const bool isAuto = config.memory.remat == Remat::Auto;
  std::optional<PlanT> plan = compile(isAuto ? withSteps(config, 0) : config, /*trial=*/false);
  if (!plan || !config.memory.limit)
    return plan;
  const uint64_t most = peakOf(*plan);
  if (most <= *config.memory.limit)
    return plan;
  if (!isAuto)
    refuse(config, *plan);
  const size_t steps = countSteps(config);
  std::optional<PlanT> all = compile(withSteps(config, steps), /*trial=*/false);
  if (!all)
    return all;
  if (peakOf(*all) <= *config.memory.limit)
    return search(config, steps, std::move(*all), most);
  PlanT least = leastOf(config, steps, std::move(*all));
  if (peakOf(least) > *config.memory.limit)
    refuse(config, least);
  return least;
}

/// The last steps may need more where they compute than they free elsewhere, so fewer are tried
/// too.
PlanT MemoryFitter::leastOf(const CompileConfig &config, size_t steps, PlanT all) {
  constexpr size_t kTrials = 12;
  PlanT least = std::move(all);
  for (size_t trial = 1; trial <= std::min(kTrials, steps); ++trial) {
    size_t fewer = steps - (steps <= kTrials ? trial : trial * steps / (kTrials + 1));
    std::optional<PlanT> plan = compile(withSteps(config, fewer), /*trial=*/true);
    if (plan && peakOf(*plan) < peakOf(least))
      least = std::move(*plan);
  }
  return least;
}

/// Between no steps, which need `mostBytes`, and all, which fit: the fewest that fit. The peak goes
/// down about evenly with the steps, so the next trial is where a straight line meets the limit.
std::optional<PlanT> MemoryFitter::search(const CompileConfig &config, size_t steps, PlanT least,
                                          uint64_t mostBytes) {
  constexpr int kTrials = 8;
  const uint64_t limit = *config.memory.limit;
  size_t low = 0, high = steps;
  uint64_t lowBytes = mostBytes, highBytes = peakOf(least);
  PlanT best = std::move(least);
  for (int trial = 0; trial < kTrials && high - low > 1; ++trial) {
    double part = static_cast<double>(lowBytes - limit) /
                  static_cast<double>(std::max<uint64_t>(lowBytes - highBytes, 1));
    size_t middle = low + static_cast<size_t>(part * static_cast<double>(high - low) + 0.5);
    middle = std::clamp(middle, low + 1, high - 1);
    std::optional<PlanT> plan = compile(withSteps(config, middle), /*trial=*/false);
    if (!plan)
      return plan;
    uint64_t bytes = peakOf(*plan);
    if (bytes <= limit) {
      high = middle;
      highBytes = bytes;
      best = std::move(*plan);
    } else {
      low = middle;
      lowBytes = std::max(bytes, highBytes);
    }
  }
  return best;
}

//===----------------------------------------------------------------------===//
// Refusal
//===----------------------------------------------------------------------===//

namespace {

struct Consumer {
  uint64_t bytes;
  std::string what;
};

/// What is alive where a plan needs most: its work buffers there, and what lives always.
std::pair<std::string, std::vector<Consumer>> consumersAtPeak(const PlanT &plan) {
  plan::MemoryReport report = plan::memory(plan);
  size_t program = 0;
  for (size_t i = 0; i < report.programs.size(); ++i)
    if (report.programs[i].peakBytes > report.programs[program].peakBytes)
      program = i;
  std::vector<Consumer> consumers;
  for (const auto &buffer : plan.buffers) {
    const plan::fb::ArenaT &arena = *plan.arenas[buffer->arena];
    if (buffer->program == -1 && arena.space == plan::fb::MemorySpace::Device &&
        arena.memory_class != plan::fb::MemoryClass::Caller)
      consumers.push_back(
          {buffer->bytes, fmt::format("{} {}", plan::name(buffer->category), buffer->name)});
  }
  auto place = [&](size_t instruction) {
    const plan::fb::ProgramT &source = *plan.programs[program];
    uint32_t index = source.instructions.at(instruction)->location;
    if (index >= plan.locations.size())
      return std::string();
    const plan::fb::LocationT &location = *plan.locations[index];
    std::string text = location.op;
    if (!location.layer.empty())
      text += ", layer " + location.layer;
    if (!location.file.empty())
      text += fmt::format(", {}:{}", location.file, location.line);
    return text;
  };
  std::string where;
  if (!report.programs.empty()) {
    const plan::ProgramMemory &peak = report.programs[program];
    if (!plan.programs[program]->instructions.empty())
      where = fmt::format("{}, instruction {} ({})", peak.name, peak.peakInstruction,
                          place(peak.peakInstruction));
    for (uint32_t index : peak.atPeak) {
      const plan::fb::BufferT &buffer = *plan.buffers[index];
      consumers.push_back({buffer.bytes, fmt::format("{} of {}", plan::name(buffer.category),
                                                     place(buffer.first))});
    }
  }
  std::stable_sort(consumers.begin(), consumers.end(),
                   [](const Consumer &a, const Consumer &b) { return a.bytes > b.bytes; });
  consumers.resize(std::min<size_t>(consumers.size(), 5));
  return {where, consumers};
}

} // namespace

/// Single changes first, then all of them together. Each was compiled.
std::string MemoryFitter::changesThatFit(const CompileConfig &config) {
  using Change = std::vector<std::pair<std::string, nlohmann::json>>;
  std::vector<Change> changes;
  Change together;
  if (config.memory.remat != Remat::Auto && config.memory.remat != Remat::Full) {
    changes.push_back({{"memory.remat", "full"}});
    together.push_back(changes.back().front());
  }
  if (config.dp > 1)
    for (uint32_t stage = config.zero.stage + 1; stage <= 3; ++stage)
      changes.push_back({{"zero.stage", stage}});
  if (config.dp > 1 && config.zero.stage < 3)
    together.push_back({"zero.stage", 3});
  if (together.size() > 1)
    changes.push_back(together);
  for (uint32_t ranks = config.dp * 2; ranks <= config.dp * 8; ranks *= 2) {
    Change more{{"mesh.dp", ranks}, {"zero.stage", 3}};
    if (!together.empty() && together.front().first == "memory.remat")
      more.push_back(together.front());
    changes.push_back(more);
  }
  std::string text;
  uint64_t nearest = UINT64_MAX;
  std::string nearestText;
  int found = 0;
  for (const Change &change : changes) {
    CompileConfig trial = config;
    trial.memory.limit.reset();
    std::string name;
    for (const auto &[key, value] : change) {
      trial.set(key, value);
      name += fmt::format("{}{}={}", name.empty() ? "" : " ", key,
                          value.is_string() ? value.get<std::string>() : value.dump());
    }
    if (trial.memory.remat == Remat::Auto)
      trial = withSteps(trial, countSteps(trial));
    std::optional<PlanT> plan = compile(trial, /*trial=*/true);
    if (!plan)
      continue;
    uint64_t bytes = peakOf(*plan);
    std::string line = fmt::format("\n    {}: {} ({} bytes)", name, sizeText(bytes), bytes);
    if (bytes <= *config.memory.limit) {
      text += line;
      if (++found == 3)
        break;
    } else if (bytes < nearest) {
      nearest = bytes;
      nearestText = line;
    }
  }
  if (found)
    return "\n  what would make it fit (each was compiled):" + text;
  if (nearest != UINT64_MAX)
    return "\n  nothing that was tried makes it fit; nearest comes" + nearestText;
  return "\n  use smaller inputs (--dim), or a smaller model";
}

void MemoryFitter::refuse(const CompileConfig &config, const PlanT &least) {
  const uint64_t limit = *config.memory.limit, bytes = peakOf(least);
  auto [where, consumers] = consumersAtPeak(least);
  std::string text = fmt::format(
      "memory.limit is {} ({} bytes), but the plan of least memory for this configuration needs {} "
      "({} bytes), {} bytes more\n  its peak is in {}, where the largest are:",
      sizeText(limit), limit, sizeText(bytes), bytes, bytes - limit, where);
  for (const Consumer &consumer : consumers)
    text += fmt::format("\n    {:>10}  {}", sizeText(consumer.bytes), consumer.what);
  throw Error(text + changesThatFit(config));
}
