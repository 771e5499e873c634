//===- Accesses.h - What an instruction touches (internal) ------*- C++ -*-===//
#ifndef REGIMEN_FORMATS_PLAN_ACCESSES_H
#define REGIMEN_FORMATS_PLAN_ACCESSES_H

#include "formats/plan/Plan.h"

#include <optional>

namespace regimen::plan {

/// Bytes [begin, end) of an arena that a tensor or buffer occupies.
struct Span {
  uint32_t buffer = 0;
  uint64_t begin = 0, end = 0;

  bool empty() const { return begin == end; }
  bool overlaps(const Span &other) const { return begin < other.end && other.begin < end; }
};

struct Access {
  Span span;
  bool write = false;
};

/// First to last byte of a tensor's elements, relative to its buffer; nothing if a size or stride
/// is negative, the sums overflow, or it does not fit into `bytes`.
std::optional<std::pair<uint64_t, uint64_t>> extent(const fb::TensorT &tensor, uint64_t bytes);

/// Span of a tensor in its arena. Requires extent() to hold.
Span spanOf(const fb::PlanT &plan, uint32_t tensor);
Span spanOfBuffer(const fb::PlanT &plan, uint32_t buffer);

/// All accesses of an instruction, reads before writes. Requires valid indices.
std::vector<Access> accesses(const fb::PlanT &plan, const fb::ProgramT &program,
                             const fb::InstructionT &instruction);

/// "program 'micro_step', instruction 7 (aten::mm.out for aten.linear, model.py:12)" as far as
/// indices allow.
std::string describe(const fb::PlanT &plan, const fb::ProgramT &program, size_t instruction);

/// "model.py:12", or "" when unknown.
std::string sourceLine(const fb::PlanT &plan, const fb::InstructionT &instruction);

} // namespace regimen::plan

#endif // REGIMEN_FORMATS_PLAN_ACCESSES_H
