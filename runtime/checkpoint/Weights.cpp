//===- Weights.cpp --------------------------------------------------------===//
#include "runtime/checkpoint/Weights.h"

#include "formats/Error.h"
#include "formats/pt2/ExportedProgram.h"
#include "runtime/data/Types.h"

#include <c10/core/TensorImpl.h>

#include <algorithm>
#include <set>

namespace regimen::runtime {
namespace {

namespace fs = std::filesystem;

/// A tensor of the model that needs a value.
struct Wanted {
  std::vector<std::string> names; // any of them
  ModelTensor tensor;             // under the first
};

/// Parameters and module buffers whose value is not in the plan itself.
std::vector<Wanted> wantedTensors(const plan::fb::PlanT &plan) {
  std::set<uint32_t> embedded;
  for (const auto &constant : plan.constants)
    embedded.insert(constant->tensor);
  std::vector<Wanted> wanted;
  for (const auto &parameter : plan.parameters) {
    std::vector<std::string> names{parameter->name};
    names.insert(names.end(), parameter->aliases.begin(), parameter->aliases.end());
    wanted.push_back({names, {parameter->name, parameter->tensor, sizesOf(plan, *parameter)}});
  }
  for (const auto &buffer : plan.module_buffers)
    if (!embedded.contains(buffer->tensor))
      wanted.push_back(
          {{buffer->name}, {buffer->name, buffer->tensor, plan.tensors[buffer->tensor]->sizes}});
  return wanted;
}

void checkType(const Executor &executor, const ModelTensor &tensor,
               std::optional<plan::fb::DType> dtype, const std::vector<int64_t> &shape,
               const std::string &source) {
  plan::fb::DType want = executor.plan().tensors[tensor.tensor]->dtype;
  if (dtype != want || shape != tensor.sizes)
    throw Error(source + ": tensor '" + tensor.name + "' is " +
                (dtype ? std::string(plan::name(*dtype)) : "of another type") + describe(shape) +
                ", the plan has " + describe(want, tensor.sizes));
}

[[noreturn]] void failMissing(const std::string &source, const std::string &name) {
  throw Error(source + ": there is no tensor '" + name + "', which the plan's model needs");
}

void loadFromSafetensors(Executor &executor, const fs::path &path) {
  safetensors::Collection collection = safetensors::Collection::open(path);
  for (const Wanted &wanted : wantedTensors(executor.plan())) {
    const safetensors::TensorView *view = nullptr;
    for (size_t i = 0; i < wanted.names.size() && !view; ++i)
      view = collection.find(wanted.names[i]);
    if (!view)
      failMissing("weights " + path.string(), wanted.names.front());
    setFrom(executor, wanted.tensor, *view, "weights " + path.string());
  }
}

/// The elements of a strided window of a record, in row-major order.
std::vector<std::byte> gather(std::span<const std::byte> record, const pt2::Weight &weight) {
  const size_t width = pt2::elementBytes(weight.dtype);
  size_t count = 1;
  for (int64_t size : weight.sizes)
    count *= static_cast<size_t>(size);
  std::vector<std::byte> values(count * width);
  std::vector<int64_t> index(weight.sizes.size(), 0);
  int64_t position = weight.storageOffset;
  for (size_t i = 0; i < count; ++i) {
    std::copy_n(record.begin() + position * static_cast<int64_t>(width), width,
                values.begin() + static_cast<int64_t>(i * width));
    for (size_t axis = index.size(); axis-- > 0;) {
      position += weight.strides[axis];
      if (++index[axis] < weight.sizes[axis])
        break;
      position -= weight.strides[axis] * weight.sizes[axis];
      index[axis] = 0;
    }
  }
  return values;
}

void loadFromArchive(Executor &executor, const fs::path &path, bool isThePlans) {
  const plan::fb::ArchiveT &expected = *executor.plan().archive;
  pt2::Archive archive = pt2::Archive::open(path);
  if (isThePlans && (archive.fileBytes() != expected.bytes ||
                     archive.directoryDigest() != expected.directory_sha256))
    throw Error(
        path.string() +
        " is not the archive that the plan was compiled from; compile the plan again, or give "
        "weights with --weights");
  pt2::ExportedProgram program = pt2::ExportedProgram::load(archive);
  if (!program.hasWeights())
    throw Error(path.string() + " was exported without weights; give them with --weights");
  for (const Wanted &wanted : wantedTensors(executor.plan())) {
    const pt2::Weight *weight = nullptr;
    for (size_t i = 0; i < wanted.names.size() && !weight; ++i)
      weight = program.findWeight(wanted.names[i]);
    if (!weight)
      failMissing("archive " + path.string(), wanted.names.front());
    checkType(executor, wanted.tensor, fromPt2(weight->dtype), weight->sizes,
              "archive " + path.string());
    if (weight->isContiguous())
      copyWholeIn(executor, wanted.tensor.tensor, pt2::ExportedProgram::data(archive, *weight));
    else
      copyWholeIn(executor, wanted.tensor.tensor,
                  gather(pt2::ExportedProgram::record(archive, *weight), *weight));
  }
}

} // namespace

void setFrom(Executor &executor, const ModelTensor &tensor, const safetensors::TensorView &view,
             const std::string &source) {
  safetensors::DType want = toSafetensors(executor.plan().tensors[tensor.tensor]->dtype);
  if (view.dtype != want || view.shape != tensor.sizes)
    throw Error(source + ": tensor '" + tensor.name + "' is " +
                std::string(safetensors::name(view.dtype)) + describe(view.shape) +
                ", the plan has " + std::string(safetensors::name(want)) + describe(tensor.sizes));
  copyWholeIn(executor, tensor.tensor, view.bytes);
}

void loadWeights(Executor &executor, const fs::path &planPath,
                 const std::optional<fs::path> &weights) {
  const plan::fb::ArchiveT &archive = *executor.plan().archive;
  if (weights) {
    if (!fs::exists(*weights))
      throw Error("--weights: there is no " + weights->string());
    if (fs::is_directory(*weights) && fs::exists(*weights / archive.file))
      return loadFromArchive(executor, *weights / archive.file, /*isThePlans=*/true);
    if (weights->extension() == ".pt2")
      return loadFromArchive(executor, *weights, /*isThePlans=*/false);
    return loadFromSafetensors(executor, *weights);
  }
  if (!archive.has_weights && !wantedTensors(executor.plan()).empty())
    throw Error(
        "the model was exported without weights; give them with --weights FILE or --weights DIR");
  fs::path folder = planPath.parent_path();
  std::vector<fs::path> places;
  if (!archive.relative_path.empty())
    places.push_back(folder / archive.relative_path);
  places.push_back(folder / archive.file);
  for (const fs::path &place : places)
    if (fs::is_regular_file(place))
      return loadFromArchive(executor, place, /*isThePlans=*/true);
  std::string tried;
  for (const fs::path &place : places)
    tried += (tried.empty() ? "" : ", ") + place.lexically_normal().string();
  throw Error("the plan's archive '" + archive.file + "' with the model's weights is not at " +
              tried + "; put it beside the plan or name it with --weights");
}

} // namespace regimen::runtime
