//===- LowerToExec.cpp - Train programs to instruction lists --------------===//
#include "passes/schedule/Passes.h"
#include "passes/schedule/ProgramLowering.h"

#include <algorithm>

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
    passes::ForwardLayouts forward;
    auto programs = llvm::to_vector(module.getOps<train::ProgramOp>());
    // A forward says how what it saves lies, so it goes first.
    std::stable_partition(programs.begin(), programs.end(), [](train::ProgramOp program) {
      return program.getSegment() == train::Segment::Forward;
    });
    for (train::ProgramOp program : programs) {
      FailureOr<passes::LayoutAnalysis> layouts =
          passes::LayoutAnalysis::compute(program, fuse, forward);
      if (failed(layouts))
        return signalPassFailure();
      if (program.getSegment() == train::Segment::Forward)
        placeSaved(program, *layouts, statics, forward);
      if (failed(passes::ProgramLowering(program, *layouts, statics, {threads, ring}).run()))
        return signalPassFailure();
      program.erase();
    }
  }

private:
  /// Frame buffers for what `program` saves, and the layouts that its backwards find.
  void placeSaved(train::ProgramOp program, const passes::LayoutAnalysis &layouts,
                  passes::StaticStorage &statics, passes::ForwardLayouts &forward) {
    SymbolTable symbols(getOperation());
    for (auto write : program.getBody().getOps<train::WriteOp>())
      if (auto saved = symbols.lookup<train::SavedOp>(write.getSymbol())) {
        const passes::Layout &layout = layouts.layoutOf(write.getValue());
        forward.saved[write.getSymbol()] = layout;
        statics.placeSaved(saved, layout);
      }
    OperandRange results = program.getBody().front().getTerminator()->getOperands();
    for (auto [port, value] :
         llvm::zip_equal(program.getGives()->getAsRange<train::PortAttr>(), results))
      forward.outputs[port.getIndex()] = passes::StoragePlan::callerLayout(layouts, value);
  }
};

} // namespace
