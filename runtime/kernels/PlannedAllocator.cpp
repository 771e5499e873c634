//===- PlannedAllocator.cpp -----------------------------------------------===//
#include "runtime/kernels/PlannedAllocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <shared_mutex>

namespace regimen::runtime {
namespace {

/// Everything in an arena starts at a multiple of this; so does what kernels get here.
constexpr size_t kAlignment = 64;

/// Stands before every allocation that is not planned. Its size keeps the alignment.
struct Header {
  void *context;             // of the allocator below
  c10::DeleterFnPtr deleter; // of the allocator below
  size_t bytes;
  uint64_t recorder; // id of the recording it is part of, or 0
  uint32_t ordinal;  // in that recording
  bool counted;
};
static_assert(sizeof(Header) <= kAlignment - sizeof(uint64_t));

/// Stands right before every block of ours, with the block's address mixed in. Blocks handed back
/// bare may be of the allocator below, from before this one was installed; there stands the heap's
/// own bookkeeping.
constexpr uint64_t kMark = 0x9e6d3a5c71f8b247;

void mark(void *pointer) {
  *(static_cast<uint64_t *>(pointer) - 1) = kMark ^ reinterpret_cast<uintptr_t>(pointer);
}
#if defined(__GNUC__)
__attribute__((no_sanitize_address))
#endif
bool isMarked(const void *pointer) {
  return *(static_cast<const volatile uint64_t *>(pointer) - 1) ==
         (kMark ^ reinterpret_cast<uintptr_t>(pointer));
}

Header *headerOf(void *pointer) {
  return reinterpret_cast<Header *>(static_cast<std::byte *>(pointer) - kAlignment);
}

void keep(void *) {}

} // namespace

/// c10 keeps one allocator per device type for the whole process, and blocks may be freed after any
/// executor is gone, so the one instance is never destroyed.
class PlannedAllocator final : public c10::Allocator {
public:
  static PlannedAllocator &instance() {
    static auto *allocator = new PlannedAllocator;
    return *allocator;
  }

  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device cpu(c10::kCPU);
    if (bytes == 0)
      return {nullptr, nullptr, &keep, cpu};
    if (AllocationReplay *active = replay) {
      size_t ordinal = active->next++;
      if (ordinal < active->plan.size()) {
        const PlannedSlot &slot = active->plan[ordinal];
        if (slot.address && slot.bytes == bytes)
          return {slot.address, slot.address, &keep, cpu};
      }
    }
    c10::DataPtr block = below->allocate(bytes + kAlignment);
    c10::DeleterFnPtr deleter = block.get_deleter();
    auto *memory = static_cast<std::byte *>(block.get());
    auto *header = new (memory) Header{block.release_context(), deleter, bytes, 0, 0, false};
    void *pointer = memory + kAlignment;
    mark(pointer);
    if (counting.load(std::memory_order_relaxed)) {
      header->counted = true;
      size_t now = live.fetch_add(bytes, std::memory_order_relaxed) + bytes;
      size_t most = mostLive.load(std::memory_order_relaxed);
      while (most < now && !mostLive.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
      }
    }
    if (AllocationRecorder *active = recorder) {
      header->recorder = active->id;
      header->ordinal = static_cast<uint32_t>(active->entries.size());
      active->entries.push_back({bytes, pointer, active->time++});
    }
    return {pointer, pointer, &release, cpu};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &releaseRaw; }
  void copy_data(void *destination, const void *source, size_t bytes) const override {
    below->copy_data(destination, source, bytes);
  }

  void addRange(const void *begin, size_t bytes) {
    std::unique_lock lock(rangesMutex);
    ranges.push_back(
        {static_cast<const std::byte *>(begin), static_cast<const std::byte *>(begin) + bytes});
  }
  void removeRange(const void *begin) {
    std::unique_lock lock(rangesMutex);
    auto found = std::find_if(ranges.begin(), ranges.end(),
                              [&](const Range &range) { return range.begin == begin; });
    if (found != ranges.end())
      ranges.erase(found);
  }

