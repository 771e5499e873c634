//===- ReduceGradients.cpp - The mean of gradients over the ranks ---------===//
#include "dialects/aten/AtenOps.h"
#include "passes/shard/Passes.h"
#include "passes/shard/ShardTables.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

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
    for (auto program : module.getOps<train::ProgramOp>()) {
      if (program.getRole() != train::Role::MicroStep)
        continue;
      if (program.getSegment() == train::Segment::Backward)
        reduceSegment(program, tables);
      else if (failed(reduce(program, tables)))
        return signalPassFailure();
    }
  }

private:
  /// Where several micro-steps contribute, the last one has a program of its own. A caller that
  /// drives them says itself which one it is.
  void addLastContribution() {
    for (auto program : llvm::to_vector(getOperation().getOps<train::ProgramOp>())) {
      if (program.getContribution() != train::Contribution::Later ||
          program.getSegment() != train::Segment::Whole)
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
      if (bucket.shardsGradients() || last)
        reduceAfter(write, bucket, bucket.shardsGradients() && later);
    }
    return success();
  }

  static void reduceAfter(Operation *op, dist::BucketOp bucket, bool accumulate) {
    OpBuilder builder(op);
    builder.setInsertionPointAfter(op);
    auto collective =
        bucket.shardsStates() ? dist::Collective::ReduceScatter : dist::Collective::AllReduce;
    auto start =
        dist::StartOp::create(builder, op->getLoc(), collective, bucket.getSymName(), accumulate);
    dist::WaitOp::create(builder, op->getLoc(), start);
  }

  /// A backward that a caller drives contributes to some of a bucket's gradients, or to none.
  static void reduceSegment(train::ProgramOp program, ShardTables &tables) {
    bool later = program.getContribution() == train::Contribution::Later;
    llvm::MapVector<dist::BucketOp, Operation *> last;
    llvm::StringSet<> contributed;
    for (Operation &op : llvm::make_early_inc_range(program.getBody().front())) {
      Operation *contribution = nullptr;
      StringRef gradient;
      if (auto write = dyn_cast<train::WriteOp>(op)) {
        contribution = write;
        gradient = write.getSymbol();
      } else if (auto accumulate = dyn_cast<train::AccumulateOp>(op)) {
        gradient = accumulate.getSymbol();
        contribution = tables.bucketOf(gradient).shardsGradients()
                           ? writeOwnContribution(accumulate).getOperation()
                           : accumulate.getOperation();
      }
      if (!contribution || !tables.isGradient(gradient))
        continue;
      contributed.insert(gradient);
      last[tables.bucketOf(gradient)] = contribution;
    }
    for (auto [bucket, op] : last) {
      if (bucket.shardsGradients())
        reduceAfter(later ? writeZeros(op, bucket, contributed, tables) : op, bucket, later);
      else if (!program.getVariant()->getLocal())
        reduceAfter(op, bucket, /*accumulate=*/false);
    }
  }

  /// The window holds this contribution alone; the reduction adds it to the shard.
  static train::WriteOp writeOwnContribution(train::AccumulateOp accumulate) {
    OpBuilder builder(accumulate);
    auto write = train::WriteOp::create(builder, accumulate.getLoc(), accumulate.getValue(),
                                        accumulate.getSymbol());
    accumulate.erase();
    return write;
  }

  /// Writes zeros, behind `op`, to the gradients of a bucket that get nothing: the reduction adds
  /// to the whole shard. Returns the last op.
  static Operation *writeZeros(Operation *op, dist::BucketOp bucket,
                               const llvm::StringSet<> &contributed, ShardTables &tables) {
    OpBuilder builder(op);
    builder.setInsertionPointAfter(op);
    for (auto gradient : op->getParentOfType<ModuleOp>().getOps<train::GradientOp>()) {
      if (tables.bucketOf(gradient.getSymName()) != bucket ||
          contributed.contains(gradient.getSymName()))
        continue;
      RankedTensorType type = gradient.getTensorType();
      Value zeros = aten::ZerosOp::create(builder, op->getLoc(), type, type.getShape(),
                                          TypeAttr::get(type.getElementType()));
      op = train::WriteOp::create(builder, op->getLoc(), zeros, gradient.getSymName());
    }
    return op;
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
