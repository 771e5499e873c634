//===- ValidateSpaces.cpp - Who touches which memory -----------------------===//
#include "formats/plan/Validator.h"

using namespace regimen;
using namespace regimen::plan;

/// The kernel that copies a tensor from the memory of the device to the host's, or back.
static constexpr std::string_view kMoveKernel = "regimen::move";

static fb::MemorySpace spaceOf(const fb::PlanT &plan, uint32_t tensor) {
  return plan.arenas[plan.buffers[plan.tensors[tensor]->buffer]->arena]->space;
}

/// What is wrong with a call of regimen::move, or null.
static const char *checkMove(const fb::PlanT &plan, const fb::CallT &call, fb::Lane lane) {
  if (lane != fb::Lane::Copy)
    return "moves on another lane than copy";
  if (call.args.size() != 1 || call.args[0]->kind != fb::ArgKind::Tensor ||
      call.results.size() != 1 || call.scratch >= 0)
    return "moves other than one tensor to one";
  uint32_t from = call.args[0]->tensor, to = call.results[0];
  if (spaceOf(plan, from) == spaceOf(plan, to))
    return "moves within one memory";
  const fb::TensorT &source = *plan.tensors[from], &copy = *plan.tensors[to];
  const auto &part = source.segment, &copied = copy.segment;
  if (source.dtype != copy.dtype || source.sizes != copy.sizes || bool(part) != bool(copied) ||
      (part && (part->begin != copied->begin || part->elements != copied->elements ||
                part->shard != copied->shard)))
    return "moves to a tensor of another shape or type";
  return nullptr;
}

void regimen::plan::validateSpaces(const fb::PlanT &plan, Violations &violations) {
  for (const auto &program : plan.programs)
    for (size_t i = 0; i < program->instructions.size(); ++i) {
      const fb::InstructionT &instruction = *program->instructions[i];
      auto fail = [&](const char *what) {
        violations.add(describe(plan, *program, i) + ": " + what);
      };
      const fb::CallT *call = instruction.body.AsCall();
      if (call && plan.kernels[call->kernel]->name == kMoveKernel) {
        if (const char *what = checkMove(plan, *call, instruction.lane))
          fail(what);
        continue;
      }
      bool device = false, host = false;
      for (const Access &access : accesses(plan, *program, instruction))
        (plan.arenas[plan.buffers[access.span.buffer]->arena]->space == fb::MemorySpace::Host
             ? host
             : device) = true;
      if (host && device)
        fail("touches memory of the device and of the host");
      else if (host && !call)
        fail("touches memory of the host");
    }
}
