//===- Tracer.h - Who wants to know when instructions ran -----------------===//
#ifndef REGIMEN_RUNTIME_TRACE_TRACER_H
#define REGIMEN_RUNTIME_TRACE_TRACER_H

#include "formats/plan/Plan.h"
#include "runtime/comm/Communicator.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

namespace regimen::runtime {

using Clock = std::chrono::steady_clock;

/// Told of every instruction that ran; called from the threads of all lanes at once.
class Tracer {
public:
  virtual ~Tracer() = default;
  virtual void instruction(size_t program, size_t instruction, Clock::time_point begin,
                           Clock::time_point end) = 0;
  /// Marks a step's extent.
  virtual void step(uint64_t step, Clock::time_point begin, Clock::time_point end) = 0;
};

/// Collects spans in memory and writes them as Chrome's trace format (chrome://tracing, Perfetto):
/// a process a rank, a row a lane, with the operator, layer and source line of each instruction.
class ChromeTracer : public Tracer {
public:
  /// `plan` outlives the tracer. Creates the file at once, so that a bad path is known before the
  /// run; rank 0 has one for all ranks.
  static std::unique_ptr<ChromeTracer> create(const plan::fb::PlanT &plan,
                                              const std::optional<std::filesystem::path> &path);
  /// Writes what all ranks collected; null: there is one. All ranks call it. Throws Error when the
  /// disk refuses. Ranks of several machines are put on one time axis by the machines' clocks.
  virtual void write(Communicator *ranks) = 0;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TRACE_TRACER_H
