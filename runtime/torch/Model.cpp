//===- Model.cpp ----------------------------------------------------------===//
#include "runtime/torch/Model.h"

#include "formats/Error.h"
#include "runtime/kernels/GlobalNorm.h"
#include "runtime/torch/ModelCore.h"

#include <ATen/Functions.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <span>
#include <utility>

namespace regimen::runtime {
namespace {

/// Bounds-checked access by an index from Python.
template <typename List> auto &at(List &list, int64_t index, const char *what) {
  if (index < 0 || static_cast<size_t>(index) >= list.size())
    throw Error(std::string("the model has no ") + what + " " + std::to_string(index));
  return list[static_cast<size_t>(index)];
}

} // namespace

Model::Model(const std::string &options)
    : core(std::make_shared<ModelCore>(ModelOptions::parse(options))) {}

int64_t Model::load(const std::string &plan, const std::string &archive,
                    const std::string &config) {
  return static_cast<int64_t>(core->load(plan, archive, config));
}

int64_t Model::loadUpdate(const std::string &plan) {
  return static_cast<int64_t>(core->loadUpdate(plan));
}

std::vector<std::string> Model::parameterNames() const {
  std::vector<std::string> names;
  for (const ModelStates::Parameter &parameter : core->states.parameters())
    names.push_back(parameter.name);
  return names;
}

std::vector<bool> Model::trainable() const {
  std::vector<bool> flags;
  for (const ModelStates::Parameter &parameter : core->states.parameters())
    flags.push_back(parameter.trainable);
  return flags;
}

at::Tensor Model::parameter(int64_t index) const {
  return at(core->states.parameters(), index, "parameter").value;
}

std::optional<at::Tensor> Model::gradient(int64_t index) const {
  const at::Tensor &gradient = at(core->states.parameters(), index, "parameter").gradient;
  return gradient.defined() ? std::optional(gradient) : std::nullopt;
}

std::vector<std::string> Model::stateSlots(int64_t index) const {
  std::vector<std::string> slots;
  for (const ModelStates::State &state : at(core->states.parameters(), index, "parameter").states)
    slots.push_back(state.slot);
  return slots;
}

std::tuple<int64_t, int64_t, int64_t> Model::shard(int64_t index) const {
  const Shard &shard = at(core->states.parameters(), index, "parameter").shard;
  Shard::Range range = shard.rangeOf(core->states.rank());
  return {shard.stage, range.begin, range.size};
}

at::Tensor Model::parameterPart(int64_t index) const {
  return at(core->states.parameters(), index, "parameter").valuePart();
}

at::Tensor Model::wholeParameter(int64_t index) const {
  std::lock_guard lock(core->mutex);
  const ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
  if (parameter.shard.stage < 3)
    return parameter.value;
  core->agree(Operation::WholeParameter, static_cast<uint32_t>(index));
  return gatherWhole(*core->states.communicator(), parameter.shard, parameter.valuePart());
}

std::optional<at::Tensor> Model::wholeGradient(int64_t index) const {
  std::lock_guard lock(core->mutex);
  const ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
  if (!parameter.hasGradient())
    return std::nullopt;
  core->states.requireReduced(static_cast<size_t>(index), "full_gradients()");
  if (!parameter.isShardedGradient())
    return parameter.leaf.grad();
  core->states.settleGradient(static_cast<size_t>(index));
  core->agree(Operation::WholeGradient, static_cast<uint32_t>(index));
  return gatherWhole(*core->states.communicator(), parameter.shard, parameter.gradientPart());
}

namespace {

const ModelStates::State &stateOf(const ModelStates::Parameter &parameter,
                                  const std::string &slot) {
  for (const ModelStates::State &state : parameter.states)
    if (state.slot == slot)
      return state;
  throw Error("parameter '" + parameter.name + "' has no optimizer state '" + slot +
              "'; load an update first");
}

} // namespace

at::Tensor Model::state(int64_t index, const std::string &slot) const {
  return stateOf(at(core->states.parameters(), index, "parameter"), slot).tensor;
}

at::Tensor Model::wholeState(int64_t index, const std::string &slot) const {
  std::lock_guard lock(core->mutex);
  const ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
  const ModelStates::State &state = stateOf(parameter, slot);
  if (!state.sharded)
    return state.tensor;
  core->agree(Operation::WholeState, static_cast<uint32_t>(index));
  return gatherWhole(*core->states.communicator(), parameter.shard, state.tensor);
}

void Model::setParameter(int64_t index, const at::Tensor &whole, bool fromFirst) {
  std::lock_guard lock(core->mutex);
  at::NoGradGuard noGrad;
  const ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
  Communicator *ranks = core->states.communicator();
  at::Tensor values = whole;
  if (fromFirst && ranks) {
    core->agree(Operation::SetParameter, static_cast<uint32_t>(index));
    values = whole.clone();
    broadcastFirst(*ranks, values);
  }
  if (parameter.shard.stage == 3)
    setPart(parameter.shard, core->states.rank(), values, parameter.valuePart());
  else
    parameter.valuePart().copy_(values);
}

void Model::setGradient(int64_t index, const at::Tensor &whole) {
  std::lock_guard lock(core->mutex);
  at::NoGradGuard noGrad;
  ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
  if (!parameter.gradient.defined() || !parameter.leaf.defined())
    throw Error("parameter '" + parameter.name + "' has no place for a gradient");
  if (parameter.isShardedGradient())
    setPart(parameter.shard, core->states.rank(), whole, parameter.gradientPart());
  else
    parameter.gradient.copy_(whole);
  parameter.reduction = ModelStates::Reduction::Mean;
  parameter.leaf.mutable_grad() = parameter.gradient;
}

void Model::setState(int64_t index, const std::string &slot, const at::Tensor &whole) {
  std::lock_guard lock(core->mutex);
  at::NoGradGuard noGrad;
  const ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
  const ModelStates::State &state = stateOf(parameter, slot);
  if (state.sharded)
    setPart(parameter.shard, core->states.rank(), whole, state.tensor);
  else
    state.tensor.copy_(whole);
}

std::vector<std::string> Model::moduleBufferNames() const {
  std::vector<std::string> names;
  for (const ModelStates::Buffer &buffer : core->states.moduleBuffers())
    names.push_back(buffer.name);
  return names;
}

at::Tensor Model::moduleBuffer(int64_t index) const {
  return at(core->states.moduleBuffers(), index, "buffer").tensor;
}

void Model::shareModuleBuffer(int64_t index) {
  std::lock_guard lock(core->mutex);
  at::NoGradGuard noGrad;
  const at::Tensor &buffer = at(core->states.moduleBuffers(), index, "buffer").tensor;
  if (Communicator *ranks = core->states.communicator()) {
    core->agree(Operation::ShareBuffer, static_cast<uint32_t>(index));
    broadcastFirst(*ranks, buffer);
  }
}

std::string Model::layout() const { return nlohmann::json(core->states.layout()).dump(); }

void Model::bindParameters(std::vector<at::Tensor> leaves) { core->bind(std::move(leaves)); }

std::vector<at::Tensor> Model::forward(int64_t specialisation, std::vector<at::Tensor> inputs) {
  return core->forward(static_cast<size_t>(specialisation), std::move(inputs));
}

std::string Model::signature(int64_t index) const {
  const Specialisation &specialisation = *at(core->specialisations, index, "specialisation");
  const CallerProgram &program = specialisation.interface();
  nlohmann::json list = nlohmann::json::array();
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const plan::fb::InputT &input = *specialisation.plan().programs[program.index]->inputs[i];
    list.push_back({{"name", input.name},
                    {"index", input.index},
                    {"sizes", program.inputs[i].sizes},
                    {"dtype", plan::name(specialisation.plan().tensors[input.tensor]->dtype)}});
  }
  return list.dump();
}

