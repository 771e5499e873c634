//===- VerifyShard.cpp - Prove placement, reductions and gathers ----------===//
#include "dialects/aten/AtenDialect.h"
#include "passes/shard/Passes.h"
#include "passes/shard/ShardTables.h"
#include "passes/shard/Traffic.h"
#include "passes/shard/VerifyReductions.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace regimen::passes {
#define GEN_PASS_DEF_VERIFYSHARDPASS
#include "passes/shard/Passes.h.inc"

namespace {

/// Every parameter has one place, whose shards are equal.
LogicalResult verifyPlaces(ModuleOp module) {
  auto meshes = llvm::to_vector(module.getOps<dist::MeshOp>());
  if (meshes.size() != 1)
    return module.emitError() << "has " << meshes.size() << " meshes after shard, needs one";
  int64_t ranks = meshes.front().getAxisSize("dp");

  llvm::StringMap<dist::BucketOp> placed;
  for (auto bucket : module.getOps<dist::BucketOp>()) {
    if (bucket.getElements() % (dist::BucketOp::kShardAlignment * ranks))
      return bucket.emitOpError() << "has " << bucket.getElements()
                                  << " elements, which do not divide into " << ranks
                                  << " shards of a multiple of " << dist::BucketOp::kShardAlignment;
    for (auto name : bucket.getParameters().getAsRange<FlatSymbolRefAttr>()) {
      auto [it, isNew] = placed.try_emplace(name.getValue(), bucket);
      if (isNew)
        continue;
      auto error = bucket.emitOpError() << "holds " << name << ", which another bucket holds";
      error.attachNote(it->second.getLoc()) << "the other bucket";
      return error;
    }
  }
  for (auto parameter : module.getOps<train::ParameterOp>())
    if (!placed.contains(parameter.getSymName()))
      return parameter.emitOpError() << "is in no bucket";
  return success();
}

/// Walks a program with the state of every bucket: what of it is gathered.
class ProgramVerifier {
public:
  ProgramVerifier(train::ProgramOp program, const ShardTables &tables)
      : program(program), tables(tables) {}

  LogicalResult run() {
    for (Operation &op : program.getBody().front())
      if (failed(visit(&op)))
        return failure();
    for (auto [pending, start] : pendings)
      return start.emitOpError() << "is not waited for in its program";
    for (auto &[bucket, gathered] : gathers)
      if (!gathered.released)
        return program.emitOpError() << "does not release " << bucket.getSymNameAttr();
    return success();
  }

private:
  /// A gather of sharded parameters, from the wait on.
  struct Gather {
    dist::StartOp start;
    bool done = false, released = false;
  };

  bool isWhole() { return program.getSegment() == train::Segment::Whole; }

  LogicalResult visit(Operation *op) {
    if (auto start = dyn_cast<dist::StartOp>(op))
      return visitStart(start);
    if (auto wait = dyn_cast<dist::WaitOp>(op))
      return visitWait(wait);
    if (auto release = dyn_cast<dist::ReleaseOp>(op))
      return visitRelease(release);
    for (Value operand : op->getOperands())
      if (Gather *gather = gatherOf(operand);
          gather && gather->released && !isView(op) && !isEndOfUse(op))
        return op->emitOpError() << "uses a parameter of " << gather->start.getBucketAttr()
                                 << " after its release";
    if (auto read = dyn_cast<train::ReadOp>(op))
      return visitRead(read);
    if (auto write = dyn_cast<train::WriteOp>(op))
      return visitWrite(write);
    if (isView(op))
      if (auto it = windows.find(op->getOperand(0)); it != windows.end()) {
        dist::StartOp window = it->second;
        for (Value result : op->getResults())
          windows[result] = window;
      }
    return success();
  }

  /// Whether `op` is the end of the program and takes what stayed gathered until then: a result
  /// that is a parameter.
  bool isEndOfUse(Operation *op) const {
    if (!op->hasTrait<OpTrait::IsTerminator>())
      return false;
    Operation *before = op->getPrevNode();
    while (before && isa<dist::ReleaseOp, dist::WaitOp>(before))
      before = before->getPrevNode();
    return llvm::none_of(op->getOperands(), [&](Value operand) {
      dist::ReleaseOp release = releases.lookup(windows.lookup(operand));
      return release && release->isBeforeInBlock(before);
    });
  }

  static bool isView(Operation *op) { return op->hasTrait<aten::ViewLike>(); }

  Gather *gatherOf(Value value) {
    auto it = windows.find(value);
    return it == windows.end() ? nullptr : &all[it->second];
  }

  LogicalResult visitStart(dist::StartOp start) {
    dist::BucketOp bucket = bucketOf(start.getBucket());
    pendings[start.getPending()] = start;
    if (start.getCollective() == dist::Collective::AllGather) {
      if (!bucket.shardsParameters())
        return ++gatheredInPlace[bucket] == 1
                   ? success()
                   : start.emitOpError() << "gathers " << start.getBucketAttr() << " a second time";
      auto it = gathers.find(bucket);
      if (it != gathers.end() && !it->second.released)
        return start.emitOpError() << "gathers " << start.getBucketAttr() << " before its release";
      // What runs straight through has two times at which it uses parameters.
      if (it != gathers.end() && !(program.getRole() == train::Role::MicroStep && isWhole()))
        return start.emitOpError() << "gathers " << start.getBucketAttr() << " a second time";
      gathers[bucket] = all[start] = {start};
      return success();
    }
    return success();
  }

