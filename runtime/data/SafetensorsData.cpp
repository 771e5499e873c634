//===- SafetensorsData.cpp ------------------------------------------------===//
#include "formats/Error.h"
#include "formats/safetensors/Safetensors.h"
#include "runtime/data/DataSource.h"
#include "runtime/data/Types.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <sstream>

namespace regimen::runtime {
namespace {

class SafetensorsData : public DataSource {
public:
  SafetensorsData(const std::filesystem::path &path, std::vector<InputSpec> inputs)
      : file(safetensors::File::open(path)), specs(std::move(inputs)) {
    readConstants();
    std::set<std::string, std::less<>> names;
    for (const InputSpec &spec : specs) {
      names.insert(spec.name);
      bind(spec);
    }
    for (const auto &[name, view] : file.tensors())
      if (!names.contains(name))
        fail("tensor '" + name + "' is not an input of the model; its inputs are " + inputNames());
    for (const std::string &name : constants)
      if (!names.contains(name))
        fail("metadata 'constant' names '" + name +
             "', which is not an input of the model; its inputs are " + inputNames());
    if (!blockCount)
      blockCount = 1;
  }

  uint64_t blocks() const override { return *blockCount; }
  void load(uint64_t block, size_t input, std::span<std::byte> destination) const override {
    const Window &window = windows[input];
    std::memcpy(destination.data(), window.bytes.data() + block * window.stride,
                destination.size());
  }

private:
  struct Window {
    std::span<const std::byte> bytes;
    uint64_t stride; // bytes from block to block
  };

  [[noreturn]] void fail(const std::string &what) const {
    throw Error("data file " + file.name() + ": " + what);
  }

  std::string inputNames() const {
    std::string names;
    for (const InputSpec &spec : specs)
      names += (names.empty() ? "" : ", ") + spec.name;
    return names;
  }

  void readConstants() {
    auto found = file.metadata().find("constant");
    if (found == file.metadata().end())
      return;
    std::istringstream list(found->second);
    for (std::string name; std::getline(list, name, ',');) {
      name.erase(0, name.find_first_not_of(' '));
      name.erase(name.find_last_not_of(' ') + 1);
      if (!name.empty())
        constants.insert(name);
    }
  }

  void bind(const InputSpec &spec) {
    const safetensors::TensorView *view = file.find(spec.name);
    if (!view)
      fail("there is no tensor for input '" + spec.name + "' (" + describe(spec.dtype, spec.sizes) +
           ")");
    if (view->dtype != toSafetensors(spec.dtype))
      fail("tensor '" + spec.name + "' is " + std::string(safetensors::name(view->dtype)) +
           ", the model takes " + std::string(safetensors::name(toSafetensors(spec.dtype))));
    uint64_t bytes = plan::elementBytes(spec.dtype);
    for (int64_t size : spec.sizes)
      bytes *= static_cast<uint64_t>(size);
    if (constants.contains(spec.name)) {
      if (view->shape != spec.sizes)
        failShape(spec, *view, describe(spec.sizes));
      windows.push_back({view->bytes, 0});
      return;
    }
    std::vector<int64_t> want = spec.sizes;
    if (want.empty())
      want.push_back(1);
    bool scalar = view->shape.empty() && spec.sizes.empty();
    if (!scalar && (view->shape.size() != want.size() ||
                    !std::equal(want.begin() + 1, want.end(), view->shape.begin() + 1))) {
      std::string wanted = describe(want);
      failShape(spec, *view,
                "[rows" + wanted.substr(std::min(wanted.find_first_of(",]"), wanted.size())));
    }
    int64_t rows = scalar ? 1 : view->shape[0];
    if (rows < want[0])
      fail("tensor '" + spec.name + "' has " + std::to_string(rows) +
           " rows, one micro-batch needs " + std::to_string(want[0]));
    if (want[0] == 0)
      fail("input '" + spec.name + "' of the model has no rows");
    uint64_t count = static_cast<uint64_t>(rows / want[0]);
    if (blockCount && *blockCount != count)
      fail("tensor '" + spec.name + "' has " + std::to_string(count) + " micro-batches, tensor '" +
           blockCountFrom + "' has " + std::to_string(*blockCount) +
           "; name inputs that are the same every step in metadata 'constant'");
    blockCount = count;
    blockCountFrom = spec.name;
    windows.push_back({view->bytes, bytes});
  }

  [[noreturn]] void failShape(const InputSpec &spec, const safetensors::TensorView &view,
                              const std::string &want) const {
    fail("tensor '" + spec.name + "' has shape " + describe(view.shape) + ", the model takes " +
         want);
  }

  safetensors::File file;
  std::vector<InputSpec> specs;
  std::set<std::string, std::less<>> constants;
  std::vector<Window> windows;
  std::optional<uint64_t> blockCount;
  std::string blockCountFrom;
};

} // namespace

std::unique_ptr<DataSource> openSafetensorsData(const std::filesystem::path &path,
                                                std::vector<InputSpec> inputs) {
  return std::make_unique<SafetensorsData>(path, std::move(inputs));
}

} // namespace regimen::runtime
