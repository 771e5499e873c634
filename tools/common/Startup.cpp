//===- Startup.cpp --------------------------------------------------------===//
#include "tools/common/Startup.h"

#include "formats/Error.h"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

using namespace regimen;
namespace fs = std::filesystem;

void tools::prepareProcess() {
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0)
      // The lowest free number is this stream's: those below are open.
      (void)::open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY);
  std::signal(SIGXFSZ, SIG_IGN);
}

void tools::printError(const char *tool, const char *message) noexcept {
  std::fprintf(stderr, "%s: %s\n", tool, message);
}

static bool isSameFile(const std::string &a, const std::string &b) {
  std::error_code error;
  if (fs::equivalent(a, b, error))
    return fs::is_regular_file(a, error);
  // Neither exists yet, or one of them alone.
  auto place = [&](const std::string &path) {
    return fs::weakly_canonical(fs::absolute(path, error), error);
  };
  return !fs::exists(a, error) && place(a) == place(b);
}

void tools::refuseOverwriting(std::span<const NamedFile> inputs,
                              std::span<const NamedFile> outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const NamedFile &output = outputs[i];
    if (!output.path)
      continue;
    auto refuse = [&](const NamedFile &other) {
      if (other.path && isSameFile(*output.path, *other.path))
        throw Error(std::string(output.option) + " " + *output.path +
                    " is the same file as that of " + other.option + "; give it another name");
    };
    for (const NamedFile &input : inputs)
      refuse(input);
    for (const NamedFile &earlier : outputs.first(i))
      refuse(earlier);
  }
}
