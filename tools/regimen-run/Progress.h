//===- Progress.h - What a run shows while it runs ------------------------===//
#ifndef REGIMEN_TOOLS_REGIMEN_RUN_PROGRESS_H
#define REGIMEN_TOOLS_REGIMEN_RUN_PROGRESS_H

#include "runtime/trace/Reports.h"

#include <chrono>
#include <cstdint>

namespace regimen::runtime {

/// On a terminal, one line that is rewritten (step, loss, speed, time left); elsewhere a plain line
/// now and then.
class Progress {
public:
  /// `tokensPerStep` 0: speed is shown in samples.
  Progress(uint64_t firstStep, uint64_t lastStep, uint64_t samplesPerStep, uint64_t tokensPerStep);
  void show(const StepMetrics &metrics);
  /// A line that stays.
  void show(const EvaluationMetrics &metrics);
  /// Ends the line.
  void finish();

private:
  using Clock = std::chrono::steady_clock;

  uint64_t firstStep, lastStep, unitsPerStep;
  const char *unit;
  bool terminal, open = false;
  Clock::time_point begin, shown;
};

} // namespace regimen::runtime

#endif // REGIMEN_TOOLS_REGIMEN_RUN_PROGRESS_H
