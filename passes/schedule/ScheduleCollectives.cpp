//===- ScheduleCollectives.cpp - Let communication run beside kernels -----===//
#include "dialects/dist/DistDialect.h"
#include "passes/cost/OpCost.h"
#include "passes/schedule/Passes.h"

#include "mlir/IR/Remarks.h"

namespace regimen::passes {
#define GEN_PASS_DEF_SCHEDULECOLLECTIVESPASS
#include "passes/schedule/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

/// A gather may take so many times its estimate, which is that of a link and of ranks that do
/// nothing else: transfers share cores and memory with the kernels beside them.
constexpr double kSlack = 20;

/// Windows of gradients that are held at one time: one that fills and three on their way, so that
/// a rank goes on for a while when another one comes later to a reduction.
constexpr int kGradientWindows = 4;

struct ScheduleCollectivesPass
    : passes::impl::ScheduleCollectivesPassBase<ScheduleCollectivesPass> {
  using Base::Base;

  void runOnOperation() override {
    train::ProgramOp program = getOperation();
    auto module = program->getParentOfType<ModuleOp>();
    machine = MachineModel::withThreads(threads);
    for (auto mesh : module.getOps<dist::MeshOp>())
      ranks = mesh.getAxisSize("dp");
    for (auto start : llvm::to_vector(program.getBody().getOps<dist::StartOp>())) {
      auto bucket = module.lookupSymbol<dist::BucketOp>(start.getBucketAttr());
      bool ahead = start.getCollective() == dist::Collective::AllGather &&
                   bucket.shardsParameters() && program.getRole() != train::Role::Update;
      ahead ? prefetch(start, bucket) : defer(start, bucket);
    }
  }

private:
  /// Seconds that a collective takes on its lane.
  double secondsOf(dist::StartOp start, dist::BucketOp bucket) const {
    double bytes = double(bucket.getElements()) * bucket.getElementType().getIntOrFloatBitWidth() /
                   8 * double(ranks - 1) / double(ranks);
    bool twice = start.getCollective() == dist::Collective::AllReduce;
    return transferSeconds(twice ? 2 * bytes : bytes, machine);
  }

  /// Starts a gather as long before its use as it may take, but after the gather before it is done:
  /// two buckets are gathered at one time.
  void prefetch(dist::StartOp start, dist::BucketOp bucket) {
    double needed = secondsOf(start, bucket), hidden = 0;
    uint64_t bytes = bucket.getElements() * bucket.getElementType().getIntOrFloatBitWidth() / 8;
    bool fits = mostBytes < 0 || bytes <= uint64_t(mostBytes);
    Operation *before = start;
    while (fits && hidden < kSlack * needed) {
      Operation *previous = before->getPrevNode();
      if (!previous || isBarrier(previous, start))
        break;
      before = previous;
      hidden += passes::secondsOf(previous, machine);
    }
    if (before != start)
      start->moveBefore(before);
    report(start, needed, hidden, fits ? "gathered ahead" : "zero.prefetch_bytes forbids");
  }

  /// Whether a gather cannot start before `op`.
  static bool isBarrier(Operation *op, dist::StartOp start) {
    // A reduction that starts behind it waits in the lane for the gather, which is needed first.
    if (auto other = dyn_cast<dist::StartOp>(op))
      return other.getCollective() == dist::Collective::AllGather;
    if (auto release = dyn_cast<dist::ReleaseOp>(op))
      return release.getBucketAttr() == start.getBucketAttr();
    auto wait = dyn_cast<dist::WaitOp>(op);
    return wait && wait.getPending().getDefiningOp<dist::StartOp>().getCollective() ==
                       dist::Collective::AllGather;
  }

  /// Waits for a reduction, or for the gather of updated parameters, at the end, but before so many
  /// other reductions have started that their windows of gradients would be too many. How long it
  /// takes does not matter: most of it may be waiting for a rank that comes later.
  void defer(dist::StartOp start, dist::BucketOp bucket) {
    auto wait = cast<dist::WaitOp>(*start.getPending().user_begin());
    double needed = secondsOf(start, bucket), hidden = 0;
    bool update = start->getParentOfType<train::ProgramOp>().getRole() == train::Role::Update;
    Operation *after = wait;
    int windows = 2; // this one, and the one that fills
    for (Operation *next = wait->getNextNode(); !next->hasTrait<OpTrait::IsTerminator>();
         next = next->getNextNode()) {
      auto other = dyn_cast<dist::StartOp>(next);
      if (!update && other && other.getCollective() != dist::Collective::AllGather &&
          ++windows > kGradientWindows)
        break;
      after = next;
      hidden += passes::secondsOf(next, machine);
    }
    if (after != wait)
      wait->moveAfter(after);
    report(start, needed, hidden, "waited for late");
  }

  static void report(dist::StartOp start, double needed, double hidden, StringRef reason) {
    remark::analysis(start.getLoc(), remark::RemarkOpts::name("collective").category("schedule"))
        << remark::metric("collective", dist::stringifyCollective(start.getCollective()))
        << remark::metric("bucket", start.getBucket())
        << remark::metric("microseconds", int64_t(needed * 1e6))
        << remark::metric("hiddenMicroseconds", int64_t(std::min(needed, hidden) * 1e6))
        << remark::reason("{0}", reason);
  }

  MachineModel machine;
  int64_t ranks = 1;
};

} // namespace
