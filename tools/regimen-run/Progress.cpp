//===- Progress.cpp -------------------------------------------------------===//
#include "Progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace regimen::runtime {
namespace {

/// Cells of the bar.
constexpr uint64_t kCells = 24;

std::string duration(double seconds) {
  auto whole = static_cast<uint64_t>(seconds + 0.5);
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string speed(double perSecond) {
  if (perSecond >= 1e6)
    return fmt::format("{:.2f}M", perSecond / 1e6);
  if (perSecond >= 1e4)
    return fmt::format("{:.1f}k", perSecond / 1e3);
  return fmt::format("{:.{}f}", perSecond, perSecond < 10 ? 1 : 0);
}

} // namespace

Progress::Progress(uint64_t firstStep, uint64_t lastStep, uint64_t samplesPerStep,
                   uint64_t tokensPerStep)
    : firstStep(firstStep), lastStep(lastStep),
      unitsPerStep(tokensPerStep ? tokensPerStep : samplesPerStep),
      unit(tokensPerStep ? "tokens/s" : "samples/s"), terminal(isatty(STDOUT_FILENO) != 0),
      begin(Clock::now()) {}

void Progress::show(const StepMetrics &metrics) {
  Clock::time_point now = Clock::now();
  bool edge = metrics.step == firstStep + 1 || metrics.step == lastStep;
  std::chrono::duration<double> pause(terminal ? 0.1 : 1.0);
  if (!edge && now - shown < pause)
    return;
  shown = now;
  uint64_t done = metrics.step - firstStep;
  double seconds = std::chrono::duration<double>(now - begin).count();
  double rate = static_cast<double>(done) / std::max(seconds, 1e-9);
  std::string text =
      fmt::format("step {}/{}  loss {:.4f}  {} {}  {} left{}", metrics.step, lastStep, metrics.loss,
                  speed(rate * static_cast<double>(unitsPerStep)), unit,
                  duration(static_cast<double>(lastStep - metrics.step) / rate),
                  metrics.skipped ? "  (skipped)" : "");
  if (!terminal) {
    text += '\n';
  } else {
    uint64_t cells = kCells * metrics.step / std::max<uint64_t>(lastStep, 1);
    text = fmt::format("\r\x1b[K[{:=<{}}{: <{}}] {}", "", cells, "", kCells - cells, text);
    open = true;
  }
  // A training goes on when nobody can read how far it is.
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

void Progress::show(const EvaluationMetrics &metrics) {
  std::string text = fmt::format(
      "{}evaluation after step {}  loss {:.4f}  {} samples in {:.1f} s\n", open ? "\r\x1b[K" : "",
      metrics.step, metrics.loss, metrics.samples, metrics.milliseconds / 1000);
  open = false;
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

void Progress::finish() {
  if (open)
    std::fputs("\n", stdout);
  open = false;
  std::fflush(stdout);
}

} // namespace regimen::runtime
