#include "formats/safetensors/Safetensors.h"

#include "formats/Error.h"

#include <nlohmann/json.hpp>

using namespace regimen;
using namespace regimen::safetensors;
namespace fs = std::filesystem;

/// Tensor name to file name, from model.safetensors.index.json.
static std::map<std::string, std::string> readIndex(const fs::path &path) {
  MappedFile file = MappedFile::open(path);
  std::string_view text(reinterpret_cast<const char *>(file.bytes().data()), file.bytes().size());
  auto fail = [&](const std::string &what) { throw Error("'" + path.string() + "': " + what); };
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception &error) {
    fail(std::string("not JSON: ") + error.what());
  }
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    fail("has no 'weight_map'");
  std::map<std::string, std::string> files;
  for (const auto &[tensor, name] : json["weight_map"].items()) {
    if (!name.is_string())
      fail("the file of tensor '" + tensor + "' is no string");
    // An index speaks of files beside it; anything else is an attempt to read elsewhere.
    fs::path part = name.get<std::string>();
    if (part.empty() || part != part.filename() || part == "." || part == "..")
      fail("tensor '" + tensor + "' names a file outside the folder");
    files.emplace(tensor, part.string());
  }
  return files;
}

Collection Collection::open(const fs::path &path) {
  Collection collection;
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    collection.parts.push_back(File::open(path));
    for (const auto &[tensor, view] : collection.parts[0].tensors())
      collection.views.emplace(tensor, &view);
    return collection;
  }

  fs::path index = path / "model.safetensors.index.json";
  if (!fs::exists(index)) {
    if (fs::exists(path / "model.safetensors"))
      return open(path / "model.safetensors");
    std::vector<fs::path> found;
    for (const fs::directory_entry &entry : fs::directory_iterator(path))
      if (entry.path().extension() == ".safetensors")
        found.push_back(entry.path());
    if (found.size() != 1)
      throw Error("'" + path.string() +
                  "': has neither model.safetensors.index.json nor "
                  "model.safetensors nor a single other .safetensors file");
    return open(found[0]);
  }

  std::map<std::string, std::string> files = readIndex(index);
  std::map<std::string, size_t> positions;
  for (const auto &[tensor, name] : files)
    positions.emplace(name, 0);
  collection.parts.reserve(positions.size()); // views point into the elements
  for (auto &[name, position] : positions) {
    position = collection.parts.size();
    collection.parts.push_back(File::open(path / name));
  }
  for (const auto &[tensor, name] : files) {
    const TensorView *view = collection.parts[positions[name]].find(tensor);
    if (!view)
      throw Error("'" + index.string() + "': tensor '" + tensor + "' is not in '" + name + "'");
    collection.views.emplace(tensor, view);
  }
  return collection;
}

const TensorView *Collection::find(std::string_view tensor) const {
  auto it = views.find(tensor);
  return it == views.end() ? nullptr : it->second;
}
