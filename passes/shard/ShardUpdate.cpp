//===- ShardUpdate.cpp - Every rank updates its shards --------------------===//
#include "passes/shard/Passes.h"
#include "passes/shard/ShardTables.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace regimen::passes {
#define GEN_PASS_DEF_SHARDUPDATEPASS
#include "passes/shard/Passes.h.inc"

namespace {

struct ShardUpdatePass : impl::ShardUpdatePassBase<ShardUpdatePass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    ShardTables tables(module);
    if (tables.ranks() == 1)
      return;
    declareSegments(tables);
    for (auto program : module.getOps<train::ProgramOp>())
      if (program.getRole() == train::Role::Update) {
        if (failed(shard(program, tables)))
          return signalPassFailure();
        gatherParameters(program, tables);
      }
  }

private:
  /// Segments of everything that is not whole on every rank, and of the parameters beside it.
  void declareSegments(ShardTables &tables) {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    Operation *after = nullptr;
    for (auto bucket : module.getOps<dist::BucketOp>())
      after = bucket;
    for (auto storage : llvm::to_vector(module.getOps<train::StorageOpInterface>())) {
      StringRef name = SymbolTable::getSymbolName(storage).getValue();
      dist::BucketOp bucket = tables.bucketOf(name);
      if (!bucket || !bucket.shardsStates())
        continue;
      RankedTensorType whole = storage.getTensorType();
      int64_t shard = bucket.getElements() / tables.ranks();
      auto type =
          RankedTensorType::get({std::min(whole.getNumElements(), shard)}, whole.getElementType());
      OpBuilder builder(&getContext());
      builder.setInsertionPointAfter(after);
      after = dist::SegmentOp::create(builder, storage.getLoc(), dist::segmentName(name), name,
                                      bucket.getSymName(), type);
      segments[name] = type;
    }
  }

  LogicalResult shard(train::ProgramOp program, ShardTables &tables) {
    /// Values that are segments now.
    llvm::DenseSet<Value> sharded;
    for (Operation &op : llvm::make_early_inc_range(program.getBody().front())) {
      if (auto read = dyn_cast<train::ReadOp>(op)) {
        auto type = segments.lookup(read.getSymbol());
        if (!type)
          continue;
        read.setSymbol(dist::segmentName(read.getSymbol()));
        read.getResult().setType(type);
        sharded.insert(read.getResult());
      } else if (auto write = dyn_cast<train::WriteOp>(op)) {
        if (sharded.contains(write.getValue()))
          write.setSymbol(dist::segmentName(write.getSymbol()));
      } else if (auto norm = dyn_cast<train::GlobalNormOp>(op)) {
        if (llvm::any_of(norm.getTensors(), [&](Value v) { return sharded.contains(v); }))
          mergeNorm(norm, tables.ranks());
      } else if (failed(retype(op, sharded))) {
        return failure();
      }
    }
    return success();
  }

  /// Gives the results of an elementwise op the type of its segments; those of a kernel over lists
  /// the type of the operand that each replaces.
  static LogicalResult retype(Operation &op, llvm::DenseSet<Value> &sharded) {
    if (auto fused = dyn_cast<train::FusedAdamWOp>(op)) {
      auto follow = [&](ResultRange results, OperandRange operands) {
        for (auto [result, operand] : llvm::zip_equal(results, operands))
          if (sharded.contains(operand)) {
            result.setType(operand.getType());
            sharded.insert(result);
          }
      };
      follow(fused.getNewParameters(), fused.getParameters());
      follow(fused.getNewExpAvgs(), fused.getExpAvgs());
      follow(fused.getNewExpAvgSqs(), fused.getExpAvgSqs());
      return success();
    }
    Type segment;
    for (Value operand : op.getOperands())
      if (sharded.contains(operand)) {
        if (segment && operand.getType() != segment)
          return op.emitOpError() << "combines segments of two parameters";
        segment = operand.getType();
      }
    if (!segment)
      return success();
    for (Value result : op.getResults()) {
      result.setType(segment);
      sharded.insert(result);
    }
    return success();
  }

  /// Adds up exact sums of squares, so that the norm does not depend on how elements are sharded.
  static void mergeNorm(train::GlobalNormOp norm, int64_t ranks) {
    OpBuilder b(norm);
    Location loc = norm.getLoc();
    Type word = b.getI64Type();
    Value sum = dist::SumOfSquaresOp::create(
        b, loc, RankedTensorType::get({dist::kSumOfSquaresWords}, word), norm.getTensors());
    Value all = dist::ShareOp::create(
        b, loc, RankedTensorType::get({ranks, dist::kSumOfSquaresWords}, word), sum);
    Value merged =
        dist::NormOfSquaresOp::create(b, loc, norm.getResult().getType(), all).getResult();
    norm.replaceAllUsesWith(merged);
    norm.erase();
  }

  /// Where parameters are whole on every rank, all get what the others updated.
  static void gatherParameters(train::ProgramOp program, ShardTables &tables) {
    llvm::MapVector<dist::BucketOp, train::WriteOp> lastWrites;
    for (auto write : program.getBody().getOps<train::WriteOp>()) {
      StringRef name = write.getSymbol();
      name.consume_back(dist::segmentName(""));
      if (!tables.isParameter(name))
        continue;
      dist::BucketOp bucket = tables.bucketOf(name);
      if (bucket.shardsStates() && !bucket.shardsParameters())
        lastWrites[bucket] = write;
    }
    for (auto [bucket, write] : lastWrites) {
      OpBuilder builder(write);
      builder.setInsertionPointAfter(write);
      auto start = dist::StartOp::create(builder, write.getLoc(), dist::Collective::AllGather,
                                         bucket.getSymName(), /*accumulate=*/false);
      dist::WaitOp::create(builder, write.getLoc(), start);
    }
  }

  llvm::StringMap<RankedTensorType> segments;
};

} // namespace
} // namespace regimen::passes
