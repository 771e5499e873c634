//===- Pipeline.cpp - The stage shard -------------------------------------===//
#include "passes/shard/Passes.h"

#include "mlir/Pass/PassManager.h"
#include <nlohmann/json.hpp>

void regimen::passes::buildShardPipeline(mlir::OpPassManager &pm, const CompileConfig &config) {
  FormBucketsPassOptions options;
  options.bucketBytes = config.zero.bucketBytes;
  options.dp = config.dp;
  options.zeroStage = config.zero.stage;
  options.persistBytes = config.zero.persistBytes;
  if (config.layout)
    options.layout = nlohmann::json(*config.layout).dump();
  pm.addPass(createFormBucketsPass(options));
  pm.addPass(createReduceGradientsPass());
  pm.addPass(createGatherParametersPass());
  pm.addPass(createShardUpdatePass());
  pm.addPass(createVerifyShardPass());
}
