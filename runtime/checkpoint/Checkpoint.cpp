//===- Checkpoint.cpp -----------------------------------------------------===//
#include "runtime/checkpoint/Checkpoint.h"

#include "formats/AtomicFile.h"
#include "formats/Digest.h"
#include "formats/Error.h"
#include "formats/MappedFile.h"
#include "formats/safetensors/Safetensors.h"
#include "runtime/checkpoint/TensorFiles.h"
#include "runtime/checkpoint/Weights.h"
#include "runtime/checkpoint/Wholes.h"
#include "runtime/data/Types.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <optional>
#include <unistd.h>

namespace regimen::runtime {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// 3: a file's digest is that of its pieces' digests, so that ranks can share the work. 2, which is
/// still read: of the file as one piece.
constexpr int kFormat = 3, kOldestFormat = 2;
constexpr uint64_t kPieceBytes = uint64_t(16) << 20;
constexpr const char *kOptimizerFile = "optimizer-00001-of-00001.safetensors";
constexpr const char *kTrainingFile = "training.json";
constexpr const char *kIndexFile = "model.safetensors.index.json";
constexpr const char *kModelFile = "model.safetensors";
/// A folder that is being written is called .step-N with this behind.
constexpr const char *kUnfinished = ".new";

uint64_t bytesOf(const plan::fb::PlanT &plan, const ModelTensor &tensor) {
  uint64_t bytes = plan::elementBytes(plan.tensors[tensor.tensor]->dtype);
  for (int64_t size : tensor.sizes)
    bytes *= static_cast<uint64_t>(size);
  return bytes;
}

void writeText(const fs::path &path, const std::string &text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

json readJson(const fs::path &path) {
  std::ifstream stream(path);
  json value = json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!stream || !value.is_object())
    throw Error(path.string() + " cannot be read or is damaged; resume from another checkpoint");
  return value;
}

/// A file of a checkpoint and what it holds.
struct TensorFile {
  std::string name;
  std::vector<ModelTensor> tensors;
};

/// The model's tensors in files of about `limit` bytes at most.
std::vector<TensorFile> modelFiles(const plan::fb::PlanT &plan, uint64_t limit) {
  std::vector<TensorFile> files(1);
  uint64_t bytes = 0;
  for (const ModelTensor &tensor : modelTensors(plan)) {
    uint64_t more = bytesOf(plan, tensor);
    if (bytes > 0 && bytes + more > limit) {
      files.emplace_back();
      bytes = 0;
    }
    files.back().tensors.push_back(tensor);
    bytes += more;
  }
  for (size_t i = 0; i < files.size(); ++i)
    files[i].name = files.size() == 1
                        ? kModelFile
                        : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, files.size());
  return files;
}

/// Says which file has which tensor, as Hugging Face does it.
void writeIndex(const fs::path &path, const plan::fb::PlanT &plan,
                const std::vector<TensorFile> &files) {
  json map = json::object();
  uint64_t total = 0;
  for (const TensorFile &file : files)
    for (const ModelTensor &tensor : file.tensors) {
      map[tensor.name] = file.name;
      total += bytesOf(plan, tensor);
    }
  writeText(path, json{{"metadata", {{"total_size", total}}}, {"weight_map", map}}.dump(1) + "\n");
}

void syncFolder(const fs::path &folder) {
  int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;
  fsync(fd);
  close(fd);
}

/// Turns DIR/name to DIR/step-N/name, at once. Only links are replaced.
void turnLink(const fs::path &folder, const std::string &name, const std::string &step) {
  fs::path link = folder / name, fresh = folder / ("." + name + ".new");
  if (fs::exists(fs::symlink_status(link)) && !fs::is_symlink(fs::symlink_status(link)))
    throw Error(link.string() + " is a file, not the link that --save makes there; move it away");
  std::error_code ignored;
  fs::remove(fresh, ignored);
  fs::create_symlink(fs::path(step) / name, fresh);
  fs::rename(fresh, link);
}

/// Removes links of a former checkpoint to files that this one does not have.
void dropStaleLinks(const fs::path &folder, const std::vector<std::string> &names) {
  std::vector<fs::path> stale;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (entry.is_symlink() && name.starts_with("model") &&
        std::find(names.begin(), names.end(), name) == names.end())
      stale.push_back(entry.path());
  }
  for (const fs::path &path : stale)
    fs::remove(path);
}

[[noreturn]] void failDamaged(const fs::path &file, const std::string &why) {
  throw Error(file.string() + " is damaged (" + why + "); resume from another checkpoint");
}

