//===- Shard.cpp ----------------------------------------------------------===//
#include "runtime/torch/Shard.h"

#include "formats/Error.h"
#include "runtime/kernels/BoundCall.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/TensorImpl.h>

#include <algorithm>
#include <optional>
#include <span>

namespace regimen::runtime {

std::vector<uint32_t> bucketsOf(const plan::fb::PlanT &plan) {
  std::vector<std::optional<uint32_t>> found(plan.parameters.size());
  for (uint32_t bucket = 0; bucket < plan.buckets.size(); ++bucket)
    for (uint32_t parameter : plan.buckets[bucket]->parameters)
      found.at(parameter) = bucket;
  std::vector<uint32_t> buckets;
  for (size_t i = 0; i < found.size(); ++i) {
    if (!found[i] && plan::ranksOf(plan) > 1)
      throw Error("the plan does not say in which bucket parameter '" + plan.parameters[i]->name +
                  "' lies; compile the model again");
    buckets.push_back(found[i].value_or(0));
  }
  return buckets;
}

Shard::Shard(const plan::fb::PlanT &plan, const plan::fb::ParameterT &parameter, uint32_t bucket)
    : bucket(bucket) {
  const plan::fb::TensorT &tensor = *plan.tensors[parameter.tensor];
  const uint32_t ranks = plan::ranksOf(plan);
  sizes = tensor.segment ? parameter.sizes : tensor.sizes;
  elements = 1;
  for (int64_t size : sizes)
    elements *= static_cast<uint64_t>(size);
  shard = elements;
  if (ranks == 1)
    return;
  const plan::fb::BucketT &entry = *plan.buckets[bucket];
  stage = entry.zero;
  offset = tensor.segment ? tensor.segment->begin
                          : tensor.byte_offset / plan::elementBytes(tensor.dtype);
  shard = entry.elements / ranks;
}

Shard::Range Shard::rangeOf(uint64_t rank) const {
  plan::fb::ShardPartT part;
  part.begin = offset;
  part.elements = elements;
  part.shard = shard;
  plan::SegmentRange range = plan::segmentOf(part, rank);
  return {static_cast<int64_t>(range.skipped), static_cast<int64_t>(range.size)};
}

at::Tensor makePlaceholder(at::IntArrayRef sizes, at::ScalarType type, std::string message) {
  c10::Storage storage(c10::Storage::use_byte_size_t(), 0,
                       c10::DataPtr(nullptr, c10::Device(c10::kCPU)), /*allocator=*/nullptr,
                       /*resizable=*/false);
  storage.unsafeGetStorageImpl()->release_data_and_set_meta_custom_data_ptr_error_msg_(
      std::move(message));
  at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CPU),
      c10::scalarTypeToTypeMeta(type));
  made.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return made;
}

static std::span<std::byte> bytesOf(const at::Tensor &tensor) {
  return {static_cast<std::byte *>(tensor.mutable_data_ptr()), tensor.nbytes()};
}

at::Tensor gatherWhole(Communicator &ranks, const Shard &shard, const at::Tensor &part) {
  at::Tensor whole = at::detail::empty_cpu(shard.sizes, part.scalar_type(), std::nullopt,
                                           std::nullopt, std::nullopt, std::nullopt);
  const size_t width = part.element_size();
  // Everyone sends as much as the largest part has.
  const size_t most = std::min(shard.elements, shard.shard) * width;
  std::vector<std::byte> own(most), all(most * static_cast<size_t>(ranks.size()));
  std::copy_n(bytesOf(part).begin(), part.nbytes(), own.begin());
  ranks.host().scalars().allGatherBytes(own, all);
  for (int rank = 0; rank < ranks.size(); ++rank) {
    Shard::Range range = shard.rangeOf(static_cast<uint64_t>(rank));
    std::copy_n(all.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(rank) * most),
                static_cast<size_t>(range.size) * width,
                bytesOf(whole).begin() + range.begin * static_cast<ptrdiff_t>(width));
  }
  return whole;
}

void setPart(const Shard &shard, uint64_t rank, const at::Tensor &whole, const at::Tensor &part) {
  if (whole.sizes() != at::IntArrayRef(shard.sizes) || whole.scalar_type() != part.scalar_type())
    throw Error(std::string("a tensor of ") + c10::toString(part.scalar_type()) + " and " +
                std::to_string(shard.elements) + " elements is needed, with the parameter's shape");
  Shard::Range range = shard.rangeOf(rank);
  part.copy_(whole.contiguous().view({-1}).narrow(0, range.begin, range.size));
}

void broadcastFirst(Communicator &ranks, const at::Tensor &tensor) {
  at::Tensor flat = tensor.contiguous();
  std::span<std::byte> bytes = bytesOf(flat);
  ranks.host().scalars().broadcast(bytes.data(), bytes.size(), 0);
  if (!flat.is_same(tensor))
    tensor.copy_(flat);
}

} // namespace regimen::runtime
