//===- Specialisation.h - The suspended programs of one shape -------------===//
#ifndef REGIMEN_RUNTIME_TORCH_SPECIALISATION_H
#define REGIMEN_RUNTIME_TORCH_SPECIALISATION_H

#include "runtime/executor/Executor.h"
#include "runtime/torch/ModelStates.h"
#include "runtime/torch/VariantCompiler.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace regimen::runtime {

/// A plan in memory and what runs it.
struct LoadedPlan {
  explicit LoadedPlan(const std::filesystem::path &path);

  /// Checks the plan against the model's states, binds some of its programs, and adds what it
  /// brings to the states. A failure leaves them as they were.
  void bind(ModelStates &states, KernelTable &kernels, const std::vector<bool> &wanted);

  const plan::fb::PlanT plan;
  /// Of the file's bytes: the same on ranks that loaded the same.
  const uint32_t identity;
  std::unique_ptr<Executor> executor;
};

/// One tensor that crosses between a program and its caller.
struct Port {
  Port(const plan::fb::PlanT &plan, uint32_t tensor, uint32_t index);

  uint32_t buffer;
  uint32_t index; // of the argument, output or parameter
  plan::fb::InputSource source = plan::fb::InputSource::Argument;
  plan::fb::OutputKind kind = plan::fb::OutputKind::Value;
  at::ScalarType type;
  std::vector<int64_t> sizes, strides;

  /// The tensor itself if it has the plan's type and layout, else a copy that has. Throws Error
  /// when type or sizes differ; `what` names it.
  at::Tensor fit(const at::Tensor &tensor, const std::string &model, const char *what) const;
  at::Tensor allocate() const;
};

/// A program with its ports.
struct CallerProgram {
  CallerProgram(LoadedPlan &loaded, size_t index);

  /// Runs on memory that fits the ports. `frame` may be null for programs without one.
  void run(std::byte *frame, const std::vector<at::Tensor> &given,
           const std::vector<at::Tensor> &taken, const Hypers &hypers) const;

  LoadedPlan *loaded;
  size_t index;
  std::vector<Port> inputs, outputs;
};

/// What a backward is asked for. Lists are ascending.
struct VariantKey {
  std::vector<uint32_t> outputs, arguments, parameters;
  plan::fb::Contribution contribution = plan::fb::Contribution::First;
  bool retain = false;
  /// Leaves its contributions to gradients unreduced.
  bool local = false;

  /// Contributions mean nothing where no parameter is wanted.
  bool sameTargets(const VariantKey &other) const {
    return outputs == other.outputs && arguments == other.arguments &&
           parameters == other.parameters;
  }
};

struct Variant {
  VariantKey key;
  CallerProgram program;
  std::vector<uint32_t> gradients;  // parameters it contributes to
  std::vector<uint32_t> parameters; // parameters whose values it reads
};

/// A model for inputs of certain types: its forward, its inference, and the backwards known so far.
class Specialisation {
public:
  /// Takes the plan over; its executor is made here. `kernels` serves all plans of the model.
  Specialisation(std::unique_ptr<LoadedPlan> base, std::filesystem::path archive,
                 const std::string &config, ModelStates &states, KernelTable &kernels);

  const plan::fb::PlanT &plan() const { return base->plan; }
  const CallerProgram *forward() const { return forwardProgram.get(); }
  const CallerProgram *inference() const { return inferenceProgram.get(); }
  /// The program that says what a call takes and gives.
  const CallerProgram &interface() const {
    return forwardProgram ? *forwardProgram : *inferenceProgram;
  }
  size_t argumentCount() const { return arguments; }
  size_t frameBytes() const { return frame; }
  /// Trainable parameters, ascending.
  const std::vector<uint32_t> &trainable() const { return trainableParameters; }
  bool dependsOnArgument(uint32_t output, uint32_t argument) const {
    return outputArguments[output][argument];
  }
  bool dependsOnParameter(uint32_t output, uint32_t parameter) const {
    return outputParameters[output][parameter];
  }
  /// Whether some backward may take an argument or output of the forward again.
  bool keepsArgument(uint32_t argument) const { return keptArguments[argument]; }
  bool keepsOutput(uint32_t output) const { return keptOutputs[output]; }

  /// Leaves in a key what the outputs with gradients depend on, and the outputs that depend on it.
  void normalise(VariantKey &key) const;
  /// A known variant for a normalised key, or null. One that retains serves where none consumes,
  /// and one that adds where none writes first.
  const Variant *find(const VariantKey &key) const;
  /// Compiles and loads the variant of a normalised key; names it by what was asked before that.
  const Variant &compile(const VariantKey &key, const VariantCompiler &compiler,
                         ModelStates &states, KernelTable &kernels);

private:
  void addVariants(LoadedPlan &loaded, const std::vector<bool> &wanted);
  void checkSameFrame(const plan::fb::PlanT &other) const;
  std::vector<bool> newVariants(const plan::fb::PlanT &plan) const;
  VariantKey keyOf(const plan::fb::ProgramT &program) const;

  std::unique_ptr<LoadedPlan> base;
  std::vector<std::unique_ptr<LoadedPlan>> extensions;
  std::filesystem::path archive;
  std::string config;
  std::unique_ptr<CallerProgram> forwardProgram, inferenceProgram;
  std::vector<std::unique_ptr<Variant>> variants;
  std::vector<uint32_t> trainableParameters;
  std::vector<std::vector<bool>> outputArguments, outputParameters; // by output
  std::vector<bool> keptArguments, keptOutputs;
  size_t arguments = 0, frame = 0;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TORCH_SPECIALISATION_H