bool Model::update(int64_t index, const at::Tensor &table, const at::Tensor &steps) {
  return core->update(static_cast<size_t>(index), table, steps);
}

bool Model::setSync(bool sync) {
  std::lock_guard lock(core->mutex);
  return std::exchange(core->sync, sync);
}

//===----------------------------------------------------------------------===//
// Gradients together
//===----------------------------------------------------------------------===//

namespace {

at::Tensor wordsOf(const SumOfSquares &sum) {
  auto words = sum.words();
  at::Tensor tensor = at::empty({SumOfSquares::kWords}, at::kLong);
  std::copy(words.begin(), words.end(), tensor.mutable_data_ptr<int64_t>());
  return tensor;
}

} // namespace

at::Tensor Model::sumOfSquares(const std::vector<at::Tensor> &tensors) const {
  at::NoGradGuard noGrad;
  SumOfSquares sum;
  for (const at::Tensor &tensor : tensors)
    sum.add(tensor);
  return wordsOf(sum);
}

at::Tensor Model::gradientSquares(const std::vector<int64_t> &indices) {
  std::lock_guard lock(core->mutex);
  at::NoGradGuard noGrad;
  SumOfSquares own, total;
  bool sharded = false;
  for (int64_t index : indices) {
    const ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
    if (!parameter.hasGradient())
      throw Error("parameter '" + parameter.name + "' has no gradient");
    core->states.settleGradient(static_cast<size_t>(index));
    core->states.requireReduced(static_cast<size_t>(index), "the gradients' norm");
    (parameter.isShardedGradient() ? own : total).add(parameter.gradientPart());
    sharded |= parameter.isShardedGradient();
  }
  if (sharded) {
    core->agree(Operation::Norm, static_cast<uint32_t>(indices.size()));
    auto words = own.words();
    std::vector<int64_t> all(words.size() * core->states.rankCount());
    core->states.communicator()->host().scalars().allGatherBytes(
        std::as_bytes(std::span(words)), std::as_writable_bytes(std::span(all)));
    for (size_t i = 0; i < all.size(); i += words.size())
      total.merge(SumOfSquares::fromWords(all.data() + i));
  }
  return wordsOf(total);
}

