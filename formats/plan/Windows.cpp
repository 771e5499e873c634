//===- Windows.cpp - How many buckets are on their way at once -------------===//
#include "formats/plan/Plan.h"

#include <algorithm>
#include <array>
#include <set>

using namespace regimen;
using namespace regimen::plan;

namespace {
/// The kinds of windows. A reduction's gradients and what it receives are two buffers.
enum Kind { Gathered, Gradients, Received, kKinds };
} // namespace

/// The most buffers that are alive at one instruction.
static uint64_t mostAlive(const fb::PlanT &plan, const std::set<uint32_t> &buffers) {
  uint64_t most = 0;
  for (uint32_t at : buffers) {
    // The count is highest where a buffer begins.
    uint32_t first = plan.buffers[at]->first;
    auto alive = [&](uint32_t index) {
      return plan.buffers[index]->first <= first && first <= plan.buffers[index]->last;
    };
    most = std::max(most, uint64_t(std::count_if(buffers.begin(), buffers.end(), alive)));
  }
  return most;
}

uint64_t regimen::plan::windowDepth(const fb::PlanT &plan) {
  uint64_t depth = 0;
  for (const auto &program : plan.programs) {
    std::array<std::set<uint32_t>, kKinds> windows;
    // What lives beyond the program is no window.
    auto add = [&](Kind kind, uint32_t buffer) {
      if (plan.buffers[buffer]->program >= 0)
        windows[kind].insert(buffer);
    };
    for (const auto &instruction : program->instructions) {
      const fb::CollectiveT *collective = instruction->body.AsCollective();
      if (!collective || collective->bucket < 0)
        continue;
      add(collective->kind == fb::CollectiveKind::AllGather ? Gathered : Gradients,
          plan.tensors[collective->whole]->buffer);
      if (collective->scratch >= 0)
        add(Received, static_cast<uint32_t>(collective->scratch));
    }
    for (const std::set<uint32_t> &kind : windows)
      depth = std::max(depth, mostAlive(plan, kind));
  }
  return depth;
}
