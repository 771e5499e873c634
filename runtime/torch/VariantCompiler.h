//===- VariantCompiler.h - Backwards compiled on demand -------------------===//
#ifndef REGIMEN_RUNTIME_TORCH_VARIANTCOMPILER_H
#define REGIMEN_RUNTIME_TORCH_VARIANTCOMPILER_H

#include <filesystem>
#include <string>
#include <vector>

namespace regimen::runtime {

/// One entry of the configuration key `backward`.
struct VariantRequest {
  std::vector<uint32_t> outputs, inputs;
  /// All that are trainable, or these.
  bool allParameters = true;
  std::vector<std::string> parameters;
  /// "first", "later" or "returned".
  std::string gradients;
  bool retain = false;
  /// Leaves the contributions unreduced.
  bool local = false;
};

/// What to compile.
struct VariantSource {
  std::filesystem::path archive;
  std::string archiveDigest;
  std::string config; // JSON
  std::string compilerVersion;
};

/// Runs the compiler for variants that a plan lacks, and keeps what it made.
class VariantCompiler {
public:
  VariantCompiler(std::filesystem::path compiler, std::filesystem::path cache, std::string model,
                  bool verbose)
      : compiler(std::move(compiler)), cache(std::move(cache)), model(std::move(model)),
        verbose(verbose) {}

  /// Path of a plan that has the variants. Throws Error with the compiler's own message.
  std::filesystem::path compile(const VariantSource &source,
                                const std::vector<VariantRequest> &requests) const;

private:
  std::filesystem::path compiler, cache;
  std::string model;
  bool verbose;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TORCH_VARIANTCOMPILER_H
