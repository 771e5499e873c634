//===- FitAround.h - Offsets between buffers that have theirs ---*- C++ -*-===//
#ifndef REGIMEN_PASSES_ALLOCATE_FITAROUND_H
#define REGIMEN_PASSES_ALLOCATE_FITAROUND_H

#include "passes/allocate/MemoryPlanner.h"
#include "passes/allocate/PlacementValidator.h"

#include <optional>
#include <span>
#include <vector>

namespace regimen::passes {

/// Offsets for as many intervals as fit into `bytes` beside the obstacles, which have theirs; none
/// for an interval that does not. Larger ones go first, each to the lowest place; deterministic.
std::vector<std::optional<uint64_t>> fitAround(std::span<const Interval> intervals,
                                               std::span<const PlacedBuffer> obstacles,
                                               uint64_t bytes, uint64_t alignment);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_ALLOCATE_FITAROUND_H
