//===- Pipeline.cpp - The autodiff stage ----------------------------------===//
#include "passes/autodiff/Passes.h"
#include "passes/budget/Passes.h"

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

void regimen::passes::buildMicroSteps(OpPassManager &passes, const CompileConfig &config) {
  passes.addPass(createDecomposeCompositesPass());
  if (config.isDriven())
    passes.addPass(createDifferentiatePass({int64_t(config.accumulate)}));
  else
    passes.addPass(createSuspendPass({config.canonical()}));
  passes.addPass(createCSEPass());
}

void regimen::passes::buildAutodiffPipeline(OpPassManager &passes, const CompileConfig &config) {
  if (config.evaluation)
    passes.addPass(createDeriveEvaluationPass());
  passes.addPass(createDecomposeCompositesPass());
  if (config.isSuspended()) {
    passes.addPass(createSuspendPass({config.canonical()}));
    addRecomputation(passes, config);
    passes.addPass(createSplitAtSuspensionPass());
  }
  if (config.isDriven())
    passes.addPass(createDifferentiatePass({int64_t(config.accumulate)}));
  BuildUpdatePassOptions update;
  update.config = config.canonical();
  passes.addPass(createBuildUpdatePass(update));
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  // Of driven programs; suspended ones are cut already. Behind the pass that would undo it.
  addRecomputation(passes, config);
  passes.addPass(createVerifyAutodiffPass());
}
