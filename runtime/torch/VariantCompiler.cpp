//===- VariantCompiler.cpp ------------------------------------------------===//
#include "runtime/torch/VariantCompiler.h"

#include "formats/AtomicFile.h"
#include "formats/Digest.h"
#include "formats/Error.h"

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace regimen::runtime {
namespace {

nlohmann::json toJson(const std::vector<VariantRequest> &requests) {
  nlohmann::json list = nlohmann::json::array();
  for (const VariantRequest &request : requests) {
    nlohmann::json parameters = true;
    if (!request.allParameters)
      parameters = request.parameters;
    list.push_back({{"outputs", request.outputs},
                    {"inputs", request.inputs},
                    {"parameters", parameters},
                    {"gradients", request.gradients},
                    {"retain", request.retain}});
    if (request.local)
      list.back()["local"] = true;
  }
  return list;
}

/// Runs a program to its end; its exit code, and what it wrote to stderr.
std::pair<int, std::string> run(const std::vector<std::string> &command) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    throw Error(std::string("cannot make a pipe: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::vector<char *> arguments;
  for (const std::string &argument : command)
    arguments.push_back(const_cast<char *>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t child = -1;
  int error = posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    throw Error("cannot run '" + command[0] + "': " + std::strerror(error));
  }
  std::string text;
  std::array<char, 4096> chunk{};
  while (true) {
    ssize_t count = read(ends[0], chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      break;
    text.append(chunk.data(), static_cast<size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

/// Held by one process at a time, where the file system can do it.
class FolderLock {
public:
  explicit FolderLock(const std::filesystem::path &folder)
      : descriptor(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (descriptor >= 0 && flock(descriptor, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FolderLock() {
    if (descriptor >= 0)
      close(descriptor);
  }
  FolderLock(const FolderLock &) = delete;
  FolderLock &operator=(const FolderLock &) = delete;

private:
  const int descriptor;
};

} // namespace

std::filesystem::path VariantCompiler::compile(const VariantSource &source,
                                               const std::vector<VariantRequest> &requests) const {
  nlohmann::json config = nlohmann::json::parse(source.config, nullptr, false);
  if (!config.is_object())
    throw Error("the configuration of model '" + model + "' is not a JSON object");
  config["backward"] = toJson(requests);
  std::string text = config.dump();
  // A compiler built anew may write other bytes under the same version.
  std::error_code ignored;
  std::string built = std::to_string(
      std::filesystem::last_write_time(compiler, ignored).time_since_epoch().count());
  std::string identity =
      text + "\n" + source.archiveDigest + "\n" + source.compilerVersion + "\n" + built;
  std::string key = sha256(std::as_bytes(std::span(identity)));
  std::filesystem::path plan = cache / (key + ".plan");
  if (std::filesystem::exists(plan))
    return plan;
  if (compiler.empty())
    throw Error("model '" + model +
                "' has no plan for this backward and no compiler; give option \"compiler\"");
  // Ranks on one machine want the same plan at the same time: one makes it, the others wait.
  FolderLock lock(source.archive.parent_path());
  if (std::filesystem::exists(plan))
    return plan;
  std::filesystem::create_directories(cache);
  if (verbose)
    std::fprintf(stderr, "regimen: %s: compiling a backward (outputs %s, %s)\n", model.c_str(),
                 nlohmann::json(requests[0].outputs).dump().c_str(), requests[0].gradients.c_str());
  std::filesystem::path file = cache / (key + ".json");
  AtomicFile written(file);
  written.write(std::as_bytes(std::span(text)));
  written.commit();
  std::filesystem::path fresh = cache / (key + "." + std::to_string(getpid()) + ".plan");
  auto [code, message] = run({compiler.string(), source.archive.string(), "-o", fresh.string(),
                              "--config", file.string()});
  if (code != 0) {
    std::filesystem::remove(fresh, ignored);
    throw Error("model '" + model + "': cannot compile a backward (" + compiler.string() +
                " ended with " + std::to_string(code) + "): " + message);
  }
  std::filesystem::rename(fresh, plan);
  return plan;
}

} // namespace regimen::runtime
