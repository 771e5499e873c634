//===- MemoryTest.cpp - Memory figures and the regimen-plan tool -----------===//

#include "formats/MappedFile.h"
#include "formats/plan/Plan.h"
#include "test/formats/Samples.h"
#include "tools/regimen-plan/MemoryPicture.h"
#include "tools/regimen-plan/MemoryProfile.h"
#include "tools/regimen-plan/MemoryText.h"
#include "tools/regimen-plan/Svg.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <sys/wait.h>

using namespace regimen;
using namespace regimen::plan;

TEST(PlanMemory, AddsUpTheSample) {
  MemoryReport report = memory(samples::samplePlan());
  EXPECT_EQ(report.predictedPeak, 1600u + 320u);
  EXPECT_EQ(report.hostPeak, 0u);
  EXPECT_EQ(report.staticBytes, 1600u);
  EXPECT_EQ(report.lowerBound, 1600u + 196u);
  EXPECT_EQ(report.categories, (std::array<uint64_t, kCategories>{512, 512, 512, 196, 0, 128}));
  ASSERT_EQ(report.programs.size(), 3u);
  const ProgramMemory &micro = report.programs[0];
  EXPECT_EQ(micro.live, (std::vector<uint64_t>{128, 128, 128, 192, 196, 196, 4}));
  EXPECT_EQ(micro.peakInstruction, 4u);
  EXPECT_EQ(micro.peakBytes, 196u);
  EXPECT_EQ(micro.atPeak, (std::vector<uint32_t>{4, 5, 6}));
  EXPECT_EQ(report.programs[1].peakBytes, 0u);
}

TEST(PlanMemory, CategoriesAreThoseOfTraining) {
  fb::PlanT plan = samples::samplePlan();
  std::array<uint64_t, kCategories> training = memory(plan).categories;
  for (auto &buffer : plan.buffers)
    if (buffer->program == 2)
      buffer->bytes *= 100;
  EXPECT_EQ(memory(plan).categories, training);
  EXPECT_EQ(memory(plan).lowerBound, 1600u + 19200u);
  plan.programs[2]->loss = -1; // a caller's forward without a backward is a part of training
  EXPECT_EQ(memory(plan).categories[static_cast<size_t>(fb::Category::Activations)], 19200u);
}

TEST(PlanMemory, CountsHostArenasApart) {
  fb::PlanT plan = samples::samplePlan();
  plan.arenas[1]->space = fb::MemorySpace::Host;
  MemoryReport report = memory(plan);
  EXPECT_EQ(report.predictedPeak, 1600u);
  EXPECT_EQ(report.hostPeak, 320u);
  EXPECT_EQ(report.lowerBound, 1600u);
}

TEST(PlanMemory, WritesJson) {
  fb::PlanT plan = samples::samplePlan();
  plan.mesh[0]->size = 2;
  nlohmann::json json = memoryJson(plan);
  ASSERT_EQ(json["ranks"].size(), 2u);
  const nlohmann::json &rank = json["ranks"][1];
  EXPECT_EQ(rank["rank"], 1);
  EXPECT_EQ(rank["predicted_peak"], 1920);
  EXPECT_EQ(rank["host_peak"], 0);
  EXPECT_EQ(rank["nvme_bytes"], 0);
  EXPECT_EQ(rank["categories"], (nlohmann::json{{"params", 512},
                                                {"grads", 512},
                                                {"optimizer", 512},
                                                {"activations", 196},
                                                {"comm", 0},
                                                {"workspace", 128}}));
}

