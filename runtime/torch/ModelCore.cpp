//===- ModelCore.cpp - Loading, forward, update ---------------------------===//
#include "runtime/torch/ModelCore.h"

#include "formats/Error.h"
#include "runtime/torch/BackwardNode.h"

#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cstdio>

namespace regimen::runtime {

static void parseWorld(const nlohmann::json &json, ModelOptions &options) {
  try {
    World &world = options.world;
    world.rank = json.at("rank").get<int>();
    world.size = json.at("size").get<int>();
    world.masterAddress = json.at("address").get<std::string>();
    world.masterPort = json.at("port").get<uint16_t>();
    world.generation = json.at("generation").get<uint64_t>();
    world.agentStore = true; // Python serves it where the launcher does not
    CommunicatorOptions &communicator = options.communicator;
    communicator.rendezvous.name = json.at("name").get<std::string>();
    communicator.heartbeat.patience =
        std::chrono::milliseconds(static_cast<int64_t>(json.at("timeout").get<double>() * 1000));
    communicator.collectives.algorithm =
        json.at("ring").get<bool>() ? Algorithm::Ring : Algorithm::Ordered;
  } catch (const nlohmann::json::exception &error) {
    throw Error("option \"world\" of a model lacks something: " + std::string(error.what()));
  }
}

ModelOptions ModelOptions::parse(const std::string &text) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    throw Error("the options of a model are a JSON object, not '" + text + "'");
  ModelOptions options;
  for (const auto &[name, value] : json.items()) {
    auto expect = [&](bool fits, const char *what) {
      if (!fits)
        throw Error("option \"" + name + "\" of a model is " + what + ", not " + value.dump());
    };
    if (name == "compiler" || name == "cache") {
      expect(value.is_string(), "a path");
      (name == "cache" ? options.cache : options.compiler) = value.get<std::string>();
    } else if (name == "threads") {
      expect(value.is_number_unsigned() && value > 0, "a positive number");
      options.threads = value.get<unsigned>();
    } else if (name == "frames") {
      expect(value.is_null() || (value.is_number_unsigned() && value > 0),
             "null or a positive number");
      if (!value.is_null())
        options.frames = value.get<size_t>();
    } else if (name == "name") {
      expect(value.is_string(), "a string");
      options.name = value.get<std::string>();
    } else if (name == "verbose") {
      expect(value.is_boolean(), "true or false");
      options.verbose = value.get<bool>();
    } else if (name == "world") {
      expect(value.is_object(), "an object");
      parseWorld(value, options);
    } else {
      throw Error("a model has no option \"" + name +
                  "\"; there are compiler, cache, threads, frames, name, verbose, world");
    }
  }
  return options;
}

ModelCore::ModelCore(ModelOptions given)
    : ranks(given.world.size > 1 ? std::make_unique<Communicator>(given.world, given.communicator)
                                 : nullptr),
      states(given.name, ranks.get()), frames(states.device(), given.name + "/frame", given.frames),
      options(std::move(given)),
      compiler(options.compiler, options.cache, options.name, options.verbose) {}

static void checkThreads(const plan::fb::PlanT &plan, const ModelOptions &options) {
  if (plan.target->threads != options.threads)
    throw Error("the plan is for " + std::to_string(plan.target->threads) +
                " threads, the model runs with " + std::to_string(options.threads) +
                "; compile with target.threads=" + std::to_string(options.threads));
}

size_t ModelCore::load(const std::string &path, const std::string &archive,
                       const std::string &config) {
  std::lock_guard lock(mutex);
  auto loaded = std::make_unique<LoadedPlan>(path);
  checkThreads(loaded->plan, options);
  KernelSettings settings(options.threads);
  specialisations.push_back(
      std::make_unique<Specialisation>(std::move(loaded), archive, config, states, kernels));
  return specialisations.size() - 1;
}

size_t ModelCore::loadUpdate(const std::string &path) {
  std::lock_guard lock(mutex);
  auto loaded = std::make_unique<LoadedPlan>(path);
  const plan::fb::PlanT &plan = loaded->plan;
  checkThreads(plan, options);
  std::vector<bool> wanted;
  for (const auto &program : plan.programs)
    wanted.push_back(program->role == plan::fb::Role::Update);
  if (std::count(wanted.begin(), wanted.end(), true) != 1)
    throw Error("'" + path + "' has no program update; compile it with an optimizer");
  KernelSettings settings(options.threads);
  loaded->bind(states, kernels, wanted);
  auto program = std::find(wanted.begin(), wanted.end(), true) - wanted.begin();
  updates.push_back({std::move(loaded), static_cast<size_t>(program)});
  return updates.size() - 1;
}

