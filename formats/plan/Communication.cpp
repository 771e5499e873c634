//===- Communication.cpp - What ranks send ---------------------------------===//
#include "formats/plan/Plan.h"

#include <algorithm>

using namespace regimen;
using namespace regimen::plan;

uint32_t regimen::plan::ranksOf(const fb::PlanT &plan) {
  uint32_t ranks = 1;
  for (const auto &axis : plan.mesh)
    ranks *= axis->size;
  return ranks;
}

uint64_t regimen::plan::receiveBytes(const fb::PlanT &plan, uint64_t partBytes) {
  uint64_t others = ranksOf(plan) - 1;
  return partBytes * (plan.ring ? std::min<uint64_t>(others, 2) : others);
}

SegmentRange regimen::plan::segmentOf(const fb::ShardPartT &segment, uint64_t rank) {
  uint64_t first = rank * segment.shard, last = first + segment.shard;
  uint64_t begin = std::clamp(segment.begin, first, last),
           end = std::clamp(segment.begin + segment.elements, first, last);
  SegmentRange range;
  range.size = end - begin;
  range.skipped = range.size == 0 ? 0 : begin - segment.begin;
  range.begin = segment.place == fb::ShardPlace::Own     ? 0
                : segment.place == fb::ShardPlace::Shard ? begin - first
                                                         : begin;
  return range;
}

/// How often a step runs a program.
static uint64_t runsOf(const fb::PlanT &plan, const fb::ProgramT &program) {
  if (program.role == fb::Role::Update)
    return 1;
  if (program.role != fb::Role::MicroStep || program.segment != fb::Segment::Whole)
    return 0;
  if (program.contribution != fb::Contribution::Later)
    return 1;
  bool last = std::any_of(plan.programs.begin(), plan.programs.end(), [](const auto &other) {
    return other->contribution == fb::Contribution::Last;
  });
  uint64_t others = last ? 2 : 1;
  return plan.training->accumulate > others ? plan.training->accumulate - others : 0;
}

CommReport regimen::plan::communication(const fb::PlanT &plan) {
  CommReport report;
  uint64_t ranks = ranksOf(plan), accumulate = plan.training->accumulate;
  for (const auto &program : plan.programs)
    for (const auto &instruction : program->instructions) {
      const fb::CollectiveT *collective = instruction->body.AsCollective();
      if (!collective || collective->bucket < 0)
        continue;
      const fb::TensorT &whole = *plan.tensors[collective->whole];
      uint64_t runs = runsOf(plan, *program);
      uint64_t bytes = static_cast<uint64_t>(numElements(whole)) * elementBytes(whole.dtype) /
                       ranks * (ranks - 1) * runs;
      report.collectives += runs;
      if (collective->kind == fb::CollectiveKind::AllGather)
        report.allGather += bytes;
      else if (collective->kind == fb::CollectiveKind::ReduceScatter)
        report.reduceScatter += bytes;
      else
        report.allReduce += 2 * bytes;
    }
  for (const auto &bucket : plan.buckets) {
    uint64_t moves = 0;
    if (bucket->zero == 3)
      moves = accumulate * (uint64_t{bucket->gathers} + bucket->gradients);
    else if (bucket->gradients && ranks > 1)
      moves = bucket->zero == 2 ? accumulate + 1 : 2;
    report.closedForm +=
        moves * (bucket->elements * elementBytes(bucket->dtype) / ranks * (ranks - 1));
  }
  return report;
}
