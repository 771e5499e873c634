#include "formats/safetensors/Safetensors.h"

#include "formats/Error.h"

using namespace regimen;
using namespace regimen::safetensors;

Writer::Writer(const std::filesystem::path &path, const std::vector<TensorInfo> &tensors,
               const std::map<std::string, std::string> &metadata)
    : fileName(path.string()), file(path) {
  Layout layout(fileName, tensors, metadata);
  file.write(layout.header());
  missing = layout.ranges();
}

void Writer::write(std::string_view tensor, std::span<const std::byte> bytes) {
  auto it = missing.find(tensor);
  if (it == missing.end())
    throw Error("'" + fileName + "': tensor '" + std::string(tensor) + "' was not declared");
  Layout::Range &range = it->second;
  if (bytes.size() > range.end - range.begin)
    throw Error("'" + fileName + "': tensor '" + std::string(tensor) +
                "' gets more bytes than its shape has");
  file.writeAt(range.begin, bytes);
  range.begin += bytes.size();
}

void Writer::finish() {
  for (const auto &[tensor, range] : missing)
    if (range.begin != range.end)
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
