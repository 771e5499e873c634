//===- SharedArenas.h - Memory of several plans of one model --------------===//
#ifndef REGIMEN_RUNTIME_EXECUTOR_SHAREDARENAS_H
#define REGIMEN_RUNTIME_EXECUTOR_SHAREDARENAS_H

#include "formats/plan/Plan.h"
#include "runtime/device/Device.h"
#include "runtime/kernels/PlannedAllocator.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace regimen::runtime {

/// An arena that the allocator knows as planned memory.
struct PlannedArena {
  PlannedArena() = default;
  PlannedArena(Device &device, const std::string &name, size_t bytes)
      : arena(device.createArena(name, bytes)),
        range(std::make_unique<PlannedRange>(arena->data(), bytes)) {}

  std::byte *data() const { return arena ? arena->data() : nullptr; }
  size_t bytes() const { return arena ? arena->bytes() : 0; }

  std::unique_ptr<Arena> arena;
  std::unique_ptr<PlannedRange> range;
};

/// Static arenas by name, the same bytes for every plan, and work arenas as large as the largest
/// plan wants them. Used from one thread.
class SharedArenas {
public:
  /// The static arena that every plan has for itself.
  static constexpr const char *kPrivate = "constants";

  struct Entry {
    PlannedArena memory;
    /// Moves when a work arena grows, which only happens between runs.
    std::byte *data() const { return memory.data(); }
  };

  /// `model` names the arenas to the outside.
  SharedArenas(Device &device, std::string model) : device(device), model(std::move(model)) {}

  /// Throws Error when a static arena has other bytes than an earlier plan's. `isNew`: made just
  /// now.
  Entry &get(const plan::fb::ArenaT &arena, std::vector<bool>::reference isNew);
  const std::map<std::string, Entry> &all() const { return entries; }
  /// Forgets the arenas that are not among these, which nothing may use any more.
  void keepOnly(const std::set<std::string> &names) {
    std::erase_if(entries, [&](const auto &entry) { return !names.contains(entry.first); });
  }
  std::string name(const std::string &arena) const { return model + "/" + arena; }

private:
  Device &device;
  std::string model;
  std::map<std::string, Entry> entries;
};

/// Frames of outstanding forwards. A frame is used again when it is given back; the pool never
/// shrinks. Used from any thread.
class FramePool {
public:
  /// At most `limit` frames in use at once.
  FramePool(Device &device, std::string name, std::optional<size_t> limit)
      : device(device), name(std::move(name)), limit(limit) {}

  /// A frame of at least so many bytes; what it holds is undefined. Throws Error naming
  /// memory.frames when the limit is reached. `grown`: memory was allocated for it.
  PlannedArena *lease(size_t bytes, bool &grown);
  void giveBack(PlannedArena *frame);

  size_t live() const;
  size_t allocated() const;
  size_t allocatedBytes() const;

private:
  Device &device;
  std::string name;
  std::optional<size_t> limit;
  mutable std::mutex mutex;
  std::vector<std::unique_ptr<PlannedArena>> frames;
  std::vector<PlannedArena *> free;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_EXECUTOR_SHAREDARENAS_H
