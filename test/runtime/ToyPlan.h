//===- ToyPlan.h - Small plans made by hand -------------------------------===//
#ifndef REGIMEN_TEST_RUNTIME_TOYPLAN_H
#define REGIMEN_TEST_RUNTIME_TOYPLAN_H

#include "formats/plan/Plan.h"

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace regimen::test {

namespace fb = plan::fb;

// Arguments of calls.
fb::ArgT tensorArg(uint32_t tensor);
fb::ArgT tensorsArg(std::vector<int32_t> tensors);
fb::ArgT intArg(int64_t value);
fb::ArgT floatArg(double value);
fb::ArgT scalarArg(double value);
fb::ArgT registerArg(uint32_t reg);
fb::ArgT intsArg(std::vector<int64_t> values);
fb::ArgT boolArg(bool value);
fb::ArgT noneArg();
fb::ArgT defaultArg();

/// Builds a plan front to back. Buffers of an arena follow each other without reuse.
class PlanBuilder {
public:
  PlanBuilder();

  uint32_t buffer(uint64_t bytes, fb::Category category = fb::Category::Activations,
                  bool isStatic = false);
  /// A contiguous tensor with a buffer of its own.
  uint32_t tensor(std::vector<int64_t> sizes, fb::DType dtype = fb::DType::F32,
                  fb::Category category = fb::Category::Activations, bool isStatic = false);
  /// Another window of a tensor's buffer.
  uint32_t view(uint32_t of, std::vector<int64_t> sizes, std::vector<int64_t> strides,
                uint64_t byteOffset = 0);
  fb::ProgramT &program(const std::string &name, fb::Role role, fb::Contribution contribution);
  fb::CallT &call(const std::string &kernel, fb::KernelMode mode, std::vector<fb::ArgT> args,
                  std::vector<uint32_t> results, int32_t scratch = -1,
                  fb::Lane lane = fb::Lane::Compute);
  void load(uint32_t input);
  void record(uint32_t event, fb::Lane lane);
  void wait(uint32_t event, fb::Lane lane);
  uint32_t scalar(fb::ScalarKind kind, uint32_t a, uint32_t b = 0);
  uint32_t hyper(fb::Hyper hyper, uint32_t group = 0);

  fb::PlanT plan;

private:
  void instruction(fb::BodyUnion body, fb::Lane lane);
};

/// Least squares with momentum: pred = x w, loss = mean((pred - t)^2), gradient norm, buf = m buf +
/// g, w -= lr buf. Inputs x [4, 3] and t [4, 1]; parameter "w" [3, 1] with state "momentum_buffer";
/// module buffer "scale" [2] with an embedded value.
fb::PlanT leastSquares(uint32_t accumulate = 1);

/// A fresh folder that is removed at the end.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::filesystem::path path;
};

/// Writes x and t of `blocks` blocks of leastSquares' inputs with reproducible values.
std::filesystem::path writeLeastSquaresData(const std::filesystem::path &folder, int64_t blocks);

std::span<const std::byte> bytesOf(const at::Tensor &tensor);

} // namespace regimen::test

#endif // REGIMEN_TEST_RUNTIME_TOYPLAN_H
