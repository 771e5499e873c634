//===- TensorFiles.cpp ----------------------------------------------------===//
#include "runtime/checkpoint/TensorFiles.h"

#include "formats/Digest.h"
#include "formats/Error.h"
#include "formats/MappedFile.h"
#include "formats/SharedFile.h"
#include "formats/safetensors/Safetensors.h"
#include "runtime/data/Types.h"

#include <algorithm>
#include <map>
#include <vector>

namespace regimen::runtime {
namespace {

namespace fs = std::filesystem;

safetensors::Layout layoutOf(const fs::path &path, const plan::fb::PlanT &plan,
                             std::span<const ModelTensor> tensors) {
  std::vector<safetensors::TensorInfo> infos;
  for (const ModelTensor &tensor : tensors)
    infos.push_back({tensor.name, toSafetensors(plan.tensors[tensor.tensor]->dtype), tensor.sizes});
  return {path.string(), infos, {{"format", "pt"}}};
}

/// Elements of the whole tensor that this rank writes: its segment, or an equal part of what all
/// ranks have.
PlanMemory::Range writtenRange(Executor &executor, const ModelTensor &tensor) {
  const plan::fb::TensorT &entry = *executor.plan().tensors[tensor.tensor];
  if (entry.segment)
    return executor.memory().ownRange(tensor.tensor);
  const auto elements = static_cast<uint64_t>(plan::numElements(entry));
  const auto rank = static_cast<uint64_t>(executor.rank());
  const auto ranks = static_cast<uint64_t>(executor.rankCount());
  if (tensor.rankLocal)
    return {0, rank == 0 ? elements : 0};
  const uint64_t part = (elements + ranks - 1) / ranks, begin = std::min(rank * part, elements);
  return {begin, std::min(part, elements - begin)};
}

/// Everyone's number.
std::vector<uint64_t> exchange(Executor &executor, uint64_t own) {
  std::vector<uint64_t> all(static_cast<size_t>(executor.rankCount()), own);
  if (Communicator *ranks = executor.communicator())
    ranks->host().scalars().allGatherBytes(std::as_bytes(std::span(&own, 1)),
                                           std::as_writable_bytes(std::span(all)));
  return all;
}

} // namespace

void createTensorFile(const fs::path &path, const plan::fb::PlanT &plan,
                      std::span<const ModelTensor> tensors) {
  safetensors::Layout layout = layoutOf(path, plan, tensors);
  SharedFile::create(path, layout.fileBytes(), layout.header());
}

void writeOwnParts(const fs::path &path, Executor &executor, std::span<const ModelTensor> tensors) {
  safetensors::Layout layout = layoutOf(path, executor.plan(), tensors);
  SharedFile file(path);
  for (const ModelTensor &tensor : tensors) {
    PlanMemory::Range range = writtenRange(executor, tensor);
    if (range.size == 0)
      continue;
    const plan::fb::TensorT &entry = *executor.plan().tensors[tensor.tensor];
    const size_t width = plan::elementBytes(entry.dtype);
    std::vector<std::byte> values = executor.memory().copyOut(tensor.tensor);
    std::span<const std::byte> own = values;
    // Of a segment, what the rank holds is what it writes.
    if (!entry.segment)
      own = own.subspan(range.begin * width, range.size * width);
    file.writeAt(layout.ranges().at(tensor.name).begin + range.begin * width, own);
  }
  file.sync();
}

std::string digestTogether(const fs::path &path, Executor &executor, uint64_t pieceBytes) {
  MappedFile file = MappedFile::open(path);
  std::span<const std::byte> bytes = file.bytes();
  std::vector<uint64_t> sizes = exchange(executor, bytes.size());
  if (std::any_of(sizes.begin(), sizes.end(), [&](uint64_t size) { return size != bytes.size(); }))
    throw Error("the ranks see different files as " + path.string() +
                "; checkpoints need a folder that all ranks share");
  const auto ranks = static_cast<uint64_t>(executor.rankCount());
  const uint64_t pieces = (bytes.size() + pieceBytes - 1) / pieceBytes;
  const uint64_t perRank = (pieces + ranks - 1) / ranks;
  constexpr size_t kDigits = 64;
  std::string own(perRank * kDigits, ' '), all(own.size() * ranks, ' ');
  const uint64_t first = static_cast<uint64_t>(executor.rank()) * perRank;
  for (uint64_t i = 0; i < perRank && first + i < pieces; ++i) {
    uint64_t begin = (first + i) * pieceBytes;
    own.replace(i * kDigits, kDigits,
                sha256(bytes.subspan(begin, std::min(pieceBytes, bytes.size() - begin))));
  }
  if (Communicator *communicator = executor.communicator())
    communicator->host().scalars().allGatherBytes(std::as_bytes(std::span(own)),
                                                  std::as_writable_bytes(std::span(all)));
  else
    all = own;
  all.resize(pieces * kDigits);
  return sha256(std::as_bytes(std::span(all)));
}

} // namespace regimen::runtime
