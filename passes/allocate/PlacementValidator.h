//===- PlacementValidator.h - Proof that a placement is sound ---*- C++ -*-===//
//
// Shares no code with the planner, so that one mistake cannot hide in both.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_ALLOCATE_PLACEMENTVALIDATOR_H
#define REGIMEN_PASSES_ALLOCATE_PLACEMENTVALIDATOR_H

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace regimen::passes {

/// A buffer where it was put: bytes [offset, offset + bytes) from time `first` to `last`, both
/// included.
struct PlacedBuffer {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint32_t first = 0;
  uint32_t last = 0;
};

/// What is wrong with a placement; `second` is -1 where it concerns one buffer.
struct PlacementError {
  int64_t first = -1;
  int64_t second = -1;
  std::string message;
};

/// The first violation, or nothing: offsets are aligned, lifetimes are not empty, buffers end
/// within `arenaBytes`, and no two that are alive at the same time share a byte.
std::optional<PlacementError> validatePlacement(std::span<const PlacedBuffer> buffers,
                                                uint64_t arenaBytes, uint64_t alignment);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_ALLOCATE_PLACEMENTVALIDATOR_H