at::Tensor Model::rootOfSquares(const std::vector<at::Tensor> &sums) const {
  SumOfSquares total;
  for (const at::Tensor &sum : sums) {
    if (sum.scalar_type() != at::kLong || sum.numel() != SumOfSquares::kWords ||
        !sum.is_contiguous())
      throw Error("a sum of squares is what sum_of_squares or gradient_squares gave");
    total.merge(SumOfSquares::fromWords(sum.const_data_ptr<int64_t>()));
  }
  return at::scalar_tensor(total.root(), at::kFloat);
}

void Model::scaleGradients(const std::vector<int64_t> &indices, const at::Tensor &factor) {
  std::lock_guard lock(core->mutex);
  at::NoGradGuard noGrad;
  std::vector<at::Tensor> parts;
  for (int64_t index : indices) {
    const ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
    core->states.settleGradient(static_cast<size_t>(index));
    parts.push_back(parameter.gradientPart());
  }
  at::_foreach_mul_(parts, factor);
}

void Model::zeroGradients(const std::vector<int64_t> &indices) {
  std::lock_guard lock(core->mutex);
  at::NoGradGuard noGrad;
  for (int64_t index : indices) {
    ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
    core->states.settleGradient(static_cast<size_t>(index));
    (parameter.unreduced.defined() ? parameter.unreduced : parameter.gradientPart()).zero_();
    parameter.reduction = ModelStates::Reduction::Mean;
  }
}

//===----------------------------------------------------------------------===//
// Figures
//===----------------------------------------------------------------------===//

int64_t Model::bytesSent() const {
  uint64_t sent = 0;
  if (Communicator *ranks = core->states.communicator())
    for (uint64_t bytes : ranks->collectives().traffic())
      sent += bytes;
  return static_cast<int64_t>(sent);
}

std::tuple<int64_t, int64_t> Model::frames() const {
  return {static_cast<int64_t>(core->frames.live()),
          static_cast<int64_t>(core->frames.allocated())};
}

std::string Model::memory() const {
  std::lock_guard lock(core->mutex);
  nlohmann::json arenas = nlohmann::json::object();
  for (const auto &[name, entry] : core->states.arenas().all())
    arenas[name] = entry.memory.bytes();
  return nlohmann::json{{"arenas", arenas},
                        {"frame_bytes", core->frames.allocatedBytes()},
                        {"frames", core->frames.allocated()},
                        {"live_frames", core->frames.live()},
                        {"unplanned_bytes", UnplannedMemory::peak()}}
      .dump();
}

} // namespace regimen::runtime
