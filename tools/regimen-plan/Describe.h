//===- Describe.h - Bytes and places in words -------------------*- C++ -*-===//
#ifndef REGIMEN_TOOLS_REGIMENPLAN_DESCRIBE_H
#define REGIMEN_TOOLS_REGIMENPLAN_DESCRIBE_H

#include "formats/plan/Plan.h"

#include <string>

namespace regimen::plan {

/// "1.50 MiB".
std::string sizeText(uint64_t bytes);

/// Where an instruction comes from: "aten.linear in fc"; "model.py:12", or "" where nobody knows.
std::string makerText(const fb::LocationT &location);
std::string sourceText(const fb::LocationT &location);

/// Where the first instruction of a program's buffer comes from.
const fb::LocationT &origin(const fb::PlanT &plan, const fb::BufferT &buffer);

} // namespace regimen::plan

#endif // REGIMEN_TOOLS_REGIMENPLAN_DESCRIBE_H
