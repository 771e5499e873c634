//===- Pipelines.cpp - The compiler's stages in order ---------------------===//
#include "passes/Pipelines.h"

#include "dialects/aten/AtenDialect.h"
#include "dialects/dist/DistDialect.h"
#include "dialects/exec/ExecDialect.h"
#include "dialects/train/TrainDialect.h"
#include "formats/Error.h"
#include "passes/allocate/Passes.h"
#include "passes/autodiff/Passes.h"
#include "passes/budget/Passes.h"
#include "passes/import/Passes.h"
#include "passes/schedule/Passes.h"
#include "passes/shard/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include <array>
#include <nlohmann/json.hpp>

using namespace mlir;

namespace regimen {
namespace {

constexpr std::array<std::pair<Stage, std::string_view>, 6> stages = {{
    {Stage::Import, "import"},
    {Stage::Autodiff, "autodiff"},
    {Stage::Shard, "shard"},
    {Stage::Schedule, "schedule"},
    {Stage::Allocate, "allocate"},
    {Stage::Emit, "emit"},
}};

/// What a textual stage pipeline takes: the same configuration as the compiler's, as JSON.
struct StageOptions : PassPipelineOptions<StageOptions> {
  Option<std::string> config{*this, "config", llvm::cl::desc("configuration as JSON"),
                             llvm::cl::init("{}")};
};

template <Stage stage> void registerStage(const char *argument, const char *description) {
  PassPipelineRegistration<StageOptions>(
      argument, description, [](OpPassManager &passes, const StageOptions &options) {
        CompileConfig config;
        config.merge(nlohmann::json::parse(options.config.getValue()));
        buildStage(passes, stage, config);
      });
}

} // namespace

Stage parseStage(std::string_view text) {
  std::string names;
  for (auto [stage, stageName] : stages) {
    if (stageName == text)
      return stage;
    names += (names.empty() ? "" : ", ") + std::string(stageName);
  }
  for (std::string_view later : {"precision", "budget", "fuse"})
    if (later == text)
      throw Error("stage '" + std::string(text) + "' is not built yet; the stages are " + names);
  throw Error("unknown stage '" + std::string(text) + "'; the stages are " + names);
}

std::string_view name(Stage stage) {
  for (auto [known, stageName] : stages)
    if (known == stage)
      return stageName;
  return "";
}

void buildStage(OpPassManager &pm, Stage stage, const CompileConfig &config) {
  switch (stage) {
  case Stage::Import:
    return passes::buildImportPipeline(pm, config);
  case Stage::Autodiff:
    return passes::buildAutodiffPipeline(pm, config);
  case Stage::Shard:
    return passes::buildShardPipeline(pm, config);
  case Stage::Schedule:
    return passes::buildSchedulePipeline(pm, config);
  case Stage::Allocate:
    return passes::buildAllocatePipeline(pm, config);
  case Stage::Emit:
    return;
  }
}

void registerAllDialects(DialectRegistry &registry) {
  registry.insert<aten::AtenDialect, train::TrainDialect, dist::DistDialect, exec::ExecDialect,
                  arith::ArithDialect, math::MathDialect>();
}

void registerAllPasses() {
  passes::registerImportPasses();
  passes::registerAutodiffPasses();
  passes::registerBudgetPasses();
  passes::registerShardPasses();
  passes::registerSchedulePasses();
  passes::registerAllocatePasses();
  registerStage<Stage::Import>("regimen-import", "Fold and clean an imported graph");
  registerStage<Stage::Autodiff>("regimen-autodiff", "Backward, accumulation and update");
  registerStage<Stage::Shard>("regimen-shard", "Meshes and buckets");
  registerStage<Stage::Schedule>("regimen-schedule", "Kernels, layouts, lanes and events");
  registerStage<Stage::Allocate>("regimen-allocate", "Arenas and offsets");
}

} // namespace regimen