/// Throws Error where a file of a checkpoint is not what was saved: states of bits that flipped
/// would train on in silence.
void checkDigests(const fs::path &folder, Executor &executor, const json &expected, int format) {
  if (!expected.is_object() || expected.contains(""))
    failDamaged(folder / kTrainingFile, "digests is no object of file names");
  for (const auto &[name, digest] : expected.items()) {
    fs::path path = folder / fs::path(name).filename();
    std::string saved = digest.get<std::string>();
    if ((format == kFormat ? digestTogether(path, executor, kPieceBytes)
                           : sha256(MappedFile::open(path).bytes())) != saved)
      failDamaged(path, "it differs from what was saved");
  }
}

/// A count in a checkpoint's description.
uint64_t countAt(const json &meta, const char *key, const fs::path &file) {
  const json &value = meta.at(key);
  // Half the range leaves room to the sums that are made of it.
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t(INT64_MAX))
    failDamaged(file, std::string(key) + " is " + value.dump());
  return value.get<uint64_t>();
}

/// A folder that is removed unless kept.
class TemporaryFolder {
public:
  explicit TemporaryFolder(fs::path path) : path(std::move(path)) {
    fs::remove_all(this->path);
    fs::create_directory(this->path);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path.empty())
      fs::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  /// Moves it to its final name, in place of what is there.
  void moveTo(const fs::path &target) {
    fs::path old = target;
    old += ".old";
    fs::remove_all(old);
    if (fs::exists(target))
      fs::rename(target, old);
    fs::rename(path, target);
    path.clear();
    fs::remove_all(old);
  }
  fs::path path;
};

void waitForAll(Executor &executor) {
  if (Communicator *ranks = executor.communicator())
    ranks->host().scalars().barrier();
}

std::optional<uint64_t> stepOf(const fs::path &folder) {
  std::string name = folder.filename().string();
  if (!name.starts_with("step-") || name.size() == 5 ||
      name.find_first_not_of("0123456789", 5) != std::string::npos || name.size() > 5 + 18)
    return std::nullopt;
  return std::stoull(name.substr(5));
}

fs::path newestCheckpoint(const fs::path &folder) {
  if (fs::exists(folder / kTrainingFile))
    return folder;
  std::optional<uint64_t> newest;
  if (fs::is_directory(folder))
    for (const fs::directory_entry &entry : fs::directory_iterator(folder))
      if (std::optional<uint64_t> step = stepOf(entry.path()); step && (!newest || *step > *newest))
        newest = step;
  if (!newest)
    throw Error("--resume: there is no checkpoint (step-N) in " + folder.string());
  return folder / fmt::format("step-{}", *newest);
}

[[noreturn]] void failSaving(const fs::path &folder, const std::string &why) {
  throw Error("cannot save a checkpoint in " + folder.string() + ": " + why +
              "; checkpoints saved before are whole");
}

void setAll(Executor &executor, const std::vector<ModelTensor> &tensors, const fs::path &path) {
  safetensors::Collection collection = safetensors::Collection::open(path);
  for (const ModelTensor &saved : tensors) {
    const safetensors::TensorView *view = collection.find(saved.name);
    if (!view)
      throw Error("checkpoint " + path.string() + " has no tensor '" + saved.name +
                  "', which the plan needs");
    setFrom(executor, saved, *view, "checkpoint " + path.string());
  }
}

} // namespace

void prepareSaving(const fs::path &folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || access(folder.c_str(), W_OK | X_OK) != 0)
    failSaving(folder, error ? error.message() : std::strerror(errno));
  if (fs::path link = folder / kModelFile;
      fs::exists(fs::symlink_status(link)) && !fs::is_symlink(fs::symlink_status(link)))
    failSaving(folder,
               link.string() + " is a file, not the link that --save makes there; move it away");
  std::vector<fs::path> unfinished;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder))
    if (std::string name = entry.path().filename();
        name.starts_with(".step-") && name.ends_with(kUnfinished))
      unfinished.push_back(entry.path());
  for (const fs::path &path : unfinished)
    fs::remove_all(path, error);
}

