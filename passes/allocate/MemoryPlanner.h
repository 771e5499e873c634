//===- MemoryPlanner.h - Offsets for buffers with lifetimes -----*- C++ -*-===//
//
// Dynamic storage allocation: buffers whose lifetimes meet must not overlap, and the arena shall be
// small. Pure C++, deterministic: the effort is counted in steps, never in seconds.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_ALLOCATE_MEMORYPLANNER_H
#define REGIMEN_PASSES_ALLOCATE_MEMORYPLANNER_H

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace regimen::passes {

/// A buffer alive from time `first` to `last`, both included.
struct Interval {
  uint64_t bytes = 0;
  uint32_t first = 0;
  uint32_t last = 0;
};

struct PlannerOptions {
  /// Every offset is a multiple of it.
  uint64_t alignment = 64;
  /// An arena of this size is as good as a smaller one: the search stops there. 0: only at the
  /// lower bound.
  uint64_t goodEnough = 0;
  /// Effort: how many placed neighbours may be looked at in all. One placement is made whatever it
  /// costs.
  uint64_t steps = 60'000'000;
};

struct Placement {
  /// Bytes, by index of the interval.
  std::vector<uint64_t> offsets;
  /// End of the highest buffer, rounded up to the alignment.
  uint64_t bytes = 0;
  /// Largest sum of (aligned) bytes alive at one time: no placement is smaller.
  uint64_t lowerBound = 0;
  /// What found it, e.g. "best-fit by size".
  std::string_view strategy;
};

/// Tries a portfolio of orders (by size, lifetime, area, start, contention) with first and best
/// fit, then improves the best by local search on its order, until the lower bound, `goodEnough`,
/// or the end of the effort.
Placement planMemory(std::span<const Interval> intervals, const PlannerOptions &options = {});

} // namespace regimen::passes

#endif // REGIMEN_PASSES_ALLOCATE_MEMORYPLANNER_H
