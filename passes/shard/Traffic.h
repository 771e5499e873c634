//===- Traffic.h - Bytes that a step sends ----------------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_SHARD_TRAFFIC_H
#define REGIMEN_PASSES_SHARD_TRAFFIC_H

#include "passes/shard/ShardTables.h"

namespace regimen::passes {

/// How often a step moves a bucket to or from its shards; each time a rank sends (N - 1) / N of the
/// bucket's padded bytes. Where regimen-run drives micro-steps a step is these and the update; of
/// suspended programs alone the forward, the first backward that reduces, and the update if there
/// is one.
class StepTraffic {
public:
  StepTraffic(mlir::ModuleOp module, const ShardTables &tables);

  /// From the programs: a program's collectives as often as a step runs it; an all_reduce counts
  /// twice.
  int64_t count(dist::BucketOp bucket) const;
  /// The same in closed form (DeepSpeed's ZeRO paper, section 7, per bucket), for G micro-steps: 2
  /// at stages 0 and 1, G + 1 at stage 2, G (forward + backward + 1) at stage 3. What reads no
  /// parameter of a bucket, contributes to no gradient or updates nothing of it is left out.
  int64_t closedForm(dist::BucketOp bucket) const;

private:
  /// Whether the micro-step reads a parameter of the bucket in its forward, and in its backward.
  std::pair<bool, bool> phasesOf(dist::BucketOp bucket) const;
  bool contributesTo(dist::BucketOp bucket) const;
  bool updates(dist::BucketOp bucket) const;

  const ShardTables &tables;
  llvm::SmallVector<llvm::StringRef> parameters;
  /// The programs of a step, and how often it runs each.
  llvm::SmallVector<std::pair<train::ProgramOp, int64_t>> programs;
  bool driven = false;
  int64_t microSteps = 1;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SHARD_TRAFFIC_H
