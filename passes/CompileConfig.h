//===- CompileConfig.h - The compiler's options -----------------*- C++ -*-===//
//
// One struct, filled from a JSON file and `--set key=value`, with the keys of the configuration
// reference (docs/config.md). Nothing else configures a pass.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_COMPILECONFIG_H
#define REGIMEN_PASSES_COMPILECONFIG_H

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace regimen {

struct OptimizerConfig {
  /// Parameters whose names match one of `params` (globs over FQNs) take these values instead of
  /// the optimizer's.
  struct Group {
    std::vector<std::string> params;
    std::optional<double> lr;
    std::optional<double> weightDecay;
  };

  std::string type = "adamw"; // adamw, sgd; none with driver=python only
  double lr = 1e-3;
  double weightDecay = 1e-2; // 0 for sgd
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double momentum = 0.0;
  bool nesterov = false;
  /// Globs over FQNs of parameters without weight decay.
  std::vector<std::string> noDecay;
  std::vector<Group> groups;
};

struct ScheduleConfig {
  std::string type = "constant"; // constant, linear, cosine
  uint64_t warmupSteps = 0;
  uint64_t totalSteps = 0;
  double minLr = 0.0;
};

struct TargetConfig {
  std::string device = "cpu";
  std::string arch = "native";
  uint32_t threads = 1;
};

/// Who drives the programs of a plan: regimen-run, PyTorch's own loop, or either.
enum class Driver { Run, Python, Both };

/// One variant of the backward of a suspended micro-step.
struct BackwardConfig {
  enum class Gradients { First, Later, Returned };

  /// Outputs that bring a gradient and arguments that want one; indices, ascending.
  std::vector<int64_t> outputs, inputs;
  /// Parameters that want a gradient, by name; none stands for all that can get one.
  std::optional<std::vector<std::string>> parameters;
  /// Whether the parameters' gradients are written, added to, or handed to the caller.
  Gradients gradients = Gradients::First;
  /// Leaves the frame as it is.
  bool retain = false;
  /// Leaves contributions to gradients that every rank holds whole unreduced.
  bool local = false;
};

/// How model states are partitioned over the data-parallel ranks.
struct ZeroConfig {
  uint32_t stage = 0;
  /// Largest bucket of parameters, in bytes.
  uint64_t bucketBytes = 25ull << 20;
  /// Whether collectives run beside kernels.
  bool overlap = true;
  /// Most bytes gathered ahead of their use; none: as much as hides a gather's time.
  std::optional<uint64_t> prefetchBytes;
  /// At stage 3 parameters smaller than this stay whole.
  uint64_t persistBytes = 0;
};

/// What of a forward its backward computes again: nothing; what the limit asks for; what moves more
/// bytes than it computes; all but values between layers; so many steps of a layer towards that.
enum class Remat { None, Auto, Layers, Full, Steps };

/// What is kept where.
struct MemoryConfig {
  /// Most bytes of the device arenas of a rank; none: any.
  std::optional<uint64_t> limit;
  /// The limit is the memory of the machine that compiles; `limit` is set by whoever knows it.
  bool limitIsMachines = false;
  Remat remat = Remat::None;
  uint64_t rematSteps = 0;
  /// What is in host memory: optimizer states, sharded parameters, what a backward needs.
  bool offloadOptimizer = false, offloadParameters = false, offloadActivations = false;
};

struct CompileConfig {
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  TargetConfig target;
  /// Data-parallel ranks.
  uint32_t dp = 1;
  ZeroConfig zero;
  MemoryConfig memory;
  /// Whether gradients are summed by a ring instead of in the order of ranks.
  bool ringReduction = false;
  /// Largest global gradient norm; none leaves gradients as they are.
  std::optional<double> clipGradNorm;
  /// Micro-steps of a step.
  uint32_t accumulate = 1;
  /// The output that is the loss: its index, or its name in the graph signature.
  std::variant<int64_t, std::string> loss = int64_t(0);
  Driver driver = Driver::Run;
  /// Whether the plan has a program that computes the loss as in evaluation mode.
  bool evaluation = false;
  /// The backward variants of suspended programs; none stands for the usual ones. An empty list
  /// leaves out the model's own programs, so that only the update remains.
  std::optional<std::vector<BackwardConfig>> backward;
  /// Parameters that the update of suspended programs changes, by name; none stands for all with a
  /// gradient.
  std::optional<std::vector<std::string>> update;
  /// Names of the parameters of each bucket, in order, as an earlier compilation laid them out.
  std::optional<std::vector<std::vector<std::string>>> layout;
  /// Frames that may be outstanding; none: as many as the caller makes.
  std::optional<uint32_t> frames;
  /// False is the reference path: every op its ATen kernel, no rewrite that changes bits.
  bool fuse = true;

  /// Sets `key` (dotted, as in the reference) to `value`. Throws Error for an unknown key (naming
  /// the nearest known one), a value of the wrong kind or range, and a value that asks for a
  /// feature that is not built.
  void set(std::string_view key, const nlohmann::json &value);
  /// Sets every key of a JSON object, nested or dotted.
  void merge(const nlohmann::json &object);
  /// Parses JSON and merges it. Throws Error for text that is none, is too large or too deep.
  void mergeText(std::string_view text);
  /// Reads a JSON file and merges it. Throws Error with the file's name.
  void mergeFile(const std::string &path);
  /// Applies "key=value", whose value is JSON or else a bare string.
  void setAssignment(std::string_view assignment);
  /// Checks what only the whole configuration shows. Throws Error.
  void validate() const;
  /// Whether regimen-run, or a caller from PyTorch, drives programs of the plan.
  bool isDriven() const { return driver != Driver::Python; }
  bool isSuspended() const { return driver != Driver::Run; }
  /// All keys with their values, sorted, as one line of JSON.
  std::string canonical() const;

private:
  /// Explicitly set values by key, for canonical() and for defaults that depend on the optimizer's
  /// type.
  std::vector<std::pair<std::string, std::string>> assigned;
};

} // namespace regimen

#endif // REGIMEN_PASSES_COMPILECONFIG_H
