//===- Pipeline.cpp - The stage schedule ----------------------------------===//
#include "passes/schedule/Passes.h"

#include "mlir/Pass/PassManager.h"

using namespace mlir;

void regimen::passes::buildSchedulePipeline(OpPassManager &passes, const CompileConfig &config) {
  passes.addPass(createLowerToExecPass({config.fuse, int64_t(config.target.threads)}));
  passes.nest<exec::ProgramOp>().addPass(createAssignEventsPass());
  passes.addPass(createVerifySchedulePass());
}