void saveCheckpoint(const fs::path &folder, Executor &executor, const TrainingState &state,
                    uint64_t modelFileBytes) {
  const plan::fb::PlanT &plan = executor.plan();
  const bool first = executor.rank() == 0;
  try {
    const std::string step = fmt::format("step-{}", state.step);
    const fs::path unfinished = folder / ("." + step + kUnfinished);
    std::vector<TensorFile> files = modelFiles(plan, modelFileBytes);
    std::vector<std::string> names; // of the model's files, the one to open first in front
    if (files.size() > 1)
      names.push_back(kIndexFile);
    for (const TensorFile &file : files)
      names.push_back(file.name);
    std::vector<std::string> links = names;
    files.push_back({kOptimizerFile, optimizerTensors(plan)});
    names.push_back(kOptimizerFile);

    std::optional<TemporaryFolder> temporary;
    if (first) {
      temporary.emplace(unfinished);
      for (const TensorFile &file : files)
        createTensorFile(unfinished / file.name, plan, file.tensors);
      if (files.size() > 2)
        writeIndex(unfinished / kIndexFile, plan, {files.begin(), files.end() - 1});
    }
    waitForAll(executor);
    for (const TensorFile &file : files)
      writeOwnParts(unfinished / file.name, executor, file.tensors);
    waitForAll(executor);
    json digests = json::object();
    for (const std::string &name : names)
      digests[name] = digestTogether(unfinished / name, executor, kPieceBytes);
    if (!first)
      return;
    json meta{{"format", kFormat},
              {"model", plan.model},
              {"optimizer", plan.training->optimizer},
              {"step", state.step},
              {"updates", state.updates},
              {"blocks", state.blocks},
              {"seed", state.seed},
              {"shuffle", state.shuffle},
              {"digests", digests},
              {"optimizer_files", {kOptimizerFile}}};
    writeText(unfinished / kTrainingFile, meta.dump(1) + "\n");
    temporary->moveTo(folder / step);
    for (const std::string &name : links)
      turnLink(folder, name, step);
    dropStaleLinks(folder, links);
    syncFolder(folder);
  } catch (const fs::filesystem_error &error) {
    failSaving(folder, error.code().message() + " (" + error.path1().string() + ")");
  } catch (const LostRank &) {
    throw;
  } catch (const Error &error) {
    failSaving(folder, error.what());
  }
}

TrainingState loadCheckpoint(const fs::path &folder, Executor &executor) {
  fs::path checkpoint = newestCheckpoint(folder);
  fs::path description = checkpoint / kTrainingFile;
  json meta = readJson(description);
  const plan::fb::PlanT &plan = executor.plan();
  TrainingState state;
  std::vector<std::string> optimizerFiles;
  try {
    const int format = meta.at("format");
    if (format < kOldestFormat || format > kFormat)
      throw Error(checkpoint.string() + " is of format " + meta.at("format").dump() +
                  fmt::format(", this version reads formats {} and {}", kOldestFormat, kFormat) +
                  "; resume it with the Regimen that wrote it, or start from its weights with "
                  "--weights");
    if (std::string optimizer = meta.at("optimizer"); optimizer != plan.training->optimizer)
      throw Error("checkpoint " + checkpoint.string() + " was trained with " + optimizer +
                  ", the plan uses " + plan.training->optimizer +
                  "; start from its weights with --weights instead");
    state = {countAt(meta, "step", description), countAt(meta, "updates", description),
             countAt(meta, "blocks", description), meta.at("seed"), meta.at("shuffle")};
    optimizerFiles = meta.at("optimizer_files").get<std::vector<std::string>>();
    checkDigests(checkpoint, executor, meta.at("digests"), format);
  } catch (const json::exception &error) {
    failDamaged(description, error.what());
  }
  fs::path index = checkpoint / kIndexFile;
  setAll(executor, modelTensors(plan), fs::exists(index) ? checkpoint : checkpoint / kModelFile);
  if (optimizerFiles.size() != 1 || fs::path(optimizerFiles[0]).filename() != optimizerFiles[0])
    throw Error("checkpoint " + checkpoint.string() +
                " has optimizer states in several files, which this version does not write; resume "
                "it with the Regimen that wrote it");
  setAll(executor, optimizerTensors(plan), checkpoint / optimizerFiles[0]);
  return state;
}

void dumpGradients(const fs::path &path, Executor &executor) {
  const plan::fb::PlanT &plan = executor.plan();
  std::vector<ModelTensor> tensors = gradientTensors(plan);
  std::optional<safetensors::Writer> writer;
  if (executor.rank() == 0) {
    std::vector<safetensors::TensorInfo> infos;
    for (const ModelTensor &tensor : tensors)
      infos.push_back(
          {tensor.name, toSafetensors(plan.tensors[tensor.tensor]->dtype), tensor.sizes});
    writer.emplace(path, infos, std::map<std::string, std::string>{{"format", "pt"}});
  }
  for (const ModelTensor &tensor : tensors) {
    std::vector<std::byte> values = copyWholeOut(executor, tensor);
    if (writer)
      writer->write(tensor.name, values);
  }
  if (writer)
    writer->finish();
}

} // namespace regimen::runtime
