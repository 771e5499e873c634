//===- Validator.h - The parts of validate() (internal) ---------*- C++ -*-===//
#ifndef REGIMEN_FORMATS_PLAN_VALIDATOR_H
#define REGIMEN_FORMATS_PLAN_VALIDATOR_H

#include "formats/plan/Accesses.h"

namespace regimen::plan {

/// Collects violations; stops listening after as many as anyone reads.
class Violations {
public:
  void add(std::string message) {
    if (messages.size() < 1000)
      messages.push_back(std::move(message));
  }
  bool empty() const { return messages.empty(); }
  std::vector<std::string> take() { return std::move(messages); }

private:
  std::vector<std::string> messages;
};

/// Local facts: every part is there, every index in range, every tensor in its buffer, every buffer
/// in its arena, arguments and scalars well formed. The other parts need them to hold.
void validateTables(const fb::PlanT &plan, Violations &violations);

/// Parameters, states, module buffers and constants: own bytes of the right shape.
void validateStates(const fb::PlanT &plan, Violations &violations);

/// Suspended programs: what their callers bring and take, keys of variants, one forward. Part of
/// validateTables(), after everything else there.
void validateSegments(const fb::PlanT &plan, Violations &violations);

/// Suspended programs of several ranks: each backward reduces what it contributes to, in the way of
/// the buckets' stages.
void validateReductions(const fb::PlanT &plan, Violations &violations);

/// Buffers of one arena that live at the same time do not overlap.
void validateLayout(const fb::PlanT &plan, Violations &violations);

/// Everything but a move touches one memory, and what is no call the device's.
void validateSpaces(const fb::PlanT &plan, Violations &violations);

/// Lifetimes, order between lanes, and initialisation, per program.
void validateAccesses(const fb::PlanT &plan, Violations &violations);

fb::MemoryClass memoryClass(const fb::PlanT &plan, uint32_t buffer);
inline bool isStatic(const fb::PlanT &plan, uint32_t buffer) {
  return memoryClass(plan, buffer) == fb::MemoryClass::Static;
}
/// Whether a buffer is one of the values that cross from a forward to its backwards.
inline bool isSaved(const fb::PlanT &plan, uint32_t buffer) {
  return plan.buffers[buffer]->program == -1 && memoryClass(plan, buffer) == fb::MemoryClass::Frame;
}

/// Spans of the gradients that live in static buffers, with their parameters' names.
std::vector<std::pair<Span, std::string>> staticGradients(const fb::PlanT &plan);

} // namespace regimen::plan

#endif // REGIMEN_FORMATS_PLAN_VALIDATOR_H