  static uint64_t nextRecorderId() {
    static std::atomic<uint64_t> ids{0};
    return ++ids;
  }

  // Worker threads of a kernel allocate too; only the thread that issues the call follows the plan.
  static inline thread_local AllocationReplay *replay = nullptr;
  static inline thread_local AllocationRecorder *recorder = nullptr;
  std::atomic<bool> counting{false};
  std::atomic<size_t> live{0}, mostLive{0};

private:
  struct Range {
    const std::byte *begin, *end;
  };

  PlannedAllocator() : below(c10::GetAllocator(c10::kCPU)) {
    c10::SetAllocator(c10::kCPU, this, /*priority=*/1);
  }

  static void release(void *pointer) {
    if (!pointer)
      return;
    Header *header = headerOf(pointer);
    if (header->counted)
      instance().live.fetch_sub(header->bytes, std::memory_order_relaxed);
    if (AllocationRecorder *active = recorder; active && header->recorder == active->id)
      active->entries[header->ordinal].freed = active->time++;
    header->deleter(header->context);
  }

  /// Users of raw_allocate hand back bare pointers, planned ones among them.
  static void releaseRaw(void *pointer) {
    PlannedAllocator &self = instance();
    {
      std::shared_lock lock(self.rangesMutex);
      for (const Range &range : self.ranges)
        if (pointer >= range.begin && pointer < range.end)
          return;
    }
    if (pointer && !isMarked(pointer))
      self.below->raw_deallocate(pointer);
    else
      release(pointer);
  }

  c10::Allocator *below;
  std::shared_mutex rangesMutex;
  std::vector<Range> ranges;
};

AllocationRecorder::AllocationRecorder() : id(PlannedAllocator::nextRecorderId()) {
  UnplannedMemory::install();
  PlannedAllocator::recorder = this;
}
AllocationRecorder::~AllocationRecorder() { PlannedAllocator::recorder = nullptr; }

AllocationReplay::AllocationReplay(const AllocationPlan &plan) : plan(plan) {
  PlannedAllocator::replay = this;
}
AllocationReplay::~AllocationReplay() { PlannedAllocator::replay = nullptr; }

PlannedRange::PlannedRange(const void *begin, size_t bytes) : begin(begin) {
  PlannedAllocator::instance().addRange(begin, bytes);
}
PlannedRange::~PlannedRange() { PlannedAllocator::instance().removeRange(begin); }

void UnplannedMemory::install() { PlannedAllocator::instance(); }
void UnplannedMemory::setCounting(bool on) { PlannedAllocator::instance().counting.store(on); }
size_t UnplannedMemory::peak() { return PlannedAllocator::instance().mostLive.load(); }
void UnplannedMemory::resetPeak() { PlannedAllocator::instance().mostLive.store(0); }

void placeInScratch(const AllocationLog &log, std::byte *scratch, size_t scratchBytes,
                    AllocationPlan &planned) {
  struct Placed {
    size_t begin, end;
    uint32_t allocated, freed;
  };
  std::vector<Placed> placed;
  for (size_t n = 0; n < log.size(); ++n) {
    if (planned[n].address)
      continue;
    // First fit: the lowest gap between what lives at the same time.
    std::vector<Placed> neighbours;
    for (const Placed &other : placed)
      if (other.allocated < log[n].freed && log[n].allocated < other.freed)
        neighbours.push_back(other);
    std::sort(neighbours.begin(), neighbours.end(),
              [](const Placed &a, const Placed &b) { return a.begin < b.begin; });
    size_t offset = 0;
    for (const Placed &other : neighbours) {
      if (offset + log[n].bytes <= other.begin)
        break;
      offset = std::max(offset, (other.end + kAlignment - 1) / kAlignment * kAlignment);
    }
    if (offset + log[n].bytes > scratchBytes)
      continue;
    placed.push_back({offset, offset + log[n].bytes, log[n].allocated, log[n].freed});
    planned[n].address = scratch + offset;
  }
}

} // namespace regimen::runtime
