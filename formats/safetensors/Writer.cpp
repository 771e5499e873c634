#include "formats/safetensors/Safetensors.h"

#include "formats/Error.h"

#include <nlohmann/json.hpp>

#include <algorithm>

using namespace regimen;
using namespace regimen::safetensors;

/// Payloads start at a multiple of this; the format pads its header with spaces.
static constexpr uint64_t kAlignment = 8;

static uint64_t countBytes(const TensorInfo &tensor) {
  uint64_t bytes = elementBytes(tensor.dtype);
  for (int64_t size : tensor.shape)
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes))
      throw Error("tensor '" + tensor.name + "' has an impossible shape");
  return bytes;
}

Writer::Writer(const std::filesystem::path &path, const std::vector<TensorInfo> &tensors,
               const std::map<std::string, std::string> &metadata)
    : fileName(path.string()), file(path) {
  std::vector<const TensorInfo *> sorted;
  for (const TensorInfo &tensor : tensors)
    sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const TensorInfo *a, const TensorInfo *b) {
    unsigned aBytes = elementBytes(a->dtype), bBytes = elementBytes(b->dtype);
    return aBytes != bBytes ? aBytes > bBytes : a->name < b->name;
  });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  auto &entries = header.get_ref<nlohmann::ordered_json::object_t &>();
  if (!metadata.empty())
    entries.emplace_back("__metadata__", metadata);
  uint64_t end = 0;
  for (const TensorInfo *tensor : sorted) {
    uint64_t start = end;
    end += countBytes(*tensor);
    if (tensor->name == "__metadata__" || !ranges.emplace(tensor->name, Range{start, end}).second)
      throw Error("'" + fileName + "': cannot write a tensor named '" + tensor->name +
                  "' twice or at all");
    // Appended as they are: the map above has seen to duplicates, and this one searches linearly.
    entries.emplace_back(tensor->name, nlohmann::ordered_json{{"dtype", name(tensor->dtype)},
                                                              {"shape", tensor->shape},
                                                              {"data_offsets", {start, end}}});
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception &) {
    throw Error("'" + fileName + "': a name or metadata is not UTF-8");
  }
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  uint64_t headerBytes = text.size();
  file.write(std::as_bytes(std::span(&headerBytes, 1)));
  file.write(std::as_bytes(std::span(text)));
  for (auto &[tensor, range] : ranges) {
    range.next += sizeof(headerBytes) + headerBytes;
    range.end += sizeof(headerBytes) + headerBytes;
  }
}

void Writer::write(std::string_view tensor, std::span<const std::byte> bytes) {
  auto it = ranges.find(tensor);
  if (it == ranges.end())
    throw Error("'" + fileName + "': tensor '" + std::string(tensor) + "' was not declared");
  Range &range = it->second;
  if (bytes.size() > range.end - range.next)
    throw Error("'" + fileName + "': tensor '" + std::string(tensor) +
                "' gets more bytes than its shape has");
  file.writeAt(range.next, bytes);
  range.next += bytes.size();
}

void Writer::finish() {
  for (const auto &[tensor, range] : ranges)
    if (range.next != range.end)
      throw Error("'" + fileName + "': tensor '" + tensor + "' is incomplete");
  file.commit();
}

void regimen::safetensors::write(const std::filesystem::path &path,
                                 const std::map<std::string, TensorView, std::less<>> &tensors,
                                 const std::map<std::string, std::string> &metadata) {
  std::vector<TensorInfo> infos;
  for (const auto &[name, view] : tensors)
    infos.push_back({name, view.dtype, view.shape});
  Writer writer(path, infos, metadata);
  for (const auto &[name, view] : tensors)
    writer.write(name, view.bytes);
  writer.finish();
}
