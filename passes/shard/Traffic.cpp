//===- Traffic.cpp - Bytes that a step sends ------------------------------===//
#include "passes/shard/Traffic.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

/// How often a program runs in a step.
static int64_t runsOf(ModuleOp module, train::ProgramOp program, int64_t accumulate) {
  if (program.getRole() == train::Role::Update)
    return 1;
  if (program.getRole() != train::Role::MicroStep)
    return 0;
  if (program.getContribution() != train::Contribution::Later)
    return 1;
  bool last = llvm::any_of(module.getOps<train::ProgramOp>(), [](train::ProgramOp other) {
    return other.getContribution() == train::Contribution::Last;
  });
  return accumulate - (last ? 2 : 1);
}

int64_t passes::countTransfers(ModuleOp module, dist::BucketOp bucket, int64_t accumulate) {
  int64_t transfers = 0;
  for (auto program : module.getOps<train::ProgramOp>())
    for (auto start : program.getBody().getOps<dist::StartOp>())
      if (start.getBucket() == bucket.getSymName())
        transfers += runsOf(module, program, accumulate) *
                     (start.getCollective() == dist::Collective::AllReduce ? 2 : 1);
  return transfers;
}

int64_t passes::closedFormTransfers(dist::BucketOp bucket, bool hasGradients, bool forward,
                                    bool backward, int64_t accumulate) {
  if (bucket.shardsParameters())
    return accumulate * (int64_t(forward) + int64_t(backward) + int64_t(hasGradients));
  if (!hasGradients)
    return 0;
  return bucket.shardsGradients() ? accumulate + 1 : 2;
}
