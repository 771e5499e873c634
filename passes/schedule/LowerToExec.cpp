//===- LowerToExec.cpp - Train programs to instruction lists --------------===//
#include "passes/schedule/Passes.h"
#include "passes/schedule/ProgramLowering.h"

namespace regimen::passes {
#define GEN_PASS_DEF_LOWERTOEXECPASS
#include "passes/schedule/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;

namespace {

struct LowerToExecPass : passes::impl::LowerToExecPassBase<LowerToExecPass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    passes::StaticStorage statics(module);
    for (auto program : llvm::to_vector(module.getOps<train::ProgramOp>())) {
      FailureOr<passes::LayoutAnalysis> layouts = passes::LayoutAnalysis::compute(program, fuse);
      if (failed(layouts) ||
          failed(passes::ProgramLowering(program, *layouts, statics, threads).run()))
        return signalPassFailure();
      program.erase();
    }
  }
};

} // namespace
