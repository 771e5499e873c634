//===- MemoryProfile.h - Live bytes over the programs of a step -*- C++ -*-===//
#ifndef REGIMEN_TOOLS_REGIMENPLAN_MEMORYPROFILE_H
#define REGIMEN_TOOLS_REGIMENPLAN_MEMORYPROFILE_H

#include "formats/plan/Plan.h"

#include <array>
#include <vector>

namespace regimen::plan {

/// What a rank has on the device at each instruction of the programs of a step, in the order in
/// which they run, and behind them of what else matters: the evaluation, and the program that needs
/// most where that is no part of a step.
struct MemoryProfile {
  using Bytes = std::array<uint64_t, kCategories>;

  struct Program {
    size_t index;            // in the plan
    uint64_t runs;           // in a step; 0: outside it
    std::vector<Bytes> live; // what lives at each instruction, resident bytes included
  };
  std::vector<Program> programs;
  /// Where most lives: position in `programs`, instruction, bytes.
  size_t peakProgram = 0, peakInstruction = 0;
  uint64_t peakBytes = 0;
  MemoryReport report;

  uint64_t totalAt(size_t program, size_t instruction) const;
};

/// Requires a valid plan.
MemoryProfile profileMemory(const fb::PlanT &plan);

} // namespace regimen::plan

#endif // REGIMEN_TOOLS_REGIMENPLAN_MEMORYPROFILE_H
