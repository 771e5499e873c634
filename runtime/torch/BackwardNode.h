//===- BackwardNode.h - One outstanding forward in PyTorch's graph --------===//
#ifndef REGIMEN_RUNTIME_TORCH_BACKWARDNODE_H
#define REGIMEN_RUNTIME_TORCH_BACKWARDNODE_H

#include "runtime/torch/ModelCore.h"

#include <torch/csrc/autograd/function_hook.h>

#include <algorithm>

namespace regimen::runtime {

/// The node behind the outputs of a forward. Its edges go to the arguments of the specialisation,
/// in order, then to its trainable parameters. It holds the forward's frame until a backward
/// without `retain_graph`, or its own end.
class BackwardNode : public torch::autograd::Node {
public:
  BackwardNode(std::shared_ptr<ModelCore> core, size_t specialisation, PlannedArena *frame)
      : core(std::move(core)), specialisation(specialisation), leased(frame) {
    add_post_hook(std::make_unique<PassOn>(*this));
  }
  ~BackwardNode() override { giveBack(); }

  std::string name() const override { return "RegimenBackward"; }
  torch::autograd::variable_list apply(torch::autograd::variable_list &&gradients) override {
    return core->backward(*this, std::move(gradients));
  }
  void release_variables() override;

  /// A caller's tensor as the forward saw it.
  struct Saved {
    at::Tensor alias; // shares bytes and version counter, not the graph
    uint32_t version = 0;

    static Saved of(const at::Tensor &tensor);
    bool isChanged() const;
  };

  const std::shared_ptr<ModelCore> core;
  const size_t specialisation;
  std::vector<Saved> arguments, outputs;
  std::vector<uint32_t> parameterVersions;
  /// By input of the node: which output its gradient belongs to.
  std::vector<uint32_t> outputOfInput;

  /// Null after it was given back.
  PlannedArena *frame() const { return leased; }
  void giveBack();
  /// How many of its outputs the last backward has autograd pass on.
  size_t passedOn = 0;

private:
  /// Cuts off the outputs that nobody waits for: undefined gradients of parameters, to whose
  /// accumulators autograd would go one by one. The edges stay, for those who ask for them.
  class PassOn : public torch::autograd::FunctionPostHook {
  public:
    explicit PassOn(const BackwardNode &node) : node(node) {}
    torch::autograd::variable_list operator()(const torch::autograd::variable_list &outputs,
                                              const torch::autograd::variable_list &) override {
      auto end = static_cast<std::ptrdiff_t>(std::min(node.passedOn, outputs.size()));
      return {outputs.begin(), outputs.begin() + end};
    }

  private:
    const BackwardNode &node;
  };

  PlannedArena *leased;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TORCH_BACKWARDNODE_H
