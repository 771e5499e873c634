//===- Pipeline.cpp - The stage allocate ----------------------------------===//
#include "passes/allocate/Passes.h"

#include "mlir/Pass/PassManager.h"

void regimen::passes::buildAllocatePipeline(mlir::OpPassManager &pm, const CompileConfig &) {
  pm.addPass(createPlanMemoryPass());
  pm.addPass(createVerifyMemoryPass());
}
