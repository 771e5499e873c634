//===- Traffic.h - Bytes that a step sends ----------------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_SHARD_TRAFFIC_H
#define REGIMEN_PASSES_SHARD_TRAFFIC_H

#include "passes/shard/ShardTables.h"

namespace regimen::passes {

/// How often a step moves a bucket to or from its shards; each time a rank sends (N - 1) / N of the
/// bucket's padded bytes.
///
/// From the programs: a micro-step's collectives as often as it runs in a step of `accumulate`
/// micro-steps; an all_reduce counts twice.
int64_t countTransfers(mlir::ModuleOp module, dist::BucketOp bucket, int64_t accumulate);

/// The same in closed form (DeepSpeed's ZeRO paper, section 7, per bucket), for a bucket whose
/// parameters the forward, or the backward, reads or not: 2 at stages 0 and 1, G + 1 at stage 2,
/// G (forward + backward + 1) at stage 3; without gradients only what stage 3 gathers.
int64_t closedFormTransfers(dist::BucketOp bucket, bool hasGradients, bool forward, bool backward,
                            int64_t accumulate);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SHARD_TRAFFIC_H
