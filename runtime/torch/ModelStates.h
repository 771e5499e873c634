//===- ModelStates.h - What all plans of a model share --------------------===//
#ifndef REGIMEN_RUNTIME_TORCH_MODELSTATES_H
#define REGIMEN_RUNTIME_TORCH_MODELSTATES_H

#include "runtime/comm/Communicator.h"
#include "runtime/executor/SharedArenas.h"
#include "runtime/torch/Shard.h"

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/edge.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regimen::runtime {

/// Parameters, gradients, optimizer states and module buffers of a model: where they lie, which
/// every plan must agree on, and the autograd leaves over them.
///
/// On several ranks a rank may hold a segment of a tensor only. What stands for such a tensor in
/// PyTorch has its whole shape, no memory, and an error for whoever reads it.
class ModelStates {
public:
  /// `ranks` is null for a single rank, and outlives this.
  ModelStates(std::string model, Communicator *ranks);

  Device &device() { return *memory->device; }
  SharedArenas &arenas() { return memory->arenas; }

  /// Throws Error, and changes nothing, when a plan lays out otherwise what earlier ones laid out.
  void check(const plan::fb::PlanT &plan) const;
  /// Takes over what a checked plan, whose arenas exist now, adds.
  void adopt(const plan::fb::PlanT &plan);

  struct State {
    std::string slot;
    at::Tensor tensor; // this rank's part
    bool sharded = false;
  };
  /// How far a gradient that exists has come.
  enum class Reduction { Mean, Own };
  struct Parameter {
    std::string name;
    bool trainable = false;
    Shard shard;
    at::Tensor value;    // what the leaf shows
    at::Tensor gradient; // what its .grad shows; undefined: none
    /// This rank's part of the two, where it does not hold the whole.
    at::Tensor ownValue, ownGradient;
    /// Where backwards write all of a gradient of which this rank keeps but its part, flat.
    at::Tensor unreduced;
    /// Own: contributions of this rank alone, which wait for a reduction.
    Reduction reduction = Reduction::Mean;
    std::vector<State> states;
    /// The autograd leaf, once bound, and where its gradients go.
    at::Tensor leaf;
    torch::autograd::Edge edge;
    /// The reference to the accumulator that all nodes of this model share.
    std::shared_ptr<std::shared_ptr<torch::autograd::Node>> accumulator;

    /// Whether another graph leads to the accumulator, or somebody else holds it.
    bool isSharedAccumulator() const { return accumulator && accumulator->use_count() > 1; }
    bool requiresGrad() const { return leaf.defined() && leaf.requires_grad(); }
    bool hasGradient() const { return leaf.defined() && leaf.grad().defined(); }
    uint32_t version() const;
    const at::Tensor &valuePart() const { return ownValue.defined() ? ownValue : value; }
    const at::Tensor &gradientPart() const {
      return ownGradient.defined() ? ownGradient : gradient;
    }
    const at::Tensor &gradientWhole() const { return unreduced.defined() ? unreduced : gradient; }
    bool isShardedGradient() const { return ownGradient.defined(); }
  };
  struct Buffer {
    std::string name;
    at::Tensor tensor;
  };

  std::vector<Parameter> &parameters() { return allParameters; }
  const std::vector<Parameter> &parameters() const { return allParameters; }
  const std::vector<Buffer> &moduleBuffers() const { return buffers; }
  const std::vector<std::vector<std::string>> &layout() const { return buckets; }

  void bind(std::vector<at::Tensor> leaves);
  /// The edge to a parameter's accumulator; not valid if it requires no gradient.
  const torch::autograd::Edge &edge(size_t parameter);
  /// Makes a defined .grad the view of the arena, with its value.
  void settleGradient(size_t parameter);
  /// Before a new gradient is written to the arena: whoever kept an earlier one that was the view
  /// gets memory of its own with the values.
  void leaveKeptGradient(size_t parameter);
  /// Throws Error, naming `user`, when a gradient still waits for its reduction.
  void requireReduced(size_t parameter, const char *user) const;

  Communicator *communicator() const { return ranks; }
  uint64_t rank() const { return ranks ? static_cast<uint64_t>(ranks->rank()) : 0; }
  uint64_t rankCount() const { return ranks ? static_cast<uint64_t>(ranks->size()) : 1; }
  /// Parameters that have memory for a gradient in the buckets of the given ones; ascending.
  std::vector<uint32_t> bucketMates(const std::vector<uint32_t> &parameters) const;
  /// Makes a mean of the ranks a contribution of its rank, so that others can be added before the
  /// next reduction.
  void resume(Parameter &parameter) const;

private:
  /// Lives as long as any tensor over it.
  struct Memory {
    Memory(std::unique_ptr<Device> device, std::string model)
        : device(std::move(device)), arenas(*this->device, std::move(model)) {}
    std::unique_ptr<Device> device;
    SharedArenas arenas;
  };
  at::Tensor view(const plan::fb::PlanT &plan, uint32_t tensor) const;
  void placeGradient(const plan::fb::PlanT &plan, const plan::fb::ParameterT &given,
                     Parameter &parameter) const;
  /// A tensor, with a storage of its own, over memory of the arenas.
  at::Tensor view(void *data, at::ScalarType type, at::IntArrayRef sizes,
                  at::IntArrayRef strides) const;

  Communicator *ranks;
  std::shared_ptr<Memory> memory;
  std::vector<Parameter> allParameters;
  std::vector<Buffer> buffers;
  std::vector<std::vector<std::string>> buckets;
  bool made = false;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TORCH_MODELSTATES_H
