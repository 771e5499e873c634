//===- Traffic.cpp - Bytes that a step sends ------------------------------===//
#include "passes/shard/Traffic.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

static bool isDriven(train::ProgramOp program) {
  return program.getRole() == train::Role::MicroStep &&
         program.getSegment() == train::Segment::Whole;
}

static bool reduces(train::ProgramOp program) {
  return llvm::any_of(program.getBody().getOps<dist::StartOp>(), [](dist::StartOp start) {
    return start.getCollective() != dist::Collective::AllGather;
  });
}

StepTraffic::StepTraffic(ModuleOp module, const ShardTables &tables) : tables(tables) {
  for (auto parameter : module.getOps<train::ParameterOp>())
    parameters.push_back(parameter.getSymName());
  bool last = false, forward = false, backward = false;
  for (auto program : module.getOps<train::ProgramOp>()) {
    driven |= isDriven(program);
    last |= program.getContribution() == train::Contribution::Last;
    for (auto seed : program.getBody().getOps<train::SeedOp>())
      microSteps = seed.getAccumulate();
  }
  for (auto program : module.getOps<train::ProgramOp>()) {
    int64_t runs = 0;
    if (program.getRole() == train::Role::Update)
      runs = 1;
    else if (driven && isDriven(program))
      runs =
          program.getContribution() == train::Contribution::Later ? microSteps - (last ? 2 : 1) : 1;
    else if (!driven && program.getSegment() == train::Segment::Forward)
      runs = !std::exchange(forward, true);
    else if (!driven && program.getSegment() == train::Segment::Backward && reduces(program))
      runs = !std::exchange(backward, true);
    if (runs > 0)
      programs.push_back({program, runs});
  }
}

int64_t StepTraffic::count(dist::BucketOp bucket) const {
  int64_t transfers = 0;
  for (auto [program, runs] : programs)
    for (auto start : program.getBody().getOps<dist::StartOp>())
      if (start.getBucket() == bucket.getSymName())
        transfers += runs * (start.getCollective() == dist::Collective::AllReduce ? 2 : 1);
  return transfers;
}

std::pair<bool, bool> StepTraffic::phasesOf(dist::BucketOp bucket) const {
  bool forward = false, backward = false;
  for (auto [program, runs] : programs) {
    if (program.getRole() != train::Role::MicroStep)
      continue;
    bool behind = program.getSegment() == train::Segment::Backward;
    for (Operation &op : program.getBody().front()) {
      behind |= isa<train::SeedOp>(op);
      if (auto read = dyn_cast<train::ReadOp>(op))
        if (llvm::is_contained(bucket.getParameters(), read.getSymbolAttr()))
          (behind ? backward : forward) = true;
    }
  }
  return {forward, backward};
}

bool StepTraffic::contributesTo(dist::BucketOp bucket) const {
  if (driven)
    return tables.hasGradients(bucket);
  for (auto [program, runs] : programs)
    if (program.getSegment() == train::Segment::Backward)
      for (int64_t index : program.getVariant()->getGradients())
        if (tables.bucketOf(parameters[index]) == bucket)
          return true;
  return false;
}

bool StepTraffic::updates(dist::BucketOp bucket) const {
  for (auto [program, runs] : programs) {
    if (program.getRole() != train::Role::Update)
      continue;
    for (auto write : program.getBody().getOps<train::WriteOp>()) {
      StringRef name = write.getSymbol();
      name.consume_back(dist::segmentName(""));
      if (tables.isParameter(name) && tables.bucketOf(name) == bucket)
        return true;
    }
  }
  return false;
}

int64_t StepTraffic::closedForm(dist::BucketOp bucket) const {
  int64_t contributes = contributesTo(bucket), updated = updates(bucket);
  if (bucket.shardsParameters()) {
    auto [forward, backward] = phasesOf(bucket);
    return microSteps * (int64_t(forward) + int64_t(backward) + contributes);
  }
  if (!bucket.shardsStates())
    return 2 * contributes;
  return (bucket.shardsGradients() ? microSteps : 1) * contributes + updated;
}