void ModelCore::bind(std::vector<at::Tensor> leaves) {
  std::lock_guard lock(mutex);
  states.bind(std::move(leaves));
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

std::vector<at::Tensor> ModelCore::forward(size_t index, std::vector<at::Tensor> inputs) {
  std::lock_guard lock(mutex);
  if (index >= specialisations.size())
    throw Error("model '" + options.name + "' has no specialisation " + std::to_string(index));
  const Specialisation &specialisation = *specialisations[index];
  size_t count = specialisation.argumentCount();
  if (inputs.size() < count)
    throw Error("model '" + options.name + "' takes " + std::to_string(count) + " tensors, " +
                std::to_string(inputs.size()) + " were given");
  bool tracks = at::GradMode::is_enabled() && specialisation.forward();
  if (tracks) {
    auto wants = [&](uint32_t p) { return states.parameters()[p].requiresGrad(); };
    const std::vector<uint32_t> &trainable = specialisation.trainable();
    tracks = std::any_of(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(count),
                         [](const at::Tensor &input) {
                           return input.defined() && input.requires_grad();
                         }) ||
             std::any_of(trainable.begin(), trainable.end(), wants);
  }
  const CallerProgram *chosen = tracks ? nullptr : specialisation.inference();
  if (!chosen)
    chosen = specialisation.forward();
  TORCH_INTERNAL_ASSERT(chosen, "a specialisation without programs");
  const CallerProgram &program = *chosen;

  std::vector<at::Tensor> given, outputs;
  given.reserve(program.inputs.size());
  outputs.reserve(program.outputs.size());
  {
    at::NoGradGuard noGrad;
    for (const Port &port : program.inputs)
      given.push_back(port.fit(inputs[port.index], options.name, "input"));
  }
  for (const Port &port : program.outputs)
    outputs.push_back(port.allocate());

  // From here on the node owns the frame.
  std::shared_ptr<BackwardNode> node;
  if (&program == specialisation.forward()) {
    bool grown = false;
    PlannedArena *frame = frames.lease(specialisation.frameBytes(), grown);
    if (grown && options.verbose && frames.allocated() > 1 && !std::exchange(announcedFrames, true))
      std::fprintf(stderr,
                   "regimen: %s: several forwards wait for their backwards; the memory for "
                   "their frames grows with them (memory.frames)\n",
                   options.name.c_str());
    node = std::shared_ptr<BackwardNode>(new BackwardNode(shared_from_this(), index, frame),
                                         torch::autograd::deleteNode);
  }
  {
    KernelSettings settings(options.threads);
    c10::impl::ExcludeDispatchKeyGuard noAutocast(c10::autocast_dispatch_keyset);
    program.run(node ? node->frame()->data() : nullptr, given, outputs, hypers);
  }
  if (tracks)
    track(node, specialisation, inputs, given, outputs);
  return outputs;
}

void ModelCore::track(const std::shared_ptr<BackwardNode> &node,
                      const Specialisation &specialisation, const std::vector<at::Tensor> &inputs,
                      const std::vector<at::Tensor> &given,
                      const std::vector<at::Tensor> &outputs) {
  const CallerProgram &program = *specialisation.forward();
  const std::vector<uint32_t> &trainable = specialisation.trainable();
  size_t count = specialisation.argumentCount();
  torch::autograd::edge_list edges;
  edges.reserve(count + trainable.size());
  for (size_t i = 0; i < count; ++i)
    edges.push_back(inputs[i].defined() && inputs[i].requires_grad()
                        ? torch::autograd::impl::gradient_edge(inputs[i])
                        : torch::autograd::Edge());
  for (uint32_t parameter : trainable)
    edges.push_back(states.edge(parameter));
  node->set_next_edges(std::move(edges));

  // What no backward takes again is the caller's to free.
  node->arguments.resize(count);
  for (size_t i = 0; i < given.size(); ++i)
    if (specialisation.keepsArgument(program.inputs[i].index))
      node->arguments[program.inputs[i].index] = BackwardNode::Saved::of(given[i]);
  node->outputs.resize(outputs.size());
  for (uint32_t output = 0; output < outputs.size(); ++output)
    if (specialisation.keepsOutput(output))
      node->outputs[output] = BackwardNode::Saved::of(outputs[output]);
  node->parameterVersions.reserve(states.parameters().size());
  for (const ModelStates::Parameter &parameter : states.parameters())
    node->parameterVersions.push_back(parameter.leaf.defined() ? parameter.version() : 0);

  for (uint32_t output = 0; output < outputs.size(); ++output) {
    bool depends = false;
    for (uint32_t i = 0; i < count && !depends; ++i)
      depends = node->next_edge(i).is_valid() && specialisation.dependsOnArgument(output, i);
    for (size_t i = 0; i < trainable.size() && !depends; ++i)
      depends = node->next_edge(count + i).is_valid() &&
                specialisation.dependsOnParameter(output, trainable[i]);
    if (!depends || !torch::autograd::isDifferentiableType(outputs[output].scalar_type()))
      continue;
    torch::autograd::set_history(outputs[output], node);
    node->outputOfInput.push_back(output);
  }
}

//===----------------------------------------------------------------------===//
// Update
//===----------------------------------------------------------------------===//

bool ModelCore::update(size_t index, const at::Tensor &table, const at::Tensor &steps) {
  std::lock_guard lock(mutex);
  constexpr size_t columns = std::tuple_size_v<GroupHypers>;
  const size_t count = states.parameters().size();
  auto check = [](const at::Tensor &tensor, at::ScalarType type, size_t numbers, const char *what) {
    if (!tensor.defined() || !tensor.device().is_cpu() || !tensor.is_contiguous() ||
        tensor.scalar_type() != type || static_cast<size_t>(tensor.numel()) != numbers)
      throw Error(std::string(what) + " of an update is a contiguous CPU tensor of " +
                  std::to_string(numbers) + ' ' + c10::toString(type) + " numbers");
  };
  check(table, at::kDouble, columns * count, "the table");
  check(steps, at::kFloat, count, "the step counts");
  const double *rows = table.const_data_ptr<double>();
  constexpr auto stepColumn = static_cast<size_t>(plan::fb::Hyper::Step);
  constexpr auto coveredColumn = static_cast<size_t>(plan::fb::Hyper::HasGradient);
  withGradient.clear();
  for (uint32_t i = 0; i < count; ++i)
    if (rows[i * columns + coveredColumn] != 0 && states.parameters()[i].trainable &&
        states.parameters()[i].hasGradient())
      withGradient.push_back(i);
  if (withGradient.empty())
    return true;
  if (index >= updates.size())
    throw Error("model '" + options.name + "' has no update " + std::to_string(index));
  const Update &chosen = updates[index];
  const plan::fb::PlanT &plan = chosen.loaded->plan;
  if (plan.programs[chosen.program]->gradients != withGradient)
    return false;
  for (uint32_t i : withGradient) {
    states.settleGradient(i);
    states.requireReduced(i, "the optimizer's step");
  }
  auto *counts = steps.mutable_data_ptr<float>();
  hypers.resize(plan.training->groups.size());
  for (uint32_t i : withGradient) {
    GroupHypers &row = hypers[plan.parameters[i]->group];
    std::copy_n(rows + i * columns, columns, row.begin());
    row[stepColumn] = static_cast<double>(counts[i] + 1);
  }
  KernelSettings settings(options.threads);
  c10::impl::ExcludeDispatchKeyGuard noAutocast(c10::autocast_dispatch_keyset);
  chosen.loaded->executor->run(chosen.program, hypers);
  for (uint32_t i : withGradient) {
    counts[i] += 1;
    states.parameters()[i].leaf.unsafeGetTensorImpl()->bump_version();
  }
  return true;
}

static std::string nameOf(uint32_t program, uint32_t) {
  switch (static_cast<Operation>(~program)) {
  case Operation::Norm:
    return "a norm of gradients";
  case Operation::WholeParameter:
    return "the gathering of a parameter";
  case Operation::WholeGradient:
    return "the gathering of a gradient";
  case Operation::WholeState:
    return "the gathering of an optimizer state";
  case Operation::SetParameter:
    return "the setting of a parameter";
  case Operation::ShareBuffer:
    return "the setting of a buffer";
  }
  return "a program";
}

void ModelCore::agree(Operation operation, uint32_t detail) {
  // Programs have small numbers, and their plans any: these are apart from both.
  if (ranks)
    ranks->host().agree(~static_cast<uint32_t>(operation), detail, nameOf);
}

} // namespace regimen::runtime
