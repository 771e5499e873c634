//===- Pipeline.cpp - The passes of the import stage in order -------------===//
#include "passes/import/Passes.h"

#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace regimen;

void passes::buildImportPipeline(OpPassManager &pm, const CompileConfig &) {
  OpPassManager &programs = pm.nest<train::ProgramOp>();
  programs.addPass(createFoldConstants());
  programs.addPass(createRecognizeCausalMask());
  programs.addPass(createDropIdentities());
  programs.addPass(createDropDeadCode());
  pm.addPass(createVerifyImport());
}
