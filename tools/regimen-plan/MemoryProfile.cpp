//===- MemoryProfile.cpp - Live bytes over the programs of a step ----------===//
#include "tools/regimen-plan/MemoryProfile.h"

#include <algorithm>
#include <numeric>

using namespace regimen;
using namespace regimen::plan;

uint64_t MemoryProfile::totalAt(size_t program, size_t instruction) const {
  const Bytes &bytes = programs[program].live[instruction];
  return std::accumulate(bytes.begin(), bytes.end(), uint64_t{0});
}

MemoryProfile regimen::plan::profileMemory(const fb::PlanT &plan) {
  MemoryProfile profile;
  profile.report = memory(plan);
  const MemoryReport &report = profile.report;
  auto add = [&](size_t index, uint64_t runs) {
    bool known = std::any_of(profile.programs.begin(), profile.programs.end(),
                             [&](const auto &program) { return program.index == index; });
    if (known || plan.programs[index]->instructions.empty())
      return;
    MemoryProfile::Program &program = profile.programs.emplace_back();
    program.index = index;
    program.runs = runs;
    program.live.resize(report.programs[index].live.size());
    for (size_t i = 0; i < program.live.size(); ++i)
      for (size_t category = 0; category < kCategories; ++category)
        program.live[i][category] =
            report.resident[category] + report.programs[index].liveOf[category][i];
  };
  // Micro-steps stand in the plan in the order in which they contribute, a forward before its
  // backwards; the update closes a step wherever it stands.
  std::vector<uint64_t> runs = stepOf(plan).runs;
  // On one rank no backward reduces, so that a step, as traffic has it, names none.
  auto runsIn = [&](fb::Segment segment) {
    for (size_t i = 0; i < plan.programs.size(); ++i)
      if (runs[i] > 0 && plan.programs[i]->segment == segment)
        return true;
    return false;
  };
  if (runsIn(fb::Segment::Forward) && !runsIn(fb::Segment::Backward))
    for (size_t i = 0; i < plan.programs.size(); ++i)
      if (plan.programs[i]->segment == fb::Segment::Backward) {
        runs[i] = 1;
        break;
      }
  for (bool updates : {false, true})
    for (size_t i = 0; i < plan.programs.size(); ++i)
      if (runs[i] > 0 && (plan.programs[i]->role == fb::Role::Update) == updates)
        add(i, runs[i]);
  if (std::optional<size_t> evaluation = evaluationOf(plan))
    add(*evaluation, 0);
  auto most =
      std::max_element(report.programs.begin(), report.programs.end(),
                       [](const auto &a, const auto &b) { return a.peakBytes < b.peakBytes; });
  if (most != report.programs.end())
    add(static_cast<size_t>(most - report.programs.begin()), 0);

  for (size_t p = 0; p < profile.programs.size(); ++p)
    for (size_t i = 0; i < profile.programs[p].live.size(); ++i)
      if (uint64_t bytes = profile.totalAt(p, i); bytes > profile.peakBytes) {
        profile.peakProgram = p;
        profile.peakInstruction = i;
        profile.peakBytes = bytes;
      }
  return profile;
}
