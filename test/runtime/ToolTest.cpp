//===- ToolTest.cpp - regimen-run as a user meets it ----------------------===//
#include "ToyPlan.h"

#include "formats/safetensors/Safetensors.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sys/wait.h>

namespace regimen::test {
namespace {

namespace fs = std::filesystem;

struct Result {
  int exitCode;
  std::string text; // both streams
};

Result shell(const std::string &command) {
  std::FILE *pipe = popen(("( " + command + " ) 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> part{};
  for (size_t count = 0; (count = std::fread(part.data(), 1, part.size(), pipe)) > 0;)
    text.append(part.data(), count);
  int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), text};
}

class ToolTest : public testing::Test {
protected:
  ToolTest() {
    fb::PlanT plan = leastSquares();
    EXPECT_EQ(plan::validate(plan), std::vector<std::string>());
    plan::write(plan, folder.path / "toy.plan");
    writeLeastSquaresData(folder.path, 5);
    at::Tensor w = at::full({3, 1}, 0.25f);
    safetensors::write(folder.path / "w.safetensors",
                       {{"w", {safetensors::DType::F32, {3, 1}, bytesOf(w)}}});
  }
  /// regimen-run with plan, data and weights, in the test's folder.
  Result run(const std::string &options) {
    return bare("toy.plan --data data.safetensors --weights w.safetensors " + options);
  }
  Result bare(const std::string &options) {
    return shell("cd " + folder.path.string() + " && " REGIMEN_RUN " " + options);
  }
  std::vector<nlohmann::json> metrics(const std::string &file) {
    std::vector<nlohmann::json> lines;
    std::ifstream stream(folder.path / file);
    for (std::string line; std::getline(stream, line);)
      lines.push_back(nlohmann::json::parse(line));
    return lines;
  }
  void expectFailure(const Result &result, int exitCode, const std::string &part) {
    EXPECT_EQ(result.exitCode, exitCode) << result.text;
    EXPECT_NE(result.text.find(part), std::string::npos) << result.text;
  }