  LogicalResult visitWait(dist::WaitOp wait) {
    auto it = pendings.find(wait.getPending());
    if (it == pendings.end())
      return wait.emitOpError() << "waits for a collective a second time";
    dist::StartOp start = it->second;
    pendings.erase(it);
    if (auto gather = gathers.find(bucketOf(start.getBucket()));
        gather != gathers.end() && gather->second.start == start)
      gather->second.done = true;
    return success();
  }

  LogicalResult visitRelease(dist::ReleaseOp release) {
    auto it = gathers.find(bucketOf(release.getBucket()));
    if (it == gathers.end() || !it->second.done || it->second.released)
      return release.emitOpError()
             << "releases " << release.getBucketAttr() << ", which is not gathered";
    it->second.released = true;
    all[it->second.start].released = true;
    releases[it->second.start] = release;
    return success();
  }

  LogicalResult visitRead(train::ReadOp read) {
    StringRef name = read.getSymbol();
    dist::BucketOp bucket = tables.bucketOf(name);
    if (!bucket)
      return success();
    if (tables.isParameter(name) && bucket.shardsParameters()) {
      auto it = gathers.find(bucket);
      if (it == gathers.end() || !it->second.done || it->second.released)
        return read.emitOpError() << "reads " << read.getSymbolAttr()
                                  << ", which is sharded and not gathered here";
      windows[read.getResult()] = it->second.start;
      return success();
    }
    bool whole = tables.isParameter(name)  ? !bucket.shardsParameters()
                 : tables.isGradient(name) ? !bucket.shardsGradients()
                                           : !bucket.shardsStates();
    bool update = program.getRole() == train::Role::Update;
    if (!whole || (update && bucket.shardsStates()))
      return read.emitOpError() << "reads " << read.getSymbolAttr()
                                << " whole, of which a rank updates its segment";
    return success();
  }

  LogicalResult visitWrite(train::WriteOp write) {
    StringRef name = write.getSymbol();
    bool segment = name.consume_back(dist::segmentName(""));
    dist::BucketOp bucket = tables.bucketOf(name);
    if (!bucket || program.getRole() != train::Role::Update)
      return success();
    if (bucket.shardsStates() != segment)
      return write.emitOpError() << "writes " << write.getSymbolAttr()
                                 << " whole, of which a rank updates its segment";
    if (tables.isParameter(name) && gatheredInPlace.contains(bucket))
      return write.emitOpError() << "writes " << write.getSymbolAttr() << " after its gather";
    if (tables.isParameter(name) && bucket.shardsStates() && !bucket.shardsParameters())
      updated.insert({bucket, write});
    return success();
  }

public:
  /// What the update leaves whole on every rank is gathered.
  LogicalResult verifyUpdated() {
    for (auto [bucket, write] : updated)
      if (!gatheredInPlace.contains(bucket))
        return program.emitOpError() << "does not gather " << bucket.getSymNameAttr()
                                     << ", of which a rank updates its shard";
    return success();
  }

private:
  dist::BucketOp bucketOf(StringRef name) {
    return program->getParentOfType<ModuleOp>().lookupSymbol<dist::BucketOp>(name);
  }

  train::ProgramOp program;
  const ShardTables &tables;
  llvm::MapVector<Value, dist::StartOp> pendings;
  /// The newest gather of each bucket, all gathers, and the gather to which a value belongs.
  llvm::MapVector<dist::BucketOp, Gather> gathers;
  llvm::DenseMap<Operation *, Gather> all;
  llvm::DenseMap<Value, dist::StartOp> windows;
  llvm::MapVector<dist::BucketOp, train::WriteOp> updated;
  /// By gather.
  llvm::DenseMap<Operation *, dist::ReleaseOp> releases;
  llvm::MapVector<dist::BucketOp, int> gatheredInPlace;
};

LogicalResult verifyTraffic(ModuleOp module, const ShardTables &tables) {
  if (tables.ranks() == 1)
    return success();
  StepTraffic traffic(module, tables);
  for (auto bucket : module.getOps<dist::BucketOp>())
    if (int64_t found = traffic.count(bucket), expected = traffic.closedForm(bucket);
        found != expected)
      return bucket.emitOpError() << "is moved " << found << " times a step, its closed form is "
                                  << expected;
  return success();
}

struct VerifyShardPass : impl::VerifyShardPassBase<VerifyShardPass> {
  void runOnOperation() override {
    if (failed(verify(getOperation())))
      signalPassFailure();
    markAllAnalysesPreserved();
  }

  static LogicalResult verify(ModuleOp module) {
    if (failed(verifyPlaces(module)))
      return failure();
    ShardTables tables(module);
    for (auto program : module.getOps<train::ProgramOp>()) {
      ProgramVerifier verifier(program, tables);
      if (failed(verifyReductions(program, tables)) || failed(verifier.run()) ||
          (program.getRole() == train::Role::Update && failed(verifier.verifyUpdated())))
        return failure();
    }
    return verifyTraffic(module, tables);
  }
};

} // namespace
} // namespace regimen::passes
