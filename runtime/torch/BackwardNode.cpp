//===- BackwardNode.cpp - Resuming a forward ------------------------------===//
#include "runtime/torch/BackwardNode.h"

#include "formats/Error.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <sstream>

namespace regimen::runtime {

using plan::fb::Contribution;
using torch::autograd::variable_list;

//===----------------------------------------------------------------------===//
// BackwardNode
//===----------------------------------------------------------------------===//

BackwardNode::Saved BackwardNode::Saved::of(const at::Tensor &tensor) {
  c10::TensorImpl *impl = tensor.unsafeGetTensorImpl();
  if (tensor.is_inference())
    return {at::Tensor(impl->shallow_copy_and_detach(c10::VariableVersion(0), false)), 0};
  const c10::VariableVersion &counter = impl->version_counter();
  return {at::Tensor(impl->shallow_copy_and_detach(counter, false)), counter.current_version()};
}

bool BackwardNode::Saved::isChanged() const {
  return alias.unsafeGetTensorImpl()->version_counter().current_version() != version;
}

void BackwardNode::giveBack() {
  if (PlannedArena *frame = std::exchange(leased, nullptr))
    core->frames.giveBack(frame);
}

void BackwardNode::release_variables() {
  std::lock_guard lock(core->mutex);
  giveBack();
  arguments.clear();
  outputs.clear();
}

//===----------------------------------------------------------------------===//
// The backward
//===----------------------------------------------------------------------===//

/// Whether somebody wants to see a parameter's gradient on its way.
static bool hasHooks(const ModelStates::Parameter &parameter, torch::autograd::Node &accumulator) {
  return !torch::autograd::impl::hooks(parameter.leaf).empty() ||
         torch::autograd::impl::post_acc_grad_hooks(parameter.leaf) != nullptr ||
         !accumulator.pre_hooks().empty() || !accumulator.post_hooks().empty();
}

/// Fills the wanted arguments and parameters of the key, and whether parameter gradients go back
/// through autograd: torch.autograd.grad() asked for one, or one has hooks.
void ModelCore::readWishes(const BackwardNode &node, const Specialisation &specialisation) {
  key.arguments.clear();
  key.parameters.clear();
  returned = false;
  size_t count = specialisation.argumentCount();
  for (uint32_t i = 0; i < count; ++i)
    if (node.task_should_compute_output(i))
      key.arguments.push_back(i);
  const auto *execution = torch::autograd::get_current_graph_task_exec_info();
  if (execution && execution->empty())
    execution = nullptr;
  const std::vector<uint32_t> &trainable = specialisation.trainable();
  for (size_t i = 0; i < trainable.size(); ++i) {
    const torch::autograd::Edge &edge = node.next_edge(count + i);
    if (!edge.is_valid())
      continue;
    if (execution) {
      auto found = execution->find(edge.function.get());
      if (found == execution->end() || !found->second.should_execute())
        continue;
      returned |= found->second.captures_ != nullptr;
    }
    if (const ModelStates::Parameter &parameter = states.parameters()[trainable[i]];
        hasHooks(parameter, *edge.function)) {
      TORCH_CHECK(
          states.rankCount() == 1, "model '", options.name, "': parameter '", parameter.name,
          "' has a hook; on several ranks gradients are reduced where they are made, and no "
          "hook sees them on their way: remove it");
      returned = true;
    }
    key.parameters.push_back(trainable[i]);
  }
}

void ModelCore::checkVersions(const BackwardNode &node, const Variant &variant) const {
  auto fail = [&](const std::string &what, uint32_t version, uint32_t expected) {
    TORCH_CHECK(false,
                "one of the variables needed for gradient computation has been modified by an "
                "inplace operation: ",
                what, " of the model '", options.name, "' is at version ", version,
                "; expected version ", expected,
                " instead. Hint: run the backward before what changes it (an optimizer's step(), "
                "an operation in place), or the forward after it.");
  };
  auto describe = [](const char *kind, uint32_t index, const at::Tensor &tensor) {
    std::ostringstream text;
    text << kind << ' ' << index << " [" << tensor.toString() << ' ' << tensor.sizes() << ']';
    return text.str();
  };
  for (const Port &port : variant.program.inputs) {
    bool argument = port.source == plan::fb::InputSource::Argument;
    if (!argument && port.source != plan::fb::InputSource::Output)
      continue;
    const BackwardNode::Saved &saved =
        argument ? node.arguments[port.index] : node.outputs[port.index];
    if (saved.isChanged())
      fail(describe(argument ? "input" : "output", port.index, saved.alias),
           saved.alias.unsafeGetTensorImpl()->version_counter().current_version(), saved.version);
  }
  for (uint32_t index : variant.parameters) {
    const ModelStates::Parameter &parameter = states.parameters()[index];
    if (parameter.leaf.defined() && parameter.version() != node.parameterVersions[index])
      fail("parameter '" + parameter.name + "'", parameter.version(),
           node.parameterVersions[index]);
  }
}

Contribution ModelCore::chooseContribution(const std::vector<uint32_t> &parameters) const {
  if (returned)
    return Contribution::None;
  auto exists = [&](uint32_t index) { return states.parameters()[index].hasGradient(); };
  bool later = std::any_of(parameters.begin(), parameters.end(), exists);
  // A bucket's shard of gradients is written as one.
  if (!later && shardsGradients(parameters)) {
    std::vector<uint32_t> mates = states.bucketMates(parameters);
    later = std::any_of(mates.begin(), mates.end(), exists);
  }
  return later ? Contribution::Later : Contribution::First;
}

bool ModelCore::shardsGradients(const std::vector<uint32_t> &parameters) const {
  return std::any_of(parameters.begin(), parameters.end(),
                     [&](uint32_t index) { return states.parameters()[index].shard.stage >= 2; });
}

/// Before contributions are made on several ranks: what exists in the touched buckets has to be
/// what the reduction expects.
void ModelCore::prepareShards(const Variant &variant) {
  if (states.rankCount() == 1)
    return;
  at::NoGradGuard noGrad;
  bool later = variant.key.contribution == Contribution::Later;
  for (uint32_t index :
       variant.key.local ? variant.gradients : states.bucketMates(variant.gradients)) {
    ModelStates::Parameter &parameter = states.parameters()[index];
    if (parameter.shard.stage >= 2) {
      // The reduction adds to the whole shard.
      if (later && !parameter.hasGradient())
        parameter.gradientPart().zero_();
    } else if (parameter.hasGradient() && parameter.reduction == ModelStates::Reduction::Mean) {
      states.resume(parameter);
    }
  }
}

void ModelCore::noteReductions(const Variant &variant) {
  if (states.rankCount() == 1)
    return;
  for (uint32_t index :
       variant.key.local ? variant.gradients : states.bucketMates(variant.gradients)) {
    ModelStates::Parameter &parameter = states.parameters()[index];
    parameter.reduction = variant.key.local && parameter.shard.stage < 2
                              ? ModelStates::Reduction::Own
                              : ModelStates::Reduction::Mean;
  }
}

/// Flags for a later contribution. What a user put into .grad counts as a gradient like any other.
void ModelCore::fillExisting(const Variant &variant) {
  const auto &parameters = variant.program.loaded->plan.parameters;
  hypers.resize(variant.program.loaded->plan.training->groups.size());
  for (uint32_t index : variant.gradients) {
    bool exists = states.parameters()[index].hasGradient();
    if (exists)
      states.settleGradient(index);
    hypers[parameters[index]->group][static_cast<size_t>(plan::fb::Hyper::HasGradient)] =
        exists ? 1.0 : 0.0;
  }
}

/// The outputs that somebody waits for, if parameter gradients are none of them: another graph that
/// leads to an accumulator waits for this node, and so does a hook that sees all outputs.
size_t ModelCore::countPassedOn(const BackwardNode &node,
                                const Specialisation &specialisation) const {
  const std::vector<uint32_t> &trainable = specialisation.trainable();
  auto isShared = [&](uint32_t index) { return states.parameters()[index].isSharedAccumulator(); };
  if (returned || node.post_hooks().size() > 1 ||
      std::any_of(trainable.begin(), trainable.end(), isShared))
    return node.num_outputs();
  return specialisation.argumentCount();
}

variable_list ModelCore::backward(BackwardNode &node, variable_list gradients) {
  std::lock_guard lock(mutex);
  TORCH_CHECK(node.frame(), torch::autograd::ERR_BACKWARD_TWICE);
  TORCH_CHECK(!at::GradMode::is_enabled(), "model '", options.name,
              "' is compiled: double backward (create_graph=True) through it is not supported; use "
              "the module itself where you need it");
  Specialisation &specialisation = *specialisations[node.specialisation];
  variable_list result(node.num_outputs());
  node.passedOn = result.size();
  key.retain = torch::autograd::get_current_graph_task_keep_graph();
  key.outputs.clear();
  for (size_t i = 0; i < gradients.size(); ++i)
    if (gradients[i].defined())
      key.outputs.push_back(node.outputOfInput[i]);
  std::sort(key.outputs.begin(), key.outputs.end());
  readWishes(node, specialisation);
  specialisation.normalise(key);
  if (key.arguments.empty() && key.parameters.empty()) {
    if (!key.retain)
      node.giveBack();
    return result;
  }
  key.contribution = chooseContribution(key.parameters);
  // From stage 2 on every backward reduces: the gradients that it makes have no place to stay.
  key.local = !sync && states.rankCount() > 1 && key.contribution != Contribution::None &&
              !shardsGradients(key.parameters);

  KernelSettings settings(options.threads);
  c10::impl::ExcludeDispatchKeyGuard noAutocast(c10::autocast_dispatch_keyset);
  const Variant *variant = specialisation.find(key);
  if (!variant)
    variant = &specialisation.compile(key, compiler, states, kernels);
  checkVersions(node, *variant);

  std::vector<at::Tensor> given, taken;
  given.reserve(variant->program.inputs.size());
  taken.reserve(variant->program.outputs.size());
  for (const Port &port : variant->program.inputs) {
    switch (port.source) {
    case plan::fb::InputSource::OutputGradient: {
      size_t input = static_cast<size_t>(
          std::find(node.outputOfInput.begin(), node.outputOfInput.end(), port.index) -
          node.outputOfInput.begin());
      given.push_back(port.fit(gradients[input], options.name, "the gradient of output"));
      break;
    }
    case plan::fb::InputSource::Output:
      given.push_back(port.fit(node.outputs[port.index].alias, options.name, "output"));
      break;
    default:
      given.push_back(port.fit(node.arguments[port.index].alias, options.name, "input"));
    }
  }
  for (const Port &port : variant->program.outputs)
    taken.push_back(port.allocate());
  if (variant->key.contribution == Contribution::Later)
    fillExisting(*variant);
  if (variant->key.contribution != Contribution::None) {
    for (uint32_t index : variant->gradients)
      if (!states.parameters()[index].hasGradient())
        states.leaveKeptGradient(index);
    prepareShards(*variant);
  }

  try {
    variant->program.run(node.frame()->data(), given, taken, hypers);
  } catch (...) {
    // What it consumed of the frame is gone.
    if (!variant->key.retain)
      node.giveBack();
    throw;
  }

  size_t arguments = specialisation.argumentCount();
  for (size_t i = 0; i < taken.size(); ++i) {
    const Port &port = variant->program.outputs[i];
    if (port.kind == plan::fb::OutputKind::ArgumentGradient) {
      result[port.index] = std::move(taken[i]);
      continue;
    }
    const std::vector<uint32_t> &trainable = specialisation.trainable();
    auto at = std::lower_bound(trainable.begin(), trainable.end(), port.index);
    result[arguments + static_cast<size_t>(at - trainable.begin())] = std::move(taken[i]);
  }
  // Gradients that were handed out are autograd's to put where it wants them.
  if (variant->key.contribution != Contribution::None) {
    for (uint32_t index : variant->gradients) {
      ModelStates::Parameter &parameter = states.parameters()[index];
      parameter.gradient.unsafeGetTensorImpl()->bump_version();
      at::Tensor &gradient = parameter.leaf.mutable_grad();
      if (!gradient.is_same(parameter.gradient))
        gradient = parameter.gradient;
    }
    noteReductions(*variant);
  }
  if (!key.retain)
    node.giveBack();
  node.passedOn = countPassedOn(node, specialisation);
  return result;
}

} // namespace regimen::runtime
