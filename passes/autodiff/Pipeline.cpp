//===- Pipeline.cpp - The autodiff stage ----------------------------------===//
#include "passes/autodiff/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include <nlohmann/json.hpp>

using namespace mlir;

FailureOr<regimen::CompileConfig> regimen::passes::parseConfig(ModuleOp module, StringRef text) {
  CompileConfig config;
  try {
    config.merge(nlohmann::json::parse(text.str()));
  } catch (const std::exception &error) {
    return emitError(module.getLoc()) << error.what();
  }
  return config;
}

void regimen::passes::buildAutodiffPipeline(OpPassManager &passes, const CompileConfig &config) {
  if (config.evaluation)
    passes.addPass(createDeriveEvaluationPass());
  passes.addPass(createDecomposeCompositesPass());
  if (config.isSuspended()) {
    passes.addPass(createSuspendPass({config.canonical()}));
    passes.addPass(createSplitAtSuspensionPass());
  }
  if (config.isDriven())
    passes.addPass(createDifferentiatePass({int64_t(config.accumulate)}));
  BuildUpdatePassOptions update;
  update.config = config.canonical();
  passes.addPass(createBuildUpdatePass(update));
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createVerifyAutodiffPass());
}
