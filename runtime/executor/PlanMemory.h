//===- PlanMemory.h - A plan's arenas and tensors -------------------------===//
#ifndef REGIMEN_RUNTIME_EXECUTOR_PLANMEMORY_H
#define REGIMEN_RUNTIME_EXECUTOR_PLANMEMORY_H

#include "formats/plan/Plan.h"
#include "runtime/device/Device.h"
#include "runtime/kernels/PlannedAllocator.h"

#include <ATen/core/Tensor.h>

#include <memory>
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

/// Allocates the arenas of a plan and makes every tensor of it, once, over them. The plan outlives
/// this.
class PlanMemory {
public:
  PlanMemory(const plan::fb::PlanT &plan, Device &device);

  const std::vector<at::Tensor> &tensors() const { return allTensors; }
  /// Bytes of a buffer in its arena.
  std::span<std::byte> buffer(size_t index) const;
  /// Makes everything zero and untouched.
  void clear();
  /// Sets a tensor from contiguous little-endian elements.
  void copyIn(size_t tensor, std::span<const std::byte> values);
  /// Reads a tensor as contiguous little-endian elements.
  std::vector<std::byte> copyOut(size_t tensor) const;

  Extents touched;

private:
  at::Tensor makeTensor(size_t index) const;

  const plan::fb::PlanT &plan;
  Device &device;
  std::vector<std::unique_ptr<Arena>> arenas;
  std::vector<std::unique_ptr<PlannedRange>> ranges;
  std::vector<at::Tensor> allTensors;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_EXECUTOR_PLANMEMORY_H
