//===- MemoryPicture.h - A rank's memory over a step, drawn -----*- C++ -*-===//
#ifndef REGIMEN_TOOLS_REGIMENPLAN_MEMORYPICTURE_H
#define REGIMEN_TOOLS_REGIMENPLAN_MEMORYPICTURE_H

#include "formats/plan/Plan.h"

#include <string>

namespace regimen::plan {

/// One self-contained SVG: live bytes over the instructions of a step, by category, with the peak
/// and what is alive there. What memoryJson says of rank 0 is in its metadata. Requires a valid
/// plan.
std::string memoryPicture(const fb::PlanT &plan);

} // namespace regimen::plan

#endif // REGIMEN_TOOLS_REGIMENPLAN_MEMORYPICTURE_H
