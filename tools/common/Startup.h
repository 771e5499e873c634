//===- Startup.h - What the tools share before and around their work ------===//
#ifndef REGIMEN_TOOLS_COMMON_STARTUP_H
#define REGIMEN_TOOLS_COMMON_STARTUP_H

#include <optional>
#include <span>
#include <string>

namespace regimen::tools {

/// Gives standard streams that are closed a place: the next file that is opened would take their
/// number, and what is printed would go into it. Makes a write beyond the limit of a file's size
/// fail, where it would end the process.
void prepareProcess();

/// Prints "TOOL: message" on standard error. Where that cannot be written, the exit code has to do.
void printError(const char *tool, const char *message) noexcept;

/// A file that an option names; none where the option is not given.
struct NamedFile {
  const char *option;
  std::optional<std::string> path;
};

/// Throws Error where an output would replace an input, or two outputs go to one file.
void refuseOverwriting(std::span<const NamedFile> inputs, std::span<const NamedFile> outputs);

} // namespace regimen::tools

#endif // REGIMEN_TOOLS_COMMON_STARTUP_H
