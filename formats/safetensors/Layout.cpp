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

Layout::Layout(const std::string &file, const std::vector<TensorInfo> &tensors,
               const std::map<std::string, std::string> &metadata) {
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
  for (const TensorInfo *tensor : sorted) {
    uint64_t begin = end;
    end += countBytes(*tensor);
    if (tensor->name == "__metadata__" || !places.emplace(tensor->name, Range{begin, end}).second)
      throw Error("'" + file + "': cannot write a tensor named '" + tensor->name +
                  "' twice or at all");
    // Appended as they are: the map above has seen to duplicates, and this one searches linearly.
    entries.emplace_back(tensor->name, nlohmann::ordered_json{{"dtype", name(tensor->dtype)},
                                                              {"shape", tensor->shape},
                                                              {"data_offsets", {begin, end}}});
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception &) {
    throw Error("'" + file + "': a name or metadata is not UTF-8");
  }
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  uint64_t headerBytes = text.size();
  start.assign(reinterpret_cast<const char *>(&headerBytes), sizeof(headerBytes));
  start += text;
  for (auto &[tensor, range] : places) {
    range.begin += start.size();
    range.end += start.size();
  }
  end += start.size();
}
