//===- PlannedAllocator.h - Serves a call's allocations from the plan -----===//
//
// Many ATen kernels allocate their results and temporaries themselves. For a given call the
// sequence of allocations on the calling thread is always the same, so it is recorded once, at plan
// load, and replayed: the n-th allocation of the call gets the n-th planned address. What does not
// match falls to the allocator below and is counted.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_RUNTIME_KERNELS_PLANNEDALLOCATOR_H
#define REGIMEN_RUNTIME_KERNELS_PLANNEDALLOCATOR_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace regimen::runtime {

/// One allocation of a recorded call. Times count the call's allocations and frees.
struct RecordedAllocation {
  size_t bytes;
  void *address;
  uint32_t allocated;
  uint32_t freed = UINT32_MAX;
};
using AllocationLog = std::vector<RecordedAllocation>;

/// Where a call's n-th allocation goes; a null address leaves it to the allocator below.
struct PlannedSlot {
  size_t bytes;
  void *address;
};
using AllocationPlan = std::vector<PlannedSlot>;

/// Records the allocations of this thread while it lives.
class AllocationRecorder {
public:
  AllocationRecorder();
  ~AllocationRecorder();
  AllocationRecorder(const AllocationRecorder &) = delete;
  AllocationRecorder &operator=(const AllocationRecorder &) = delete;
  const AllocationLog &log() const { return entries; }

private:
  friend class PlannedAllocator;
  AllocationLog entries;
  uint64_t id;
  uint32_t time = 0;
};

/// Serves the allocations of this thread from a plan while it lives.
class AllocationReplay {
public:
  explicit AllocationReplay(const AllocationPlan &plan);
  ~AllocationReplay();
  AllocationReplay(const AllocationReplay &) = delete;
  AllocationReplay &operator=(const AllocationReplay &) = delete;

private:
  friend class PlannedAllocator;
  const AllocationPlan &plan;
  size_t next = 0;
};

/// Declares memory as planned while it lives: the allocator never frees addresses in it.
class PlannedRange {
public:
  PlannedRange(const void *begin, size_t bytes);
  ~PlannedRange();
  PlannedRange(const PlannedRange &) = delete;
  PlannedRange &operator=(const PlannedRange &) = delete;

private:
  const void *begin;
};

/// Bytes that kernels took from outside the arenas while counting was on, on all threads. The
/// allocator is the process's, so these figures are too.
class UnplannedMemory {
public:
  /// Installs the planned allocator as PyTorch's CPU allocator, once; every other class here needs
  /// it.
  static void install();
  static void setCounting(bool on);
  /// Largest number of bytes alive at once.
  static size_t peak();
  static void resetPeak();
};

/// Gives each allocation of a log that is not a result (`planned[n].address` still null) a place in
/// `scratch` where it does not meet another that lives at the same time; what does not fit keeps
/// its null address.
void placeInScratch(const AllocationLog &log, std::byte *scratch, size_t scratchBytes,
                    AllocationPlan &planned);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_KERNELS_PLANNEDALLOCATOR_H