  TemporaryFolder folder;
};

TEST_F(ToolTest, TrainsSavesAndResumesBitForBit) {
  Result whole = run("--steps 8 --metrics whole.jsonl --save whole --dump-grads g.safetensors "
                     "--memory-report m.json "
                     "--trace t.json");
  ASSERT_EQ(whole.exitCode, 0) << whole.text;
  EXPECT_NE(whole.text.find("step 8/8"), std::string::npos) << whole.text;
  EXPECT_EQ(run("--steps 3 --metrics a.jsonl --save half").exitCode, 0);
  Result rest = bare(
      "toy.plan --data data.safetensors --steps 8 --metrics b.jsonl --resume half --save half");
  EXPECT_EQ(rest.exitCode, 0) << rest.text;
  std::vector<nlohmann::json> want = metrics("whole.jsonl"), got = metrics("a.jsonl"),
                              tail = metrics("b.jsonl");
  got.insert(got.end(), tail.begin(), tail.end());
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    for (const char *key : {"step", "loss", "grad_norm", "lr", "samples"})
      EXPECT_EQ(got[i][key], want[i][key]);
  EXPECT_EQ(shell("cmp " + (folder.path / "whole/model.safetensors").string() + " " +
                  (folder.path / "half/model.safetensors").string())
                .exitCode,
            0);
  nlohmann::json memory = nlohmann::json::parse(std::ifstream(folder.path / "m.json"))["ranks"][0];
  EXPECT_EQ(memory["measured_peak"], memory["predicted_peak"]);
}

TEST_F(ToolTest, HelpHasExamplesAndUsageErrorsAreTwo) {
  Result help = bare("--help");
  EXPECT_EQ(help.exitCode, 0);
  EXPECT_NE(help.text.find("Examples:"), std::string::npos);
  EXPECT_EQ(bare("").exitCode, 2);
  EXPECT_EQ(bare("toy.plan").exitCode, 2);
  EXPECT_EQ(run("--tokens t.bin").exitCode, 2);
  EXPECT_EQ(run("--nan sometimes").exitCode, 2);
  EXPECT_EQ(run("--no-such-option").exitCode, 2);
  EXPECT_EQ(run("--steps -3").exitCode, 2);
  EXPECT_EQ(run("--seed -1").exitCode, 2);
  EXPECT_EQ(run("--save-every 3").exitCode, 2);
  EXPECT_EQ(run("--labels same").exitCode, 2) << "no tokens to make labels of";
  EXPECT_EQ(run("--token-bits 16").exitCode, 2);
  EXPECT_EQ(run("--resume out").exitCode, 2) << "weights and a checkpoint";
  EXPECT_EQ(run("--timeout nan").exitCode, 2);
  expectFailure(run("--steps 99999999999999999999999"), 2, "is not a whole number");
  expectFailure(run("--nan 0"), 2, "'0' is none of ignore, skip, stop");
}

TEST_F(ToolTest, OutputsAreTriedBeforeTheFirstStep) {
  fs::create_directory(folder.path / "taken");
  for (const char *option : {"--dump-grads", "--trace", "--memory-report"})
    for (const char *path : {"taken", "absent/file", "data.safetensors/below"}) {
      Result result = run("--steps 2 --metrics m.jsonl " + std::string(option) + " " + path);
      expectFailure(result, 1, path);
      EXPECT_EQ(metrics("m.jsonl").size(), 0u) << option << " " << path;
    }
}

TEST_F(ToolTest, OutputsReplaceNeitherInputsNorEachOther) {
  auto size = [&](const char *name) { return fs::file_size(folder.path / name); };
  uintmax_t plan = size("toy.plan"), data = size("data.safetensors"),
            weights = size("w.safetensors");
  expectFailure(run("--metrics toy.plan"), 1,
                "--metrics toy.plan is the same file as that of PLAN");
  expectFailure(run("--dump-grads ./data.safetensors"), 1, "same file as that of --data");
  fs::create_symlink("w.safetensors", folder.path / "link");
  expectFailure(run("--trace link"), 1, "same file as that of --weights");
  expectFailure(run("--trace new --memory-report ./new"), 1, "same file as that of --trace");
  EXPECT_EQ(size("toy.plan"), plan);
  EXPECT_EQ(size("data.safetensors"), data);
  EXPECT_EQ(size("w.safetensors"), weights);
}

TEST_F(ToolTest, ARunThatDoesNotBeginLeavesTheMetricsOfTheFormer) {
  EXPECT_EQ(run("--steps 2 --metrics m.jsonl").exitCode, 0);
  expectFailure(bare("toy.plan --data none --metrics m.jsonl"), 1, "none");
  EXPECT_EQ(metrics("m.jsonl").size(), 2u);
}

TEST_F(ToolTest, ClosedStreamsChangeNoResult) {
  // What is opened first would take their numbers: an arena, and what is printed would go into it.
  EXPECT_EQ(run("--steps 4 --metrics want.jsonl").exitCode, 0);
  EXPECT_EQ(run("--steps 4 --metrics got.jsonl <&- >&- 2>&-").exitCode, 0);
  std::vector<nlohmann::json> want = metrics("want.jsonl"), got = metrics("got.jsonl");
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_EQ(got[i]["loss"], want[i]["loss"]);
  EXPECT_EQ(run("--steps 4 >/dev/full").exitCode, 0);
  EXPECT_EQ(bare("none.plan --data data.safetensors 2>/dev/full").exitCode, 1);
}

TEST_F(ToolTest, AResumedRunThatIsDoneSaysSo) {
  EXPECT_EQ(run("--steps 3 --save out").exitCode, 0);
  expectFailure(bare("toy.plan --data data.safetensors --steps 3 --resume out"), 0,
                "the checkpoint is at step 3, so no step is left");
}

TEST_F(ToolTest, WhatCannotBeDoneIsOneMessage) {
  expectFailure(bare("none.plan --data data.safetensors"), 1, "none.plan");
  expectFailure(bare("data.safetensors --data data.safetensors"), 1, "data.safetensors");
  expectFailure(bare("toy.plan --data none.safetensors --weights w.safetensors"), 1,
                "none.safetensors");
  expectFailure(bare("toy.plan --data data.safetensors"), 1, "--weights");
  expectFailure(run("--nproc 2"), 1, "the plan's mesh has 1 ranks, this launch has 2");
  expectFailure(run("--eval-data data.safetensors"), 1,
                "compile the model with --set evaluation=true");
  expectFailure(run("--threads 2"), 1, "target.threads=1");
  expectFailure(run("--metrics /nowhere/m.jsonl"), 1, "/nowhere/m.jsonl");
  expectFailure(run("--save /proc/nowhere"), 1, "/proc/nowhere");
  expectFailure(bare("toy.plan --data data.safetensors --resume ."), 1, "no checkpoint");
  expectFailure(
      shell("cd " + folder.path.string() +
            " && WORLD_SIZE=4 RANK=1 LOCAL_RANK=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=1 " REGIMEN_RUN
            " toy.plan --data data.safetensors --weights w.safetensors"),
      1, "the plan's mesh has 1 ranks, this launch has 4");
  expectFailure(shell("cd " + folder.path.string() +
                      " && WORLD_SIZE=4 " REGIMEN_RUN
                      " toy.plan --data data.safetensors --weights w.safetensors"),
                1, "RANK");
}

TEST_F(ToolTest, ALossThatIsNotFiniteIsReportedWithItsStep) {
  at::Tensor w = at::full({3, 1}, INFINITY);
  safetensors::write(folder.path / "w.safetensors",
                     {{"w", {safetensors::DType::F32, {3, 1}, bytesOf(w)}}});
  expectFailure(run("--steps 3"), 1, "the loss of step 1 is not finite");
  EXPECT_EQ(run("--steps 3 --nan skip --metrics skip.jsonl").exitCode, 0);
  ASSERT_EQ(metrics("skip.jsonl").size(), 3u);
  EXPECT_EQ(metrics("skip.jsonl")[2]["skipped"], true);
  EXPECT_EQ(run("--steps 3 --nan ignore").exitCode, 0);
}

TEST_F(ToolTest, CtrlCEndsCleanlyAndSaves) {
  // A shell ignores SIGINT for what it puts in the background, and so may whoever runs the test.
  std::string command =
      "cd " + folder.path.string() +
      "; env --default-signal=INT " REGIMEN_RUN
      " toy.plan --data data.safetensors --weights w.safetensors --steps 100000000 --save out "
      "--metrics m.jsonl & pid=$!; for i in $(seq 200); do [ -s m.jsonl ] && break; sleep 0.05; "
      "done; kill -INT $pid; wait $pid";
  Result result = shell("bash -c '" + command + "'");
  EXPECT_EQ(result.exitCode, 0) << result.text;
  EXPECT_NE(result.text.find("interrupted after step"), std::string::npos) << result.text;
  EXPECT_TRUE(fs::exists(folder.path / "out/model.safetensors"));
}

TEST_F(ToolTest, ASecondCtrlCEndsAtOnceAndLeavesNothingHalfDone) {
  std::string command =
      "cd " + folder.path.string() +
      "; mkdir all; env --default-signal=INT " REGIMEN_RUN
      " toy.plan --data data.safetensors --weights w.safetensors --steps 100000000 --save all/out "
      "--metrics all/m --trace all/t --memory-report all/r & pid=$!; for i in $(seq 200); do "
      "[ -s all/m ] && break; sleep 0.05; done; kill -STOP $pid; kill -INT $pid; kill -TERM $pid; "
      "kill -CONT $pid; wait $pid";
  Result result = shell("bash -c '" + command + "'");
  EXPECT_EQ(result.exitCode, 130) << result.text;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder.path / "all"))
    EXPECT_TRUE(entry.path().filename() == "m" || entry.path().filename() == "out") << entry.path();
  EXPECT_TRUE(fs::is_empty(folder.path / "all/out"));
}

} // namespace
} // namespace regimen::test
