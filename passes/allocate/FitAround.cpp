//===- FitAround.cpp - Offsets between buffers that have theirs -----------===//
#include "passes/allocate/FitAround.h"

#include <algorithm>
#include <numeric>

using namespace regimen::passes;

static uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::vector<std::optional<uint64_t>>
regimen::passes::fitAround(std::span<const Interval> intervals,
                           std::span<const PlacedBuffer> obstacles, uint64_t bytes,
                           uint64_t alignment) {
  std::vector<size_t> order(intervals.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return intervals[a].bytes > intervals[b].bytes; });
  /// By offset.
  std::vector<PlacedBuffer> placed(obstacles.begin(), obstacles.end());
  auto byOffset = [](const PlacedBuffer &a, const PlacedBuffer &b) { return a.offset < b.offset; };
  std::stable_sort(placed.begin(), placed.end(), byOffset);

  std::vector<std::optional<uint64_t>> offsets(intervals.size());
  for (size_t index : order) {
    const Interval &interval = intervals[index];
    uint64_t size = roundUp(interval.bytes, alignment), at = 0;
    for (const PlacedBuffer &other : placed) {
      if (other.last < interval.first || other.first > interval.last)
        continue;
      if (other.offset >= at + size)
        break;
      at = std::max(at, roundUp(other.offset + other.bytes, alignment));
    }
    if (at + size > bytes)
      continue;
    offsets[index] = at;
    PlacedBuffer mine{at, size, interval.first, interval.last};
    placed.insert(std::upper_bound(placed.begin(), placed.end(), mine, byOffset), mine);
  }
  return offsets;
}
