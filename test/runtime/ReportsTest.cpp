//===- ReportsTest.cpp ----------------------------------------------------===//
#include "ToyPlan.h"

#include "formats/Error.h"
#include "runtime/Schedule.h"
#include "runtime/trace/Reports.h"
#include "runtime/trace/Tracer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <numbers>

namespace regimen::runtime {
namespace {

using namespace regimen::test;

TEST(Metrics, AreOneObjectALine) {
  StepMetrics metrics;
  metrics.step = 3;
  metrics.loss = 0.1f;
  metrics.gradNorm = 1.0f / 3.0f;
  metrics.lr = 0.001;
  metrics.samples = 8;
  std::string line = toJson(metrics);
  EXPECT_NE(line.find("\"loss\": 0.1,"), std::string::npos) << line;
  EXPECT_NE(line.find("\"grad_norm\": 0.33333334,"), std::string::npos) << line;
  nlohmann::json value = nlohmann::json::parse(line);
  EXPECT_EQ(value["lr"], 0.001);
  EXPECT_EQ(value["skipped"], false);
  for (const char *key : {"step", "loss", "grad_norm", "lr", "step_ms", "samples", "bytes_sent",
                          "loss_scale", "skipped"})
    EXPECT_TRUE(value.contains(key)) << key;
  metrics.loss = NAN;
  EXPECT_TRUE(nlohmann::json::parse(toJson(metrics))["loss"].is_null());
}

TEST(Metrics, OfAnEvaluation) {
  EvaluationMetrics metrics{4, 0.1f, 2.5, 12};
  EXPECT_EQ(toJson(metrics),
            "{\"step\": 4, \"eval_loss\": 0.1, \"eval_ms\": 2.500, \"eval_samples\": 12}");
  metrics.loss = INFINITY;
  EXPECT_TRUE(nlohmann::json::parse(toJson(metrics))["eval_loss"].is_null());
}

TEST(Metrics, LossReadsBackAsTheSameFloat) {
  for (float loss : {10.826534f, 1e-30f, 3.4028235e38f, 1.1754944e-38f, 2.7182817f, 7.0f}) {
    StepMetrics metrics;
    metrics.loss = loss;
    EXPECT_EQ(static_cast<float>(nlohmann::json::parse(toJson(metrics))["loss"].get<double>()),
              loss);
  }
}

TEST(Metrics, AnUnwritableFileIsAnError) {
  EXPECT_THROW(MetricsWriter("/nowhere/metrics.jsonl"), Error);
}

TEST(Metrics, AFormerFileStaysUntilTheRunBegins) {
  TemporaryFolder folder;
  std::filesystem::path path = folder.path / "m.jsonl";
  std::ofstream(path) << "of a former run\n";
  MetricsWriter writer(path);
  EXPECT_GT(std::filesystem::file_size(path), 0u);
  writer.begin();
  EXPECT_EQ(std::filesystem::file_size(path), 0u);
}

TEST(Schedule, FollowsTheFormulas) {
  fb::TrainingT training;
  training.warmup_steps = 3;
  training.total_steps = 10;
  training.min_lr = 1e-4;
  training.schedule = fb::Schedule::Cosine;
  EXPECT_EQ(scheduledRate(training, 1e-3, 0), 1e-3 * 1 / 3);
  EXPECT_EQ(scheduledRate(training, 1e-3, 2), 1e-3 * 3 / 3);
  EXPECT_EQ(scheduledRate(training, 1e-3, 3), 1e-4 + (1e-3 - 1e-4));
  double t = 4.0 / 7.0;
  EXPECT_EQ(scheduledRate(training, 1e-3, 7),
            1e-4 + (1e-3 - 1e-4) * ((1 + std::cos(std::numbers::pi * t)) / 2));
  EXPECT_EQ(scheduledRate(training, 1e-3, 10), 1e-4);
  EXPECT_EQ(scheduledRate(training, 1e-3, 99), 1e-4);
  training.schedule = fb::Schedule::Linear;
  EXPECT_EQ(scheduledRate(training, 1e-3, 7), 1e-4 + (1e-3 - 1e-4) * (1 - t));
  training.schedule = fb::Schedule::Constant;
  training.warmup_steps = 0;
  EXPECT_EQ(scheduledRate(training, 1e-3, 0), 1e-3);
}

TEST(ChromeTracer, WritesNamesAndSourceLines) {
  TemporaryFolder folder;
  fb::PlanT plan = leastSquares();
  std::filesystem::path path = folder.path / "trace.json";
  std::unique_ptr<ChromeTracer> tracer = ChromeTracer::create(plan, path);
  Clock::time_point now = Clock::now();
  tracer->instruction(0, 0, now, now + std::chrono::microseconds(5));
  tracer->instruction(0, 4, now, now + std::chrono::microseconds(7));
  tracer->step(1, now, now + std::chrono::milliseconds(1));
  tracer->write(/*ranks=*/nullptr);
  std::ifstream stream(path);
  nlohmann::json trace = nlohmann::json::parse(stream);
  std::vector<std::string> names;
  for (const nlohmann::json &event : trace["traceEvents"])
    if (event["ph"] == "X")
      names.push_back(event["name"]);
  EXPECT_EQ(names, (std::vector<std::string>{"load x", "aten::mm.out", "step 1"}));
  EXPECT_NE(trace.dump().find("toy.py:7"), std::string::npos);
  EXPECT_THROW(ChromeTracer::create(plan, "/nowhere/trace.json"), Error);
}

TEST(MemoryReport, HasTheFiguresOfTheRank) {
  fb::PlanT plan = leastSquares();
  std::unique_ptr<Device> device = createCpuDevice(1);
  Executor executor(plan, *device);
  nlohmann::json rank = nlohmann::json::parse(memoryReport(executor))["ranks"].at(0);
  EXPECT_EQ(rank["rank"], 0);
  EXPECT_EQ(rank["predicted_peak"], plan.arenas[0]->bytes + plan.arenas[1]->bytes);
  EXPECT_EQ(rank["categories"]["grads"], 12);
  EXPECT_EQ(rank["categories"]["optimizer"], 12);
  EXPECT_GT(rank["peak_rss"], 1 << 20);
  for (const char *key : {"measured_peak", "unplanned_bytes", "host_peak", "nvme_bytes"})
    EXPECT_TRUE(rank.contains(key)) << key;
}

} // namespace
} // namespace regimen::runtime
