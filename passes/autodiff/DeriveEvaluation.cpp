//===- DeriveEvaluation.cpp - The training graph as PyTorch's eval() ------===//
#include "dialects/aten/AtenOps.h"
#include "passes/autodiff/AtenBuilder.h"
#include "passes/autodiff/Backward.h"
#include "passes/autodiff/Passes.h"

#include "mlir/IR/Remarks.h"
#include "llvm/ADT/TypeSwitch.h"

namespace regimen::passes {
#define GEN_PASS_DEF_DERIVEEVALUATIONPASS
#include "passes/autodiff/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using namespace regimen::train;

namespace {

constexpr const char *kRemedy =
    "give the graph of the model in evaluation mode with --eval EVAL.pt2";

/// Turns a copy of the forward, in place, into what the model computes in evaluation mode.
class Derivation {
public:
  explicit Derivation(ProgramOp program) : block(program.getBody().front()) {}

  LogicalResult run(uint64_t loss) {
    dropUpdates();
    for (Operation &op : llvm::make_early_inc_range(block))
      if (failed(turn(op)))
        return failure();
    return checkUpdates(block.getTerminator()->getOperand(loss));
  }

  size_t norms = 0, dropouts = 0;
  /// What the training graph does to buffers.
  struct Update {
    StringAttr buffer;
    Value value;
  };
  SmallVector<Update> updates;

private:
  void dropUpdates() {
    for (auto write : llvm::make_early_inc_range(block.getOps<WriteOp>())) {
      updates.push_back({write.getSymbolAttr().getAttr(), write.getValue()});
      write.erase();
    }
  }

  LogicalResult turn(Operation &op) {
    return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
        .Case([&](aten::NativeBatchNormLegitFunctionalOp norm) { return turnNorm(norm); })
        .Case([&](aten::DropoutOp dropout) { return turnDropout(dropout); })
        .Case([&](aten::ScaledDotProductAttentionOp attention) { return turnAttention(attention); })
        .Default(success());
  }

  /// Running statistics instead of those of the batch, which nothing updates.
  LogicalResult turnNorm(aten::NativeBatchNormLegitFunctionalOp norm) {
    llvm::erase_if(updates, [&](const Update &update) {
      return update.value == norm.getRunningMeanOut() || update.value == norm.getRunningVarOut();
    });
    for (Value statistic : norm->getResults().drop_front())
      if (!statistic.use_empty())
        return norm.emitError() << "the model uses the statistics of a batch norm's batch, so its "
                                   "evaluation cannot be derived from the training graph; "
                                << kRemedy;
    OpBuilder builder(norm);
    AtenBuilder aten(builder, norm.getLoc());
    auto optional = [](Value value) {
      return value ? SmallVector<Value>{value} : SmallVector<Value>();
    };
    Value result = aten.call("aten::_native_batch_norm_legit_no_training",
                             {{norm.getInput()},
                              optional(norm.getWeight()),
                              optional(norm.getBias()),
                              {norm.getRunningMean()},
                              {norm.getRunningVar()}},
                             {builder.getNamedAttr("momentum", norm.getMomentumAttr()),
                              builder.getNamedAttr("eps", norm.getEpsAttr())});
    if (!result)
      return failure();
    norm.getResult0().replaceAllUsesWith(result);
    norm.erase();
    ++norms;
    return success();
  }

  LogicalResult turnDropout(aten::DropoutOp dropout) {
    dropouts += dropout.getTrain() && !dropout.getP().isZero();
    dropout.getResult().replaceAllUsesWith(dropout.getInput());
    dropout.erase();
    return success();
  }

  LogicalResult turnAttention(aten::ScaledDotProductAttentionOp attention) {
    dropouts += !attention.getDropoutP().isZero();
    attention.removeDropoutPAttr();
    return success();
  }

  /// What else a model writes to a buffer it may write in evaluation mode too, or not: the graph of
  /// one mode does not say. That is nobody's concern while the loss does not depend on it.
  LogicalResult checkUpdates(Value loss) const {
    llvm::DenseSet<Value> needed{loss};
    for (Operation &op : llvm::reverse(block.without_terminator()))
      if (llvm::any_of(op.getResults(), [&](Value result) { return needed.contains(result); }))
        needed.insert(op.operand_begin(), op.operand_end());
    for (const Update &update : updates)
      if (needed.contains(update.value))
        return emitError(update.value.getLoc())
               << "the loss depends on what the training graph writes to buffer " << update.buffer
               << ", so its evaluation cannot be derived from that graph; " << kRemedy;
    return success();
  }

  Block &block;
};

struct DeriveEvaluationPass : passes::impl::DeriveEvaluationPassBase<DeriveEvaluationPass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto isEvaluation = [](ProgramOp program) { return program.getRole() == Role::Evaluation; };
    if (llvm::any_of(module.getOps<ProgramOp>(), isEvaluation))
      return;
    ProgramOp forward = findForward(module);
    if (!forward)
      return signalPassFailure();
    if (!forward.getLoss()) {
      forward.emitError() << "names no loss among its outputs";
      return signalPassFailure();
    }
    OpBuilder builder(forward);
    builder.setInsertionPointAfter(forward);
    ProgramOp program = forward.clone();
    program.setSymName("evaluation");
    program.setRole(Role::Evaluation);
    SymbolTable(module).insert(program, builder.getInsertionPoint());
    Derivation derivation(program);
    if (failed(derivation.run(*program.getLoss())))
      return signalPassFailure();
    remark::analysis(program.getLoc(), remark::RemarkOpts::name("evaluation").category("autodiff"))
        << remark::metric("batchNorms", derivation.norms)
        << remark::metric("dropouts", derivation.dropouts)
        << remark::metric("updatesLeftOut", derivation.updates.size());
  }
};

} // namespace
