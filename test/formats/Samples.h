//===- Samples.h - Small valid files, made in memory ------------*- C++ -*-===//
#ifndef REGIMEN_TEST_FORMATS_SAMPLES_H
#define REGIMEN_TEST_FORMATS_SAMPLES_H

#include "formats/plan/Plan.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace regimen::samples {

using Bytes = std::vector<std::byte>;

Bytes toBytes(std::string_view text);
std::string_view toText(std::span<const std::byte> bytes);

struct ZipOptions {
  bool zip64 = false;         // sizes and offsets in zip64 fields
  bool dataDescriptor = true; // sizes only in the directory, as PyTorch writes
  std::string comment;
};

/// A zip file of stored entries, each payload at a multiple of 64 bytes, as PyTorch writes it.
Bytes zip(const std::vector<std::pair<std::string, std::string>> &entries,
          const ZipOptions &options = {});

/// Entries of a small export under root folder "tiny": linear with tied weights, a persistent and
/// another buffer, every kind of argument.
std::vector<std::pair<std::string, std::string>> pt2Entries();
Bytes archiveBytes();

Bytes safetensorsBytes();
/// A safetensors file with any header and any data.
Bytes safetensorsBytes(std::string_view header, std::string_view data);

/// A valid plan: micro_step (copy and compute lane, reused bytes, scratch), update, evaluate.
plan::fb::PlanT samplePlan();

/// Which backward of the suspended sample: outputs 0 and 1, argument x, parameters w (0) and b (1).
struct Variant {
  std::vector<uint32_t> outputs = {0, 1};
  bool input = false;
  std::vector<uint32_t> parameters = {0, 1};
  plan::fb::Contribution contribution = plan::fb::Contribution::First;
  bool retain = false;
};
/// A valid, executable plan of suspended programs: h = tanh(x w) and y = h + b, with the backwards
/// asked for. Programs: forward, inference, then the variants in order.
plan::fb::PlanT suspendedPlan(const std::vector<Variant> &variants);
/// The update of some of its parameters: SGD with momentum.
plan::fb::PlanT suspendedUpdate(const std::vector<uint32_t> &parameters);

/// A folder that goes away with the object.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::filesystem::path operator/(const std::string &name) const { return path / name; }
  const std::filesystem::path path;
};

void writeFile(const std::filesystem::path &path, std::span<const std::byte> bytes);
Bytes readFile(const std::filesystem::path &path);

} // namespace regimen::samples

#endif // REGIMEN_TEST_FORMATS_SAMPLES_H
