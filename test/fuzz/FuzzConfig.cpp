//===- FuzzConfig.cpp - Any bytes as a configuration -----------------------===//
//
// The first byte says whether the rest is a file or the argument of --set.
//
//===----------------------------------------------------------------------===//

#include "formats/Error.h"
#include "passes/CompileConfig.h"

using namespace regimen;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  std::string_view text(reinterpret_cast<const char *>(data) + 1, size - 1);
  CompileConfig config;
  try {
    if (data[0] == '=')
      config.setAssignment(text);
    else
      config.mergeText(text);
    config.validate();
  } catch (const Error &) {
    return 0;
  }
  // What was accepted reads back equal.
  CompileConfig again;
  again.mergeText(config.canonical());
  if (again.canonical() != config.canonical())
    __builtin_trap();
  return 0;
}
