//===- PlanMemory.h - A plan's arenas and tensors -------------------------===//
#ifndef REGIMEN_RUNTIME_EXECUTOR_PLANMEMORY_H
#define REGIMEN_RUNTIME_EXECUTOR_PLANMEMORY_H

#include "formats/plan/Plan.h"
#include "runtime/device/Device.h"
#include "runtime/executor/SharedArenas.h"
#include "runtime/kernels/BoundCall.h"

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace regimen::runtime {

/// How far each arena was touched, in bytes from its start.
class Extents {
public:
  explicit Extents(const plan::fb::PlanT &plan);
  void addBuffer(size_t buffer);
  void addTensor(size_t tensor);
  void merge(const Extents &other);
  /// Sum over the arenas in a memory space.
  uint64_t total(plan::fb::MemorySpace space) const;

private:
  const plan::fb::PlanT *plan;
  std::vector<uint64_t> ends;
};

/// The arenas of a plan, and every tensor of it, made once over them. Tensors refer to storages
/// whose memory can be exchanged: a frame's and a caller's before each run. The plan outlives this.
///
/// At first all memory is zero and may be written while calls are bound; settle() ends that.
class PlanMemory {
public:
  /// Without `shared` all arenas are the plan's own, and there is no memory for frames and callers.
  /// `rank` says which segments of sharded states these are.
  PlanMemory(const plan::fb::PlanT &plan, Device &device, SharedArenas *shared = nullptr,
             uint64_t rank = 0);

  const std::vector<at::Tensor> &tensors() const { return allTensors; }
  /// Bytes of a buffer, wherever its storage is then.
  StorageWindow buffer(size_t index) const;
  /// Turns to the real memory: own arenas become zero again, shared ones stay as they are. Embeds
  /// the constants, of shared arenas only in those that this plan made.
  void settle();
  /// Follows shared work arenas that have grown.
  void refresh();
  /// The frame that the next run uses. `memory` has the frame arena's bytes.
  void pointFrame(std::byte *memory);
  /// The memory behind a caller's buffer in the next run.
  void pointCaller(size_t buffer, void *memory);
  /// Sets a tensor from contiguous little-endian elements.
  void copyIn(size_t tensor, std::span<const std::byte> values);
  /// Reads a tensor as contiguous little-endian elements.
  std::vector<std::byte> copyOut(size_t tensor) const;

  /// The elements of the whole of a segment that are this rank's; of any other tensor all.
  struct Range {
    uint64_t begin = 0, size = 0;
  };
  Range ownRange(size_t tensor) const { return rangeOf(tensor, rank); }
  Range rangeOf(size_t tensor, uint64_t rank) const;

  Extents touched;

private:
  at::Tensor makeTensor(size_t index) const;
  const c10::Storage &storageOf(const plan::fb::BufferT &buffer, size_t index) const;
  bool isCallers(const plan::fb::BufferT &buffer) const {
    return plan.arenas[buffer.arena]->memory_class == plan::fb::MemoryClass::Caller;
  }

  const plan::fb::PlanT &plan;
  Device &device;
  const uint64_t rank;
  /// By arena: this plan's own memory, or an entry of the shared arenas.
  std::vector<PlannedArena> own;
  std::vector<SharedArenas::Entry *> shared;
  std::vector<bool> isNew;
  /// Memory for binding calls when the real one holds states already.
  std::vector<PlannedArena> scratch;
  std::vector<c10::Storage> arenaStorages;
  std::map<size_t, c10::Storage> callerStorages; // by buffer
  std::optional<size_t> frameArena;
  std::vector<at::Tensor> allTensors;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_EXECUTOR_PLANMEMORY_H
