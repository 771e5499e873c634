//===- SharedArenas.cpp ---------------------------------------------------===//
#include "runtime/executor/SharedArenas.h"

#include "formats/Error.h"

#include <algorithm>

namespace regimen::runtime {

SharedArenas::Entry &SharedArenas::get(const plan::fb::ArenaT &arena,
                                       std::vector<bool>::reference isNew) {
  auto [it, fresh] = entries.try_emplace(arena.name);
  Entry &entry = it->second;
  isNew = fresh;
  bool work = arena.memory_class == plan::fb::MemoryClass::Work;
  if (fresh || (work && entry.memory.bytes() < arena.bytes))
    entry.memory = PlannedArena(device, name(arena.name), arena.bytes);
  else if (!work && entry.memory.bytes() != arena.bytes)
    throw Error("the plan has an arena '" + arena.name + "' of " + std::to_string(arena.bytes) +
                " bytes, the model's has " + std::to_string(entry.memory.bytes()) +
                "; compile it again with the model's layout");
  return entry;
}

PlannedArena *FramePool::lease(size_t bytes, bool &grown) {
  std::lock_guard lock(mutex);
  grown = false;
  if (limit && frames.size() - free.size() >= *limit)
    throw Error("memory.frames = " + std::to_string(*limit) + ": a forward while " +
                std::to_string(*limit) + (*limit == 1 ? " other waits" : " others wait") +
                " for its backward; run a backward, drop an output, call under torch.no_grad(), or "
                "raise memory.frames");
  auto fits = std::find_if(free.rbegin(), free.rend(),
                           [&](PlannedArena *frame) { return frame->bytes() >= bytes; });
  if (fits != free.rend()) {
    PlannedArena *frame = *fits;
    free.erase(std::next(fits).base());
    return frame;
  }
  grown = true;
  PlannedArena memory(device, name, bytes);
  // A frame of a smaller specialisation makes way.
  if (!free.empty()) {
    PlannedArena *frame = free.back();
    free.pop_back();
    *frame = std::move(memory);
    return frame;
  }
  frames.push_back(std::make_unique<PlannedArena>(std::move(memory)));
  free.reserve(frames.size());
  return frames.back().get();
}

void FramePool::giveBack(PlannedArena *frame) {
  std::lock_guard lock(mutex);
  free.push_back(frame);
}

size_t FramePool::live() const {
  std::lock_guard lock(mutex);
  return frames.size() - free.size();
}
size_t FramePool::allocated() const {
  std::lock_guard lock(mutex);
  return frames.size();
}
size_t FramePool::allocatedBytes() const {
  std::lock_guard lock(mutex);
  size_t sum = 0;
  for (const auto &frame : frames)
    sum += frame->bytes();
  return sum;
}

} // namespace regimen::runtime
