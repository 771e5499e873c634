//===- Reports.cpp --------------------------------------------------------===//
#include "runtime/trace/Reports.h"

#include "formats/AtomicFile.h"
#include "formats/Error.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <sys/resource.h>
#include <unistd.h>

namespace regimen::runtime {
namespace {

template <typename Number> std::string decimal(Number number) {
  if (!std::isfinite(number))
    return "null";
  std::array<char, 64> text{};
  auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

} // namespace

std::string toJson(const StepMetrics &metrics) {
  return fmt::format("{{\"step\": {}, \"loss\": {}, \"grad_norm\": {}, \"lr\": {}, \"step_ms\": "
                     "{:.3f}, \"samples\": {}, "
                     "\"bytes_sent\": {}, \"loss_scale\": {}, \"skipped\": {}}}",
                     metrics.step, decimal(static_cast<float>(metrics.loss)),
                     decimal(static_cast<float>(metrics.gradNorm)), decimal(metrics.lr),
                     metrics.stepMs, metrics.samples, metrics.bytesSent, decimal(metrics.lossScale),
                     metrics.skipped);
}

std::string toJson(const EvaluationMetrics &metrics) {
  return fmt::format(
      "{{\"step\": {}, \"eval_loss\": {}, \"eval_ms\": {:.3f}, \"eval_samples\": {}}}",
      metrics.step, decimal(static_cast<float>(metrics.loss)), metrics.milliseconds,
      metrics.samples);
}

MetricsWriter::MetricsWriter(const std::filesystem::path &path)
    : path(path.string()), file(std::fopen(path.c_str(), "ae")) {
  if (!file)
    fail();
}

void MetricsWriter::begin() {
  // Pipes and devices have nothing to empty and say EINVAL.
  if (::ftruncate(fileno(file.get()), 0) != 0 && errno != EINVAL)
    fail();
}

void MetricsWriter::fail() const {
  throw Error("cannot write metrics to '" + path + "': " + std::strerror(errno));
}

void MetricsWriter::write(std::string line) {
  line += '\n';
  if (std::fwrite(line.data(), 1, line.size(), file.get()) != line.size() ||
      std::fflush(file.get()) != 0)
    fail();
}

std::string memoryReport(const Executor &executor) {
  plan::MemoryReport planned = plan::memory(executor.plan());
  nlohmann::ordered_json categories = nlohmann::ordered_json::object();
  for (size_t i = 0; i < plan::kCategories; ++i)
    categories[std::string(plan::name(static_cast<plan::fb::Category>(i)))] = planned.categories[i];
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  struct Measured {
    uint64_t peak, unplanned, rss, hostPeak, copied;
  };
  Measured own{executor.measuredPeak(), executor.unplannedBytes(),
               static_cast<uint64_t>(usage.ru_maxrss) * 1024, executor.measuredHostPeak(),
               executor.copiedResults()};
  std::vector<Measured> all(static_cast<size_t>(executor.rankCount()), own);
  if (Communicator *ranks = executor.communicator())
    ranks->host().scalars().allGatherBytes(std::as_bytes(std::span(&own, 1)),
                                           std::as_writable_bytes(std::span(all)));
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (size_t rank = 0; rank < all.size(); ++rank)
    list.push_back(nlohmann::ordered_json{{"rank", rank},
                                          {"predicted_peak", planned.predictedPeak},
                                          {"measured_peak", all[rank].peak},
                                          {"unplanned_bytes", all[rank].unplanned},
                                          {"peak_rss", all[rank].rss},
                                          {"host_peak", all[rank].hostPeak},
                                          {"nvme_bytes", 0},
                                          {"copied_results", all[rank].copied},
                                          {"categories", categories}});
  return nlohmann::ordered_json{{"ranks", list}}.dump(1) + "\n";
}

void writeReport(const std::filesystem::path &path, const std::string &text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

} // namespace regimen::runtime
