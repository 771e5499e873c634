//===- ReduceGradients.cpp - The mean of gradients over the ranks ---------===//
#include "dialects/aten/AtenOps.h"
#include "passes/shard/Passes.h"
#include "passes/shard/ShardTables.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace regimen::passes {
#define GEN_PASS_DEF_REDUCEGRADIENTSPASS
#include "passes/shard/Passes.h.inc"

namespace {

struct ReduceGradientsPass : impl::ReduceGradientsPassBase<ReduceGradientsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    ShardTables tables(module);
    if (tables.ranks() == 1)
      return;
    bool eachStep = llvm::any_of(module.getOps<dist::BucketOp>(), [&](dist::BucketOp bucket) {
      return tables.hasGradients(bucket) && !bucket.shardsGradients();
    });
    if (eachStep)
      addLastContribution();
    for (auto program : module.getOps<train::ProgramOp>())
      if (program.getRole() == train::Role::MicroStep && failed(reduce(program, tables)))
        return signalPassFailure();
  }

private:
  /// Where several micro-steps contribute, the last one has a program of its own.
  void addLastContribution() {
    for (auto program : llvm::to_vector(getOperation().getOps<train::ProgramOp>())) {
      if (program.getContribution() != train::Contribution::Later)
        continue;
      OpBuilder builder(program);
      builder.setInsertionPointAfter(program);
      auto last = cast<train::ProgramOp>(builder.clone(*program));
      last.setSymName("micro_step_last");
      last.setContribution(train::Contribution::Last);
      bool between = false;
      for (auto seed : program.getBody().getOps<train::SeedOp>())
        between |= seed.getAccumulate() > 2;
      if (!between)
        program.erase();
    }
  }

  static LogicalResult reduce(train::ProgramOp program, ShardTables &tables) {
    llvm::MapVector<dist::BucketOp, train::WriteOp> lastWrites;
    for (auto write : llvm::to_vector(program.getBody().getOps<train::WriteOp>()))
      if (tables.isGradient(write.getSymbol())) {
        dist::BucketOp bucket = tables.bucketOf(write.getSymbol());
        if (bucket.shardsGradients() && failed(writeOwnContribution(write)))
          return failure();
        lastWrites[bucket] = write;
      }
    bool later = program.getContribution() != train::Contribution::First;
    bool last = program.getContribution() == train::Contribution::Last ||
                (!later && accumulatesOnce(program));
    for (auto [bucket, write] : lastWrites) {
      if (!bucket.shardsGradients() && !last)
        continue;
      OpBuilder builder(write);
      builder.setInsertionPointAfter(write);
      auto collective =
          bucket.shardsStates() ? dist::Collective::ReduceScatter : dist::Collective::AllReduce;
      auto start = dist::StartOp::create(builder, write.getLoc(), collective, bucket.getSymName(),
                                         bucket.shardsGradients() && later);
      dist::WaitOp::create(builder, write.getLoc(), start);
    }
    return success();
  }

  static bool accumulatesOnce(train::ProgramOp program) {
    return llvm::all_of(program.getBody().getOps<train::SeedOp>(),
                        [](train::SeedOp seed) { return seed.getAccumulate() == 1; });
  }

  /// Undoes the addition to the old gradient, which the reduction makes: a later micro-step writes
  /// old + new.
  static LogicalResult writeOwnContribution(train::WriteOp write) {
    auto sum = write.getValue().getDefiningOp<aten::AddTensorOp>();
    auto old = sum ? sum.getSelf().getDefiningOp<train::ReadOp>() : train::ReadOp();
    if (!old || old.getSymbolAttr() != write.getSymbolAttr())
      return success();
    if (!sum->hasOneUse() || !old->hasOneUse())
      return write.emitOpError() << "adds to " << write.getSymbolAttr()
                                 << " a sum that something else uses too";
    write.getValueMutable().assign(sum.getOther());
    sum.erase();
    old.erase();
    return success();
  }
};

} // namespace
} // namespace regimen::passes
