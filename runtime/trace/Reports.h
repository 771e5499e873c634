//===- Reports.h - Metrics and memory figures -----------------------------===//
#ifndef REGIMEN_RUNTIME_TRACE_REPORTS_H
#define REGIMEN_RUNTIME_TRACE_REPORTS_H

#include "runtime/executor/Executor.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace regimen::runtime {

/// What a step tells.
struct StepMetrics {
  uint64_t step = 0; // completed steps, so the first is 1
  double loss = 0;   // mean over micro-steps
  double gradNorm = 0;
  double lr = 0; // of the first group
  double stepMs = 0;
  uint64_t samples = 0; // consumed by this step, all ranks
  uint64_t bytesSent = 0;
  double lossScale = 1;
  bool skipped = false;
};

/// What an evaluation tells.
struct EvaluationMetrics {
  uint64_t step = 0; // completed steps
  double loss = 0;   // mean over the blocks
  double milliseconds = 0;
  uint64_t samples = 0; // all ranks
};

/// One JSON object on a line. Loss and norm are the shortest decimals that read back as the same
/// fp32 number; what is not finite is null.
std::string toJson(const StepMetrics &metrics);
std::string toJson(const EvaluationMetrics &metrics);

/// Writes metrics line by line, each handed to the system when its step is done. Throws Error on
/// failure. Opens the file at once, and leaves what it holds until begin().
class MetricsWriter {
public:
  explicit MetricsWriter(const std::filesystem::path &path);
  /// Empties the file.
  void begin();
  void write(const StepMetrics &metrics) { write(toJson(metrics)); }
  void write(const EvaluationMetrics &metrics) { write(toJson(metrics)); }

private:
  struct Close {
    void operator()(std::FILE *file) const { std::fclose(file); }
  };
  void write(std::string line);
  [[noreturn]] void fail() const;

  std::string path;
  std::unique_ptr<std::FILE, Close> file;
};

/// The memory report of all ranks as JSON text: {"ranks": [{"rank": 0, ...}]}. All ranks call it.
std::string memoryReport(const Executor &executor);

/// Writes text as a whole file.
void writeReport(const std::filesystem::path &path, const std::string &text);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TRACE_REPORTS_H
