//===- Recompute.cpp - Values made again for the backward -----------------===//
#include "passes/budget/Passes.h"
#include "passes/budget/Recomputation.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Pass/PassManager.h"

namespace regimen::passes {
#define GEN_PASS_DEF_RECOMPUTEPASS
#include "passes/budget/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using namespace regimen::train;

namespace {

class Remaker {
public:
  explicit Remaker(const Recomputation &recomputation) : recomputation(recomputation) {}

  void run(Operation *boundary) {
    for (Operation *op = boundary->getNextNode(); op; op = op->getNextNode()) {
      // What a program returns is there anyway.
      if (op->hasTrait<OpTrait::IsTerminator>())
        return;
      OpBuilder builder(op);
      for (OpOperand &operand : op->getOpOperands())
        if (recomputation.isRemade(operand.get()))
          operand.set(remake(operand.get(), builder));
    }
  }

private:
  /// Clones what makes `value`, operands first.
  Value remake(Value value, OpBuilder &builder) {
    llvm::SmallVector<Value> work{value};
    while (!work.empty()) {
      Value current = work.back();
      if (remade.contains(current)) {
        work.pop_back();
        continue;
      }
      Operation *op = current.getDefiningOp();
      size_t before = work.size();
      for (Value operand : op->getOperands())
        if (recomputation.isRemade(operand) && !remade.contains(operand))
          work.push_back(operand);
      if (work.size() > before)
        continue;
      builder.clone(*op, remade);
      work.pop_back();
    }
    return remade.lookup(value);
  }

  const Recomputation &recomputation;
  IRMapping remade;
};

struct RecomputePass : passes::impl::RecomputePassBase<RecomputePass> {
  using Base::Base;

  void runOnOperation() override {
    ProgramOp program = getOperation();
    Operation *boundary = Recomputation::boundaryOf(program);
    if (!boundary || mode == "none")
      return;
    if (mode != "layers" && mode != "full") {
      program.emitError() << "regimen-recompute has no mode '" << mode << "'";
      return signalPassFailure();
    }
    Recomputation recomputation(program, boundary);
    if (steps >= 0)
      recomputation.decideSteps(static_cast<size_t>(steps));
    else
      recomputation.decide(mode == "full" ? Recomputation::Policy::All
                                          : Recomputation::Policy::Cheap);
    Remaker(recomputation).run(boundary);
    remark::analysis(program.getLoc(), remark::RemarkOpts::name("recompute").category("budget"))
        << remark::metric("savedBytes", recomputation.savedBytes())
        << remark::metric("seconds", recomputation.seconds());
  }
};

} // namespace

void passes::addRecomputation(OpPassManager &passes, const CompileConfig &config) {
  const MemoryConfig &memory = config.memory;
  RecomputePassOptions options;
  options.mode = memory.remat == Remat::Layers ? "layers" : "full";
  if (memory.remat == Remat::None || (memory.remat == Remat::Steps && memory.rematSteps == 0))
    return;
  if (memory.remat == Remat::Steps)
    options.steps = static_cast<int64_t>(memory.rematSteps);
  passes.nest<ProgramOp>().addPass(createRecomputePass(options));
}
