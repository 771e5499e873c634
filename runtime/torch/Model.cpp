//===- Model.cpp ----------------------------------------------------------===//
#include "runtime/torch/Model.h"

#include "formats/Error.h"
#include "runtime/kernels/GlobalNorm.h"
#include "runtime/torch/ModelCore.h"

#include <ATen/Functions.h>
#include <nlohmann/json.hpp>

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

at::Tensor Model::state(int64_t index, const std::string &slot) const {
  const ModelStates::Parameter &parameter = at(core->states.parameters(), index, "parameter");
  for (const ModelStates::State &state : parameter.states)
    if (state.slot == slot)
      return state.tensor;
  throw Error("parameter '" + parameter.name + "' has no optimizer state '" + slot +
              "'; load an update first");
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

void Model::settleGradients() { core->settleGradients(); }

at::Tensor Model::squaredNormRoot(const std::vector<at::Tensor> &tensors) const {
  at::NoGradGuard noGrad;
  SumOfSquares sum;
  for (const at::Tensor &tensor : tensors)
    sum.add(tensor);
  return at::scalar_tensor(sum.root(), at::kFloat);
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
