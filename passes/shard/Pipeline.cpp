//===- Pipeline.cpp - The stage shard -------------------------------------===//
#include "passes/shard/Passes.h"

#include "mlir/Pass/PassManager.h"
#include <nlohmann/json.hpp>

void regimen::passes::buildShardPipeline(mlir::OpPassManager &pm, const CompileConfig &config) {
  FormBucketsPassOptions options;
  options.bucketBytes = config.bucketBytes;
  if (config.layout)
    options.layout = nlohmann::json(*config.layout).dump();
  pm.addPass(createFormBucketsPass(options));
  pm.addPass(createVerifyShardPass());
}
