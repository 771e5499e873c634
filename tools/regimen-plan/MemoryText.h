//===- MemoryText.h - Memory reports for people and programs ----*- C++ -*-===//
#ifndef REGIMEN_TOOLS_REGIMENPLAN_MEMORYTEXT_H
#define REGIMEN_TOOLS_REGIMENPLAN_MEMORYTEXT_H

#include "formats/plan/Plan.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace regimen::plan {

/// A table of the categories, and for each program a picture of its arenas (instructions across,
/// addresses down) with the buffers that are alive at its peak. Requires a valid plan.
std::string memoryText(const fb::PlanT &plan);

/// {"ranks": [{"rank", "predicted_peak", "host_peak", "nvme_bytes", "lower_bound", "categories":
/// {...}}]}, one entry a rank of the mesh.
nlohmann::json memoryJson(const fb::PlanT &plan);

} // namespace regimen::plan

#endif // REGIMEN_TOOLS_REGIMENPLAN_MEMORYTEXT_H
