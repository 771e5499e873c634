//===- Pipeline.cpp - The stage shard -------------------------------------===//
#include "passes/shard/Passes.h"

#include "mlir/Pass/PassManager.h"

void regimen::passes::buildShardPipeline(mlir::OpPassManager &pm, const CompileConfig &config) {
  FormBucketsPassOptions options;
  options.bucketBytes = config.bucketBytes;
  pm.addPass(createFormBucketsPass(options));
  pm.addPass(createVerifyShardPass());
}
