//===- CommText.h - What a plan's ranks send --------------------*- C++ -*-===//
#ifndef REGIMEN_TOOLS_REGIMENPLAN_COMMTEXT_H
#define REGIMEN_TOOLS_REGIMENPLAN_COMMTEXT_H

#include "formats/plan/Plan.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace regimen::plan {

/// {"ranks", "per_rank": {"all_gather", "reduce_scatter", "all_reduce"}, "total", "closed_form"}:
/// bytes that a rank sends in a step; "collectives" in a step; "depth" of windows.
nlohmann::json commJson(const fb::PlanT &plan);

/// The same as a table, with a line for every bucket.
std::string commText(const fb::PlanT &plan);

} // namespace regimen::plan

#endif // REGIMEN_TOOLS_REGIMENPLAN_COMMTEXT_H
