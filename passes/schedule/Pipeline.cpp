//===- Pipeline.cpp - The stage schedule ----------------------------------===//
#include "passes/budget/Passes.h"
#include "passes/schedule/Passes.h"
#include "passes/shard/Passes.h"

#include "mlir/Pass/PassManager.h"

using namespace mlir;

void regimen::passes::buildSchedulePipeline(OpPassManager &passes, const CompileConfig &config) {
  addOffload(passes, config);
  if (config.dp > 1 && config.zero.overlap) {
    ScheduleCollectivesPassOptions options;
    options.threads = config.target.threads;
    if (config.zero.prefetchBytes)
      options.mostBytes = static_cast<int64_t>(*config.zero.prefetchBytes);
    passes.nest<train::ProgramOp>().addPass(createScheduleCollectivesPass(options));
    passes.addPass(createVerifyShardPass());
  }
  passes.addPass(
      createLowerToExecPass({config.fuse, int64_t(config.target.threads), config.ringReduction}));
  passes.nest<exec::ProgramOp>().addPass(createAssignEventsPass());
  passes.addPass(createVerifySchedulePass());
}
