//===- ModelCore.h - A model and its outstanding forwards -----------------===//
#ifndef REGIMEN_RUNTIME_TORCH_MODELCORE_H
#define REGIMEN_RUNTIME_TORCH_MODELCORE_H

#include "runtime/torch/Specialisation.h"

#include <torch/csrc/autograd/function.h>

#include <mutex>

namespace regimen::runtime {

struct ModelOptions {
  std::filesystem::path compiler, cache;
  unsigned threads = 1;
  std::optional<size_t> frames;
  std::string name = "model";
  bool verbose = false;
  /// The ranks, and what this model's connections are called among those of its process.
  World world;
  CommunicatorOptions communicator;

  static ModelOptions parse(const std::string &json);
};

class BackwardNode;

/// What ranks may enter together beside programs.
enum class Operation : uint32_t {
  Norm,
  WholeParameter,
  WholeGradient,
  WholeState,
  SetParameter,
  ShareBuffer
};

/// What Model and the autograd nodes share. Every public method takes the lock.
class ModelCore : public std::enable_shared_from_this<ModelCore> {
public:
  explicit ModelCore(ModelOptions options);

  size_t load(const std::string &plan, const std::string &archive, const std::string &config);
  size_t loadUpdate(const std::string &plan);
  std::vector<at::Tensor> forward(size_t specialisation, std::vector<at::Tensor> inputs);
  torch::autograd::variable_list backward(BackwardNode &node,
                                          torch::autograd::variable_list gradients);
  bool update(size_t index, const at::Tensor &table, const at::Tensor &steps);
  void bind(std::vector<at::Tensor> leaves);
  /// Throws Error when the ranks do not all enter the same operation.
  void agree(Operation operation, uint32_t detail);

private:
  // First: everything else may use it.
  std::unique_ptr<Communicator> ranks;

public:
  ModelStates states;
  FramePool frames;
  const ModelOptions options;
  std::recursive_mutex mutex;
  /// Whether backwards reduce gradients where they would once a step: at stages 0 and 1.
  bool sync = true;
  std::vector<std::unique_ptr<Specialisation>> specialisations;

private:
  void readWishes(const BackwardNode &node, const Specialisation &specialisation);
  void checkVersions(const BackwardNode &node, const Variant &variant) const;
  plan::fb::Contribution chooseContribution(const std::vector<uint32_t> &parameters) const;
  bool shardsGradients(const std::vector<uint32_t> &parameters) const;
  void fillExisting(const Variant &variant);
  void prepareShards(const Variant &variant);
  void noteReductions(const Variant &variant);
  size_t countPassedOn(const BackwardNode &node, const Specialisation &specialisation) const;
  /// Hangs the outputs of a forward into PyTorch's graph.
  void track(const std::shared_ptr<BackwardNode> &node, const Specialisation &specialisation,
             const std::vector<at::Tensor> &inputs, const std::vector<at::Tensor> &given,
             const std::vector<at::Tensor> &outputs);

  KernelTable kernels;
  VariantCompiler compiler;
  struct Update {
    std::unique_ptr<LoadedPlan> loaded;
    size_t program;
  };
  std::vector<Update> updates;
  bool announcedFrames = false;
  // Kept between calls so that their memory is.
  VariantKey key;
  bool returned = false;
  std::vector<uint32_t> withGradient;
  Hypers hypers;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TORCH_MODELCORE_H