TEST(PlanMemory, DrawsLifetimes) {
  std::string text = memoryText(samples::samplePlan());
  // micro_step: loss on top of y and later the scratch, on top of x.
  EXPECT_NE(text.find("      320 B |.......|\n"
                      "        256 B |....aaa|\n"
                      "        192 B |...aaw.|\n"
                      "        128 B |aaaaaa.|\n"
                      "         64 B |aaaaaa.|\n"
                      "                   ^ instruction 4 of 7\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("aten.linear in fc, model.py:12"), std::string::npos) << text;
}

TEST(MemoryProfile, FollowsAStep) {
  MemoryProfile profile = profileMemory(samples::samplePlan());
  // The step, then the evaluation, which no step runs.
  ASSERT_EQ(profile.programs.size(), 3u);
  for (size_t p = 0; p < 3; ++p)
    EXPECT_EQ(profile.programs[p].index, p);
  EXPECT_EQ(profile.programs[0].runs, 1u);
  EXPECT_EQ(profile.programs[2].runs, 0u);
  EXPECT_EQ(profile.peakProgram, 0u);
  EXPECT_EQ(profile.peakInstruction, 4u);
  EXPECT_EQ(profile.peakBytes, 1600u + 196u);
  EXPECT_EQ(profile.peakBytes, profile.report.lowerBound);
  EXPECT_EQ(profile.programs[0].live[4], (MemoryProfile::Bytes{512, 512, 512, 196, 0, 64}));
}

TEST(MemoryProfile, HasTheBackwardOfASuspendedStep) {
  fb::PlanT plan = samples::suspendedPlan({samples::Variant{}});
  MemoryProfile profile = profileMemory(plan);
  std::vector<fb::Segment> segments;
  for (const auto &program : profile.programs)
    if (program.runs > 0)
      segments.push_back(plan.programs[program.index]->segment);
  EXPECT_EQ(segments, (std::vector<fb::Segment>{fb::Segment::Forward, fb::Segment::Backward}));
}

TEST(MemoryPicture, HoldsWhateverTheNamesAre) {
  fb::PlanT plan = samples::samplePlan();
  plan.model = "a<b>&\"c\"\x01\xff\xe2\x82";
  plan.buffers[5]->name = std::string(500, 'n');
  std::string text = memoryPicture(plan);
  EXPECT_NE(text.find("a&lt;b&gt;&amp;&quot;c&quot;\xEF\xBF\xBD\xEF\xBF\xBD"), std::string::npos);
  EXPECT_EQ(text.find('\x01'), std::string::npos);
  EXPECT_EQ(text.find('\xff'), std::string::npos);
  EXPECT_NE(text.find(std::string(20, 'n') + "…<title>" + std::string(500, 'n')),
            std::string::npos);
  plan.programs.clear();
  for (auto &buffer : plan.buffers)
    buffer->program = -1;
  EXPECT_NE(memoryPicture(plan).find("</svg>"), std::string::npos) << "no program, no peak";
}

TEST(Svg, ShortensByCharacters) {
  EXPECT_EQ(shorten("äöü", 3), "äöü");
  EXPECT_EQ(shorten("äöüß", 3), "äö…");
  EXPECT_EQ(shorten("äöüß", 3, /*keepEnd=*/true), "…üß");
  EXPECT_EQ(coordinate(1.5), "1.5");
  EXPECT_EQ(coordinate(100), "100");
  EXPECT_EQ(coordinate(-0.001), "0");
}

namespace {
struct Outcome {
  int code;
  std::string output;
};

Outcome runTool(const std::string &arguments) {
  std::FILE *pipe = ::popen((REGIMEN_PLAN_TOOL " " + arguments + " 2>&1").c_str(), "r");
  Outcome outcome{-1, ""};
  if (!pipe)
    return outcome;
  std::array<char, 4096> chunk;
  while (size_t count = std::fread(chunk.data(), 1, chunk.size(), pipe))
    outcome.output.append(chunk.data(), count);
  outcome.code = WEXITSTATUS(::pclose(pipe));
  return outcome;
}
} // namespace

TEST(PlanTool, ShowsChecksAndMeasures) {
  samples::TemporaryFolder folder;
  fb::PlanT plan = samples::samplePlan();
  std::string file = (folder / "a.plan").string();
  write(plan, file);
  Outcome show = runTool("show " + file);
  EXPECT_EQ(show.code, 0);
  EXPECT_EQ(show.output, print(plan));
  Outcome check = runTool("check " + file);
  EXPECT_EQ(check.code, 0);
  EXPECT_EQ(check.output, "valid: 3 programs, 16 instructions, 11 buffers\n");
  EXPECT_EQ(runTool("memory " + file).output, memoryText(plan));
  std::string picture = (folder / "a.svg").string();
  EXPECT_EQ(runTool("memory " + file + " --svg " + picture).output, "");
  MappedFile drawn = MappedFile::open(picture);
  EXPECT_EQ(std::string(reinterpret_cast<const char *>(drawn.bytes().data()), drawn.bytes().size()),
            memoryPicture(plan));
  EXPECT_EQ(runTool("memory " + file + " --svg " + file).code, 1) << "the plan stays";
  EXPECT_EQ(runTool("memory " + file + " --svg /nowhere/a.svg").code, 1);
  EXPECT_EQ(runTool("comm " + file).output, "one rank: nothing is sent\n");
  EXPECT_EQ(nlohmann::json::parse(runTool("memory --json " + file).output), memoryJson(plan));
}

TEST(PlanTool, NamesEveryViolation) {
  samples::TemporaryFolder folder;
  fb::PlanT plan = samples::samplePlan();
  plan.buffers[5]->offset = 130;
  plan.training->accumulate = 0;
  std::string file = (folder / "a.plan").string();
  write(plan, file);
  Outcome check = runTool("check " + file);
  EXPECT_EQ(check.code, 1);
  EXPECT_NE(check.output.find("not a multiple of 64"), std::string::npos);
  EXPECT_NE(check.output.find("accumulate is 0"), std::string::npos);
  EXPECT_EQ(runTool("show " + file).code, 1);
  Outcome json = runTool("check --json " + file);
  EXPECT_EQ(json.code, 1);
  EXPECT_EQ(nlohmann::json::parse(json.output)["violations"].size(), 2u);
}

TEST(PlanTool, DistinguishesUsageFromFailure) {
  EXPECT_EQ(runTool("--help").code, 0);
  EXPECT_NE(runTool("--help").output.find("Examples:"), std::string::npos);
  EXPECT_EQ(runTool("").code, 2);
  EXPECT_EQ(runTool("show").code, 2);
  EXPECT_EQ(runTool("show --nonsense x").code, 2);
  EXPECT_EQ(runTool("show /nonexistent.plan").code, 1);
  EXPECT_EQ(runTool("show /etc/passwd").code, 1);
  for (const char *later : {"diff", "simulate", "report"}) {
    Outcome outcome = runTool(std::string(later) + " x.plan");
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.output.find(later), std::string::npos);
  }
}
