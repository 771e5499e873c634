//===- Model.h - A compiled model as PyTorch sees it ----------------------===//
//
// The torchbind class `torch.classes.regimen.Model`: plans of one model over shared states, and the
// autograd node through which loss.backward() resumes them. Indices of parameters and module
// buffers are those of the plans. Every method throws (RuntimeError in Python) with one message
// that says what to do; none is left half-done.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_RUNTIME_TORCH_MODEL_H
#define REGIMEN_RUNTIME_TORCH_MODEL_H

#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace regimen::runtime {

class ModelCore;

class Model : public torch::CustomClassHolder {
public:
  /// `options` is a JSON object: "compiler" (path of regimen-compile), "cache" (folder for variants
  /// compiled on demand), "threads" (1), "frames" (null: grow; K: at most K outstanding forwards),
  /// "name" ("model", for messages), "verbose" (false: say nothing on stderr), "world" (none: one
  /// rank; else an object with "rank", "size", the "address" and "port" of a store that all ranks
  /// reach, its "generation", a "name" that no other model has there, the "timeout" of a silent
  /// rank in seconds, and "ring": whether gradients are reduced by a ring). Making a model for
  /// several ranks is a collective call.
  explicit Model(const std::string &options);

  //===--------------------------------------------------------------------===//
  // Plans
  //===--------------------------------------------------------------------===//

  /// Loads a plan with the suspended programs of one specialisation, compiled from `archive` with
  /// the configuration `config` (JSON); returns its index. The first plan makes the states; a later
  /// one that lays them out otherwise is refused. States start as zero but for the module buffers
  /// whose values are in the first plan.
  int64_t load(const std::string &plan, const std::string &archive, const std::string &config);
  /// Loads a plan with a program `update`; returns the index of that update.
  int64_t loadUpdate(const std::string &plan);

  //===--------------------------------------------------------------------===//
  // States. Every tensor is a view of the arenas: write through it to set a state. Of what is
  // sharded over the ranks, parameter() and gradient() have the shape and raise an error when read,
  // state() has this rank's elements. Functions on wholes are collective calls.
  //===--------------------------------------------------------------------===//

  std::vector<std::string> parameterNames() const;
  std::vector<bool> trainable() const;
  at::Tensor parameter(int64_t index) const;
  /// Where the gradient of a parameter lies; none if it has no path to an output or is frozen. What
  /// it holds counts only while the parameter's .grad is this view.
  std::optional<at::Tensor> gradient(int64_t index) const;
  /// Names of the optimizer's states of a parameter; empty before loadUpdate().
  std::vector<std::string> stateSlots(int64_t index) const;
  at::Tensor state(int64_t index, const std::string &slot) const;
  /// The ZeRO stage of a parameter, and the elements [begin, begin + size) of it that this rank has
  /// of what its stage shards.
  std::tuple<int64_t, int64_t, int64_t> shard(int64_t index) const;
  /// This rank's elements of a parameter: all of them below stage 3.
  at::Tensor parameterPart(int64_t index) const;
  at::Tensor wholeParameter(int64_t index) const;
  /// None if there is none at present.
  std::optional<at::Tensor> wholeGradient(int64_t index) const;
  at::Tensor wholeState(int64_t index, const std::string &slot) const;
  /// Sets a parameter or state from its whole; `fromFirst` takes rank 0's, and is a collective
  /// call.
  void setParameter(int64_t index, const at::Tensor &whole, bool fromFirst);
  /// Sets the gradient of a bound parameter, the mean over the ranks, from its whole.
  void setGradient(int64_t index, const at::Tensor &whole);
  void setState(int64_t index, const std::string &slot, const at::Tensor &whole);
  std::vector<std::string> moduleBufferNames() const;
  at::Tensor moduleBuffer(int64_t index) const;
  /// Gives all ranks what rank 0 has in a module buffer.
  void shareModuleBuffer(int64_t index);
  /// The bucket layout that later compilations take as `layout`: a JSON list of buckets, each a
  /// list of parameter names in the order of their offsets.
  std::string layout() const;

  //===--------------------------------------------------------------------===//
  // Running
  //===--------------------------------------------------------------------===//

  /// Gives the autograd leaves, one a parameter, whose data are the views that parameter() gave.
  /// Their .grad is managed from here on, their versions are checked.
  void bindParameters(std::vector<at::Tensor> leaves);
  /// Runs a specialisation on the tensor arguments of its graph, in order. With grad mode on, and a
  /// parameter or input that requires grad, the outputs carry the autograd node. The outputs are
  /// the caller's.
  std::vector<at::Tensor> forward(int64_t specialisation, std::vector<at::Tensor> inputs);
  /// Sizes and dtypes of the arguments of a specialisation, for messages and for choosing one: a
  /// JSON list of {"name", "sizes", "dtype"}.
  std::string signature(int64_t specialisation) const;

  /// Runs an update, if it is the one of exactly the parameters that have a gradient and are
  /// covered; otherwise changes nothing and returns false. True if there are no such parameters.
  /// `table` (f64) has a row for every parameter: lr, weight_decay, beta1, beta2, eps, momentum,
  /// dampening, step (ignored), and whether it is covered. `steps` (f32) counts the updates of each
  /// parameter and goes up with this one. Bumps the parameters' versions.
  bool update(int64_t index, const at::Tensor &table, const at::Tensor &steps);
  /// Whether backwards reduce gradients that are reduced once a step (stages 0 and 1); returns what
  /// was set before.
  bool setSync(bool sync);

  //===--------------------------------------------------------------------===//
  // Gradients together. A sum of squares is exact: i64 words that other sums can be added to.
  //===--------------------------------------------------------------------===//

  at::Tensor sumOfSquares(const std::vector<at::Tensor> &tensors) const;
  /// Of the gradients of these parameters, over all ranks; a collective call where one is sharded.
  at::Tensor gradientSquares(const std::vector<int64_t> &parameters);
  /// The 2-norm of all that was added up, rounded once, as a 0-d f32 tensor.
  at::Tensor rootOfSquares(const std::vector<at::Tensor> &sums) const;
  /// Multiplies this rank's part of the gradients of these parameters.
  void scaleGradients(const std::vector<int64_t> &parameters, const at::Tensor &factor);
  void zeroGradients(const std::vector<int64_t> &parameters);

  //===--------------------------------------------------------------------===//
  // Figures
  //===--------------------------------------------------------------------===//

  /// Bytes that this rank has sent so far, scalars, wholes and agreements apart.
  int64_t bytesSent() const;
  /// Frames in use, and frames allocated.
  std::tuple<int64_t, int64_t> frames() const;
  /// JSON: {"arenas": {name: bytes}, "frame_bytes", "frames", "live_frames", "unplanned_bytes"}.
  std::string memory() const;

private:
  // Shared with the nodes of outstanding forwards, which may outlive this.
  std::shared_ptr<ModelCore> core;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TORCH_MODEL_H
