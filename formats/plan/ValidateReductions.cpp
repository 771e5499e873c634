//===- ValidateReductions.cpp - Gradients of suspended programs ------------===//
//
// What of gradients a backward reduces over the ranks is a function of where they lie: see
// Contribution in plan.fbs.
//
//===----------------------------------------------------------------------===//

#include "formats/plan/Validator.h"

#include <algorithm>
#include <map>
#include <set>

using namespace regimen;
using namespace regimen::plan;

namespace {
class ReductionChecker {
public:
  ReductionChecker(const fb::PlanT &plan, const fb::ProgramT &program, Violations &violations)
      : plan(plan), program(program), violations(violations) {}

  void run() {
    for (size_t i = 0; i < plan.parameters.size(); ++i)
      if (plan.parameters[i]->gradient != -1)
        gradients[bufferOf(gradientOf(i))].push_back(i);
    for (current = 0; current < program.instructions.size(); ++current) {
      const fb::InstructionT &instruction = *program.instructions[current];
      if (const fb::CollectiveT *collective = instruction.body.AsCollective())
        visit(*collective);
      else
        checkLateWrites(instruction);
    }
    if (program.segment != fb::Segment::Backward || program.contribution == fb::Contribution::None)
      return;
    for (const auto &[buffer, members] : gradients)
      checkBuffer(buffer, members);
  }

private:
  void fail(const std::string &what) { violations.add("program '" + program.name + "': " + what); }

  uint32_t bufferOf(uint32_t tensor) const { return plan.tensors[tensor]->buffer; }
  uint32_t gradientOf(size_t parameter) const {
    return static_cast<uint32_t>(plan.parameters[parameter]->gradient);
  }
  bool contributes(size_t parameter) const {
    return program.contribution != fb::Contribution::None &&
           std::binary_search(program.gradients.begin(), program.gradients.end(), parameter);
  }

  void visit(const fb::CollectiveT &collective) {
    if (collective.bucket < 0)
      return;
    std::string where = describe(plan, program, current) + ": ";
    if (collective.kind == fb::CollectiveKind::AllGather) {
      if (!gathered.insert(collective.bucket).second)
        violations.add(where + "gathers a bucket a second time");
      return;
    }
    uint32_t buffer =
        bufferOf(collective.part >= 0 ? static_cast<uint32_t>(collective.part) : collective.whole);
    auto list = gradients.find(buffer);
    if (list == gradients.end() ||
        std::none_of(list->second.begin(), list->second.end(),
                     [&](size_t parameter) { return contributes(parameter); }))
      return violations.add(where + "reduces gradients to which the program does not contribute");
    if (!reductions.emplace(buffer, &collective).second)
      violations.add(where + "reduces gradients a second time");
    reduced.insert(bufferOf(collective.whole));
  }

  void checkLateWrites(const fb::InstructionT &instruction) {
    if (reduced.empty())
      return;
    for (const Access &access : accesses(plan, program, instruction))
      if (access.write && reduced.contains(access.span.buffer))
        violations.add(describe(plan, program, current) +
                       ": writes gradients after they were reduced");
  }

  /// Elements [first, second) of a bucket that a gradient, whole or a segment, is.
  std::pair<uint64_t, uint64_t> rangeOf(uint32_t index) const {
    const fb::TensorT &tensor = *plan.tensors[index];
    uint64_t begin = tensor.byte_offset / elementBytes(tensor.dtype);
    uint64_t elements = static_cast<uint64_t>(numElements(tensor));
    if (tensor.segment) {
      begin = tensor.segment->begin;
      elements = tensor.segment->elements;
    }
    return {begin, begin + elements};
  }

  /// The gradients of one bucket, of which the program may contribute to some.
  void checkBuffer(uint32_t buffer, const std::vector<size_t> &members) {
    auto mine = std::find_if(members.begin(), members.end(),
                             [&](size_t parameter) { return contributes(parameter); });
    if (mine == members.end())
      return;
    const auto &segment = plan.tensors[gradientOf(*mine)]->segment;
    bool sharded = segment && segment->place == fb::ShardPlace::Shard;
    bool later = program.contribution == fb::Contribution::Later;
    std::string what = "the gradient of '";
    what += plan.parameters[*mine]->name + "'";
    auto found = reductions.find(buffer);
    if ((found != reductions.end()) != (sharded || !program.local))
      return fail(found == reductions.end() ? "does not reduce " + what
                                            : "is local, and reduces " + what);
    if (found == reductions.end())
      return;
    const fb::CollectiveT &reduction = *found->second;
    if (reduction.kind !=
        (segment ? fb::CollectiveKind::ReduceScatter : fb::CollectiveKind::AllReduce))
      fail("reduces " + what +
           (segment ? " to all ranks, of which each has a shard"
                    : " to one rank, but all have it whole"));
    if (reduction.accumulate != (sharded && later))
      fail(std::string(reduction.accumulate ? "adds to " : "overwrites ") + what + " as " +
           fb::EnumNameContribution(program.contribution) + " contribution");
    // What is added to a shard is added to all of it, so every gradient needs a value.
    for (size_t parameter : members)
      if ((contributes(parameter) || (sharded && later)) &&
          !isMember(reduction, gradientOf(parameter)))
        fail("leaves the gradient of '" + plan.parameters[parameter]->name +
             "' out of its bucket's reduction");
  }

  bool isMember(const fb::CollectiveT &reduction, uint32_t gradient) const {
    return std::any_of(reduction.members.begin(), reduction.members.end(),
                       [&](uint32_t member) { return rangeOf(member) == rangeOf(gradient); });
  }

  const fb::PlanT &plan;
  const fb::ProgramT &program;
  Violations &violations;
  std::map<uint32_t, std::vector<size_t>> gradients;      // parameters by buffer of their gradients
  std::map<uint32_t, const fb::CollectiveT *> reductions; // by buffer of the result
  std::set<uint32_t> reduced;                             // buffers of what was reduced
  std::set<int32_t> gathered;                             // buckets
  size_t current = 0;                                     // instruction
};
} // namespace

void regimen::plan::validateReductions(const fb::PlanT &plan, Violations &violations) {
  if (ranksOf(plan) == 1)
    return;
  for (const auto &program : plan.programs)
    if (program->segment != fb::Segment::Whole)
      ReductionChecker(plan, *program, violations).run();
}
