//===- PlacementValidator.cpp - Proof that a placement is sound -----------===//
#include "passes/allocate/PlacementValidator.h"

#include <map>
#include <vector>

using namespace regimen::passes;

std::optional<PlacementError>
regimen::passes::validatePlacement(std::span<const PlacedBuffer> buffers, uint64_t arenaBytes,
                                   uint64_t alignment) {
  // Births and deaths by time; what dies at t is still alive for what is born at t.
  std::map<uint32_t, std::vector<size_t>> births, deaths;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const PlacedBuffer &buffer = buffers[i];
    int64_t index = static_cast<int64_t>(i);
    if (buffer.offset % alignment != 0)
      return PlacementError{index, -1,
                            "offset " + std::to_string(buffer.offset) + " is no multiple of " +
                                std::to_string(alignment)};
    if (buffer.first > buffer.last)
      return PlacementError{index, -1,
                            "dies at " + std::to_string(buffer.last) + " before it is born at " +
                                std::to_string(buffer.first)};
    if (buffer.bytes > arenaBytes || buffer.offset > arenaBytes - buffer.bytes)
      return PlacementError{index, -1,
                            "ends beyond the arena of " + std::to_string(arenaBytes) + " bytes"};
    if (buffer.bytes == 0)
      continue;
    births[buffer.first].push_back(i);
    deaths[buffer.last].push_back(i);
  }

  std::map<uint64_t, size_t> alive; // by offset; disjoint as long as nothing was found
  auto death = deaths.begin();
  for (const auto &[time, born] : births) {
    for (; death != deaths.end() && death->first < time; ++death)
      for (size_t dead : death->second)
        alive.erase(buffers[dead].offset);
    for (size_t index : born) {
      const PlacedBuffer &buffer = buffers[index];
      auto [place, isNew] = alive.try_emplace(buffer.offset, index);
      const auto clashWith = [&](size_t other) {
        return PlacementError{static_cast<int64_t>(index), static_cast<int64_t>(other),
                              "share bytes while both are alive at " + std::to_string(time)};
      };
      if (!isNew)
        return clashWith(place->second);
      if (auto next = std::next(place);
          next != alive.end() && next->first - buffer.offset < buffer.bytes)
        return clashWith(next->second);
      if (place == alive.begin())
        continue;
      auto previous = std::prev(place);
      if (buffer.offset - previous->first < buffers[previous->second].bytes)
        return clashWith(previous->second);
    }
  }
  return std::nullopt;
}
