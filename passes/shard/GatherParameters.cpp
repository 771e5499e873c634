//===- GatherParameters.cpp - Gather sharded parameters for their uses ----===//
#include "dialects/aten/AtenDialect.h"
#include "passes/shard/Passes.h"
#include "passes/shard/ShardTables.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace regimen::passes {
#define GEN_PASS_DEF_GATHERPARAMETERSPASS
#include "passes/shard/Passes.h.inc"

namespace {

/// The two times that a micro-step uses parameters; other programs have the first only.
enum Phase { kForward, kBackward, kPhases };

/// Places where ops of a program take a parameter, or a view of one, that are no views themselves.
struct Uses {
  llvm::SmallVector<OpOperand *> operands;
  Operation *first = nullptr, *last = nullptr;
};

class ProgramGatherer {
public:
  ProgramGatherer(train::ProgramOp program, ShardTables &tables)
      : program(program), tables(tables) {
    Operation *seed = nullptr;
    for (Operation &op : program.getBody().front()) {
      positions[&op] = positions.size();
      if (isa<train::SeedOp>(op))
        seed = &op;
    }
    backwardStart = seed ? positions[seed] : positions.size();
  }

  void run() {
    llvm::MapVector<dist::BucketOp, SmallVector<train::ReadOp>> reads;
    for (auto read : program.getBody().getOps<train::ReadOp>())
      if (tables.isParameter(read.getSymbol()) &&
          tables.bucketOf(read.getSymbol()).shardsParameters())
        reads[tables.bucketOf(read.getSymbol())].push_back(read);
    for (auto &[bucket, list] : reads) {
      std::array<Uses, kPhases> uses;
      for (train::ReadOp read : list)
        collect(read, uses);
      for (Uses &phase : uses)
        if (phase.first)
          gather(bucket, phase);
      for (train::ReadOp read : list)
        eraseUnused(read);
    }
    // Behind every gather.
    Operation *terminator = program.getBody().front().getTerminator();
    OpBuilder builder(terminator);
    for (dist::BucketOp bucket : results)
      dist::ReleaseOp::create(builder, terminator->getLoc(), bucket.getSymName());
  }

private:
  static bool isView(Operation *op) { return op->hasTrait<aten::ViewLike>(); }

  void collect(Value value, std::array<Uses, kPhases> &uses) {
    for (OpOperand &use : value.getUses()) {
      Operation *user = use.getOwner();
      if (isView(user)) {
        for (Value result : user->getResults())
          collect(result, uses);
        continue;
      }
      Uses &phase = uses[positions[user] < backwardStart ? kForward : kBackward];
      phase.operands.push_back(&use);
      if (!phase.first || positions[user] < positions[phase.first])
        phase.first = user;
      if (!phase.last || positions[user] > positions[phase.last])
        phase.last = user;
    }
  }

  void gather(dist::BucketOp bucket, Uses &uses) {
    OpBuilder builder(uses.first);
    Location loc = uses.first->getLoc();
    auto start = dist::StartOp::create(builder, loc, dist::Collective::AllGather,
                                       bucket.getSymName(), /*accumulate=*/false);
    dist::WaitOp::create(builder, loc, start);
    IRMapping remade;
    for (OpOperand *use : uses.operands)
      use->set(remake(use->get(), builder, remade));
    // A result that is a parameter stays gathered to the end.
    if (uses.last->hasTrait<OpTrait::IsTerminator>()) {
      results.push_back(bucket);
      return;
    }
    builder.setInsertionPointAfter(uses.last);
    dist::ReleaseOp::create(builder, uses.last->getLoc(), bucket.getSymName());
  }

  /// Reads the parameter and remakes its views where the gather is done.
  static Value remake(Value value, OpBuilder &builder, IRMapping &remade) {
    if (Value known = remade.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    if (isView(op))
      remake(op->getOperand(0), builder, remade);
    builder.clone(*op, remade);
    return remade.lookup(value);
  }

  static void eraseUnused(Operation *op) {
    for (Operation *user : llvm::make_early_inc_range(op->getUsers()))
      if (isView(user))
        eraseUnused(user);
    if (op->use_empty())
      op->erase();
  }

  train::ProgramOp program;
  ShardTables &tables;
  llvm::DenseMap<Operation *, size_t> positions;
  size_t backwardStart = 0;
  /// Buckets with a parameter that the program returns.
  SmallVector<dist::BucketOp> results;
};

struct GatherParametersPass : impl::GatherParametersPassBase<GatherParametersPass> {
  void runOnOperation() override {
    ShardTables tables(getOperation());
    for (auto program : getOperation().getOps<train::ProgramOp>())
      if (program.getRole() != train::Role::Update)
        ProgramGatherer(program, tables).run();
  }
};

} // namespace
} // namespace regimen::passes
