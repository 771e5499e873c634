//===- Communication.cpp - What ranks send ---------------------------------===//
#include "formats/plan/Plan.h"

#include <algorithm>
#include <utility>

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

static bool isDriven(const fb::ProgramT &program) {
  return program.role == fb::Role::MicroStep && program.segment == fb::Segment::Whole;
}

/// How often a step runs a program, in a plan whose micro-steps are driven or not.
static uint64_t runsOf(const fb::PlanT &plan, const fb::ProgramT &program) {
  if (program.role == fb::Role::Update)
    return 1;
  if (!isDriven(program))
    return 0;
  if (program.contribution != fb::Contribution::Later)
    return 1;
  bool last = std::any_of(plan.programs.begin(), plan.programs.end(), [](const auto &other) {
    return other->contribution == fb::Contribution::Last;
  });
  uint64_t others = last ? 2 : 1;
  return plan.training->accumulate > others ? plan.training->accumulate - others : 0;
}

static bool reduces(const fb::ProgramT &program) {
  return std::any_of(program.instructions.begin(), program.instructions.end(),
                     [](const auto &instruction) {
                       const fb::CollectiveT *collective = instruction->body.AsCollective();
                       return collective && collective->bucket >= 0 &&
                              collective->kind != fb::CollectiveKind::AllGather;
                     });
}

Step regimen::plan::stepOf(const fb::PlanT &plan) {
  Step step;
  bool driven = std::any_of(plan.programs.begin(), plan.programs.end(),
                            [](const auto &program) { return isDriven(*program); });
  bool forward = false, backward = false;
  for (size_t i = 0; i < plan.programs.size(); ++i) {
    const fb::ProgramT &program = *plan.programs[i];
    step.runs.push_back(runsOf(plan, program));
    bool part = false;
    if (driven)
      part = isDriven(program) && program.contribution == fb::Contribution::First;
    else if (program.segment == fb::Segment::Forward)
      part = !std::exchange(forward, true);
    else if (program.segment == fb::Segment::Backward && reduces(program))
      part = !std::exchange(backward, true);
    if (!part)
      continue;
    step.microStep.push_back(i);
    step.runs.back() = 1;
  }
  step.microSteps = driven ? plan.training->accumulate : 1;
  return step;
}

std::optional<size_t> regimen::plan::evaluationOf(const fb::PlanT &plan) {
  for (size_t i = 0; i < plan.programs.size(); ++i)
    if (plan.programs[i]->role == fb::Role::Evaluation && plan.programs[i]->loss >= 0)
      return i;
  return std::nullopt;
}

/// Whether any of a bucket's parameters is among `parameters`, which ascend.
static bool meets(const fb::BucketT &bucket, const std::vector<uint32_t> &parameters) {
  return std::any_of(bucket.parameters.begin(), bucket.parameters.end(), [&](uint32_t index) {
    return std::binary_search(parameters.begin(), parameters.end(), index);
  });
}

/// By a bucket's stage and what a step does with its parameters, how often it is moved.
static uint64_t closedFormMoves(const fb::PlanT &plan, const Step &step,
                                const fb::BucketT &bucket) {
  bool contributes = false, updated = false;
  for (size_t i : step.microStep)
    // A driven micro-step contributes to all gradients, and names none.
    contributes |=
        isDriven(*plan.programs[i]) ? bucket.gradients : meets(bucket, plan.programs[i]->gradients);
  for (const auto &program : plan.programs)
    if (program->role == fb::Role::Update)
      updated |= bucket.parameters.empty() ? bucket.gradients : meets(bucket, program->gradients);
  if (bucket.zero == 3)
    return step.microSteps * (uint64_t{bucket.gathers} + contributes);
  if (bucket.zero == 0)
    return contributes ? 2 : 0;
  return (bucket.zero == 2 ? step.microSteps : 1) * uint64_t{contributes} + updated;
}

CommReport regimen::plan::communication(const fb::PlanT &plan) {
  CommReport report;
  report.depth = windowDepth(plan);
  uint64_t ranks = ranksOf(plan);
  Step step = stepOf(plan);
  for (size_t i = 0; i < plan.programs.size(); ++i)
    for (const auto &instruction : plan.programs[i]->instructions) {
      const fb::CollectiveT *collective = instruction->body.AsCollective();
      if (!collective || collective->bucket < 0)
        continue;
      const fb::TensorT &whole = *plan.tensors[collective->whole];
      uint64_t bytes = static_cast<uint64_t>(numElements(whole)) * elementBytes(whole.dtype) /
                       ranks * (ranks - 1) * step.runs[i];
      report.collectives += step.runs[i];
      if (collective->kind == fb::CollectiveKind::AllGather)
        report.allGather += bytes;
      else if (collective->kind == fb::CollectiveKind::ReduceScatter)
        report.reduceScatter += bytes;
      else
        report.allReduce += 2 * bytes;
    }
  // One rank sends nothing.
  for (const auto &bucket : plan.buckets)
    report.closedForm += closedFormMoves(plan, step, *bucket) *
                         (bucket->elements * elementBytes(bucket->dtype) / ranks * (ranks - 1));
  return report;
}
