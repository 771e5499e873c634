//===- Scalars.h - A program's scalar expressions -------------------------===//
#ifndef REGIMEN_RUNTIME_EXECUTOR_SCALARS_H
#define REGIMEN_RUNTIME_EXECUTOR_SCALARS_H

#include "formats/plan/Plan.h"

#include <array>
#include <vector>

namespace regimen::runtime {

/// Run-time inputs of one parameter group, indexed by plan::fb::Hyper.
using GroupHypers = std::array<double, static_cast<size_t>(plan::fb::Hyper::MAX) + 1>;
/// By parameter group.
using Hypers = std::vector<GroupHypers>;

/// Computes the registers of a program in double precision, in order, as Python would. `registers`
/// has the program's size already.
void evaluateScalars(const plan::fb::ProgramT &program, const Hypers &hypers,
                     std::vector<double> &registers);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_EXECUTOR_SCALARS_H
