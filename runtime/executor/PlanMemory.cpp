//===- PlanMemory.cpp -----------------------------------------------------===//
#include "runtime/executor/PlanMemory.h"

#include "formats/Error.h"
#include "runtime/kernels/BoundCall.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/TensorImpl.h>

#include <algorithm>
#include <cstring>

namespace regimen::runtime {
namespace {

void keep(void *) {}

/// A contiguous tensor over host bytes that are not ours; their address need not be aligned.
at::Tensor overBytes(const void *values, size_t bytes, at::ScalarType type, at::IntArrayRef sizes) {
  auto *memory = const_cast<void *>(values);
  c10::Storage storage(c10::Storage::use_byte_size_t(), bytes,
                       c10::DataPtr(memory, memory, &keep, c10::Device(c10::kCPU)), nullptr,
                       /*resizable=*/false);
  at::Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CPU),
      c10::scalarTypeToTypeMeta(type));
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return tensor;
}

} // namespace

Extents::Extents(const plan::fb::PlanT &plan) : plan(&plan), ends(plan.arenas.size(), 0) {}

void Extents::addBuffer(size_t index) {
  const plan::fb::BufferT &buffer = *plan->buffers[index];
  // An arena is laid out in units of the alignment: the last buffer owns its padding.
  uint64_t end =
      (buffer.offset + buffer.bytes + plan::kAlignment - 1) / plan::kAlignment * plan::kAlignment;
  ends[buffer.arena] =
      std::max(ends[buffer.arena], std::min<uint64_t>(end, plan->arenas[buffer.arena]->bytes));
}
void Extents::addTensor(size_t tensor) { addBuffer(plan->tensors[tensor]->buffer); }
void Extents::merge(const Extents &other) {
  for (size_t i = 0; i < ends.size(); ++i)
    ends[i] = std::max(ends[i], other.ends[i]);
}
uint64_t Extents::total(plan::fb::MemorySpace space) const {
  uint64_t sum = 0;
  for (size_t i = 0; i < ends.size(); ++i)
    if (plan->arenas[i]->space == space)
      sum += ends[i];
  return sum;
}

PlanMemory::PlanMemory(const plan::fb::PlanT &plan, Device &device)
    : touched(plan), plan(plan), device(device) {
  UnplannedMemory::install();
  for (const auto &arena : plan.arenas) {
    arenas.push_back(device.createArena(arena->name, arena->bytes));
    ranges.push_back(std::make_unique<PlannedRange>(arenas.back()->data(), arena->bytes));
  }
  allTensors.reserve(plan.tensors.size());
  for (size_t i = 0; i < plan.tensors.size(); ++i)
    allTensors.push_back(makeTensor(i));
}

at::Tensor PlanMemory::makeTensor(size_t index) const {
  const plan::fb::TensorT &tensor = *plan.tensors[index];
  const plan::fb::BufferT &buffer = *plan.buffers.at(tensor.buffer);
  at::ScalarType type = scalarType(tensor.dtype);
  uint64_t position = buffer.offset + tensor.byte_offset, elementBytes = c10::elementSize(type);
  if (position % elementBytes != 0)
    throw Error("tensor " + std::to_string(index) +
                " of the plan is not aligned to its elements; compile it again");
  at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(arenas.at(buffer.arena)->storage()), c10::DispatchKeySet(c10::DispatchKey::CPU),
      c10::scalarTypeToTypeMeta(type));
  made.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes, tensor.strides,
                                                    static_cast<int64_t>(position / elementBytes));
  return made;
}

std::span<std::byte> PlanMemory::buffer(size_t index) const {
  const plan::fb::BufferT &buffer = *plan.buffers.at(index);
  return {arenas.at(buffer.arena)->data() + buffer.offset, buffer.bytes};
}

void PlanMemory::clear() {
  for (const std::unique_ptr<Arena> &arena : arenas)
    arena->clear();
}

void PlanMemory::copyIn(size_t index, std::span<const std::byte> values) {
  const at::Tensor &tensor = allTensors.at(index);
  if (values.size() != tensor.nbytes())
    throw Error("tensor " + std::to_string(index) + " of the plan holds " +
                std::to_string(tensor.nbytes()) + " bytes, " + std::to_string(values.size()) +
                " were given");
  touched.addTensor(index);
  if (values.empty())
    return;
  if (tensor.is_contiguous()) {
    device.copyToDevice(tensor.mutable_data_ptr(), values.data(), values.size());
    return;
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  tensor.copy_(overBytes(values.data(), values.size(), tensor.scalar_type(), tensor.sizes()));
}

std::vector<std::byte> PlanMemory::copyOut(size_t index) const {
  at::AutoDispatchBelowADInplaceOrView guard;
  const at::Tensor &tensor = allTensors.at(index);
  std::vector<std::byte> values(tensor.nbytes());
  if (values.empty())
    return values;
  if (tensor.is_contiguous())
    device.copyToHost(values.data(), tensor.const_data_ptr(), values.size());
  else
    overBytes(values.data(), values.size(), tensor.scalar_type(), tensor.sizes()).copy_(tensor);
  return values;
}

} // namespace regimen::runtime
