//===- VerifyReductions.cpp - What a micro-step reduces -------------------===//
#include "passes/shard/VerifyReductions.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

class ReductionVerifier {
public:
  ReductionVerifier(train::ProgramOp program, const ShardTables &tables)
      : program(program), tables(tables) {}

  LogicalResult run() {
    for (Operation &op : program.getBody().front())
      if (failed(visit(&op)))
        return failure();
    for (auto &[bucket, gradients] : contributions)
      if (failed(verifyBucket(bucket, gradients)))
        return failure();
    for (auto [bucket, start] : reductions)
      if (!contributions.contains(bucket))
        return start.emitOpError() << "reduces gradients that its program does not write";
    return success();
  }

private:
  LogicalResult visit(Operation *op) {
    if (auto start = dyn_cast<dist::StartOp>(op))
      return visitStart(start);
    // It clips gradients that were reduced.
    if (program.getRole() == train::Role::Update)
      return success();
    if (auto read = dyn_cast<train::ReadOp>(op))
      return verifyUnreduced(op, read.getSymbolAttr(), "reads");
    if (auto write = dyn_cast<train::WriteOp>(op))
      return contribute(op, write.getSymbolAttr(), "writes");
    auto accumulate = dyn_cast<train::AccumulateOp>(op);
    if (!accumulate)
      return success();
    if (tables.bucketOf(accumulate.getSymbol()).shardsGradients())
      return op->emitOpError() << "adds to " << accumulate.getSymbolAttr()
                               << " whole, of which a rank has its shard";
    return contribute(op, accumulate.getSymbolAttr(), "adds to");
  }

  LogicalResult visitStart(dist::StartOp start) {
    if (start.getCollective() == dist::Collective::AllGather)
      return success();
    auto bucket =
        start->getParentOfType<ModuleOp>().lookupSymbol<dist::BucketOp>(start.getBucketAttr());
    auto expected =
        bucket.shardsStates() ? dist::Collective::ReduceScatter : dist::Collective::AllReduce;
    if (start.getCollective() != expected)
      return start.emitOpError() << "reduces a bucket of stage " << bucket.getZero() << ", which "
                                 << dist::stringifyCollective(expected) << " does";
    if (!reductions.try_emplace(bucket, start).second)
      return start.emitOpError() << "reduces " << start.getBucketAttr() << " a second time";
    return success();
  }

  LogicalResult verifyUnreduced(Operation *op, FlatSymbolRefAttr symbol, StringRef what) {
    if (tables.isGradient(symbol.getValue()) &&
        reductions.contains(tables.bucketOf(symbol.getValue())))
      return op->emitOpError() << what << " " << symbol << " after its reduction";
    return success();
  }

  LogicalResult contribute(Operation *op, FlatSymbolRefAttr symbol, StringRef what) {
    if (tables.isGradient(symbol.getValue()))
      contributions[tables.bucketOf(symbol.getValue())].insert(symbol.getValue());
    return verifyUnreduced(op, symbol, what);
  }

  /// Whether stages 0 and 1 reduce here: in a step's last micro-step, and in each that a caller
  /// drives unless it is local.
  bool reducesWhole() {
    if (program.getSegment() != train::Segment::Whole)
      return !(program.getVariant() && program.getVariant()->getLocal());
    bool once = llvm::all_of(program.getBody().getOps<train::SeedOp>(),
                             [](train::SeedOp seed) { return seed.getAccumulate() == 1; });
    return program.getContribution() == train::Contribution::Last ||
           (program.getContribution() == train::Contribution::First && once);
  }

  LogicalResult verifyBucket(dist::BucketOp bucket, const llvm::StringSet<> &gradients) {
    bool sharded = bucket.shardsGradients();
    bool expected = tables.ranks() > 1 && (sharded || reducesWhole());
    dist::StartOp start = reductions.lookup(bucket);
    if (expected != bool(start))
      return program.emitOpError() << (expected ? "does not reduce" : "reduces")
                                   << " the gradients of " << bucket.getSymNameAttr()
                                   << (expected ? ""
                                       : program.getSegment() == train::Segment::Whole
                                           ? ", to which others contribute later"
                                           : ", which it leaves to the rank");
    if (!start)
      return success();
    bool accumulate = sharded && program.getContribution() != train::Contribution::First;
    if (start.getAccumulate() != accumulate)
      return start.emitOpError() << (accumulate ? "overwrites" : "adds to") << " the gradients of "
                                 << start.getBucketAttr() << " in a micro-step that contributes "
                                 << train::stringifyContribution(program.getContribution());
    if (!accumulate)
      return success();
    // What is added to a shard is added to all of it.
    for (auto gradient : program->getParentOfType<ModuleOp>().getOps<train::GradientOp>())
      if (tables.bucketOf(gradient.getSymName()) == bucket &&
          !gradients.contains(gradient.getSymName()))
        return start.emitOpError()
               << "adds to " << gradient.getSymNameAttr() << " what its program does not write";
    return success();
  }

  train::ProgramOp program;
  const ShardTables &tables;
  llvm::MapVector<dist::BucketOp, dist::StartOp> reductions;
  /// The gradients of each bucket to which the program contributes.
  llvm::MapVector<dist::BucketOp, llvm::StringSet<>> contributions;
};

} // namespace

LogicalResult regimen::passes::verifyReductions(train::ProgramOp program,
                                                const ShardTables &tables) {
  return ReductionVerifier(program, tables).run();
}
