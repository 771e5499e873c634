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

namespace {
c10::DataPtr at(void *memory) { return {memory, memory, &keep, c10::Device(c10::kCPU)}; }

c10::Storage makeStorage(void *memory, size_t bytes) {
  return c10::Storage(c10::Storage::use_byte_size_t(), bytes, at(memory), /*allocator=*/nullptr,
                      /*resizable=*/false);
}
void point(const c10::Storage &storage, void *memory) {
  storage.unsafeGetStorageImpl()->set_data_ptr_noswap(at(memory));
}
} // namespace

PlanMemory::PlanMemory(const plan::fb::PlanT &plan, Device &device, SharedArenas *sharedArenas,
                       uint64_t rank)
    : touched(plan), plan(plan), device(device), rank(rank), own(plan.arenas.size()),
      shared(plan.arenas.size()), isNew(plan.arenas.size(), true) {
  using plan::fb::MemoryClass;
  UnplannedMemory::install();
  for (size_t i = 0; i < plan.arenas.size(); ++i) {
    const plan::fb::ArenaT &arena = *plan.arenas[i];
    if (arena.memory_class == MemoryClass::Frame)
      frameArena = i;
    bool real =
        arena.memory_class == MemoryClass::Static || arena.memory_class == MemoryClass::Work;
    std::byte *memory = nullptr;
    if (sharedArenas) {
      scratch.emplace_back(device, "scratch", arena.bytes);
      memory = scratch.back().data();
      if (real && arena.name != SharedArenas::kPrivate)
        shared[i] = &sharedArenas->get(arena, isNew[i]);
      else if (real)
        own[i] = PlannedArena(device, sharedArenas->name(arena.name), arena.bytes);
    } else if (real) {
      own[i] = PlannedArena(device, arena.name, arena.bytes);
      memory = own[i].data();
    }
    arenaStorages.push_back(makeStorage(memory, arena.bytes));
  }
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    if (!isCallers(*plan.buffers.at(i)))
      continue;
    size_t bytes = plan.buffers[i]->bytes;
    std::byte *memory = nullptr;
    if (sharedArenas) {
      scratch.emplace_back(device, "scratch", bytes);
      memory = scratch.back().data();
    }
    callerStorages.emplace(i, makeStorage(memory, bytes));
  }
  allTensors.reserve(plan.tensors.size());
  for (size_t i = 0; i < plan.tensors.size(); ++i)
    allTensors.push_back(makeTensor(i));
}

const c10::Storage &PlanMemory::storageOf(const plan::fb::BufferT &buffer, size_t index) const {
  return isCallers(buffer) ? callerStorages.at(index) : arenaStorages.at(buffer.arena);
}

at::Tensor PlanMemory::makeTensor(size_t index) const {
  const plan::fb::TensorT &tensor = *plan.tensors[index];
  const plan::fb::BufferT &buffer = *plan.buffers.at(tensor.buffer);
  at::ScalarType type = scalarType(tensor.dtype);
  uint64_t position = buffer.offset + tensor.byte_offset, elementBytes = c10::elementSize(type);
  std::vector<int64_t> sizes = tensor.sizes;
  if (tensor.segment) {
    plan::SegmentRange range = plan::segmentOf(*tensor.segment, rank);
    position = buffer.offset + range.begin * elementBytes;
    sizes = {static_cast<int64_t>(range.size)};
  }
  if (position % elementBytes != 0)
    throw Error("tensor " + std::to_string(index) +
                " of the plan is not aligned to its elements; compile it again");
  at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(storageOf(buffer, tensor.buffer)), c10::DispatchKeySet(c10::DispatchKey::CPU),
      c10::scalarTypeToTypeMeta(type));
  made.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, tensor.strides,
                                                    static_cast<int64_t>(position / elementBytes));
  return made;
}

PlanMemory::Range PlanMemory::rangeOf(size_t index, uint64_t rank) const {
  const plan::fb::TensorT &tensor = *plan.tensors.at(index);
  if (!tensor.segment)
    return {0, static_cast<uint64_t>(plan::numElements(tensor))};
  plan::SegmentRange range = plan::segmentOf(*tensor.segment, rank);
  return {range.skipped, range.size};
}

StorageWindow PlanMemory::buffer(size_t index) const {
  const plan::fb::BufferT &buffer = *plan.buffers.at(index);
  return {storageOf(buffer, index), buffer.offset, buffer.bytes};
}

void PlanMemory::settle() {
  for (size_t i = 0; i < arenaStorages.size(); ++i) {
    if (own[i].arena)
      own[i].arena->clear();
    point(arenaStorages[i], shared[i] ? shared[i]->data() : own[i].data());
  }
  for (const auto &[buffer, storage] : callerStorages)
    point(storage, nullptr);
  scratch.clear();
  for (const auto &constant : plan.constants)
    if (isNew[plan.buffers[plan.tensors[constant->tensor]->buffer]->arena])
      copyIn(constant->tensor, std::as_bytes(std::span(constant->data)));
}

void PlanMemory::refresh() {
  for (size_t i = 0; i < shared.size(); ++i)
    if (shared[i] && shared[i]->data() != arenaStorages[i].data())
      point(arenaStorages[i], shared[i]->data());
}

void PlanMemory::pointFrame(std::byte *memory) {
  if (frameArena)
    point(arenaStorages[*frameArena], memory);
}

void PlanMemory::pointCaller(size_t buffer, void *memory) {
  point(callerStorages.find(buffer)->second, memory);
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
