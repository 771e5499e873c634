//===- Specialisation.cpp -------------------------------------------------===//
#include "runtime/torch/Specialisation.h"

#include "formats/Digest.h"
#include "formats/Error.h"
#include "formats/MappedFile.h"
#include "formats/plan/Accesses.h"

#include <ATen/EmptyTensor.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <sstream>

namespace regimen::runtime {

using plan::fb::Contribution;
using plan::fb::Segment;

static uint32_t identityOf(const std::filesystem::path &path) {
  MappedFile file = MappedFile::open(path);
  return static_cast<uint32_t>(std::stoul(sha256(file.bytes()).substr(0, 8), nullptr, 16));
}

LoadedPlan::LoadedPlan(const std::filesystem::path &path)
    : plan(plan::read(path)), identity(identityOf(path)) {}

void LoadedPlan::bind(ModelStates &states, KernelTable &kernels, const std::vector<bool> &wanted) {
  states.check(plan);
  std::set<std::string> before;
  for (const auto &[name, arena] : states.arenas().all())
    before.insert(name);
  try {
    executor = std::make_unique<Executor>(
        plan, Executor::Shared{states.device(), states.arenas(), kernels, states.communicator()},
        wanted, identity);
  } catch (...) {
    states.arenas().keepOnly(before);
    throw;
  }
  states.adopt(plan);
}

//===----------------------------------------------------------------------===//
// Ports
//===----------------------------------------------------------------------===//

Port::Port(const plan::fb::PlanT &plan, uint32_t tensor, uint32_t index)
    : buffer(plan.tensors.at(tensor)->buffer), index(index),
      type(scalarType(plan.tensors[tensor]->dtype)), sizes(plan.tensors[tensor]->sizes),
      strides(plan.tensors[tensor]->strides) {}

at::Tensor Port::fit(const at::Tensor &tensor, const std::string &model, const char *what) const {
  if (!tensor.defined() || !tensor.device().is_cpu() || tensor.layout() != at::kStrided ||
      tensor.scalar_type() != type || tensor.sizes() != at::IntArrayRef(sizes)) {
    std::ostringstream text;
    text << "model '" << model << "': " << what << ' ' << index << " is ";
    if (tensor.defined())
      text << tensor.toString() << tensor.sizes();
    else
      text << "undefined";
    text << ", the plan is for a CPU tensor of " << type << at::IntArrayRef(sizes)
         << "; load a plan for these inputs";
    throw Error(text.str());
  }
  bool same = !tensor.is_conj() && !tensor.is_neg();
  for (size_t axis = 0; axis < sizes.size() && same; ++axis)
    same = sizes[axis] <= 1 || tensor.strides()[axis] == strides[axis];
  if (same)
    return tensor;
  at::Tensor copy = allocate();
  copy.copy_(tensor);
  return copy;
}

at::Tensor Port::allocate() const { return at::detail::empty_strided_cpu(sizes, strides, type); }

CallerProgram::CallerProgram(LoadedPlan &loaded, size_t index) : loaded(&loaded), index(index) {
  const plan::fb::ProgramT &program = *loaded.plan.programs[index];
  for (const auto &input : program.inputs) {
    inputs.emplace_back(loaded.plan, input->tensor, input->index);
    inputs.back().source = input->source;
  }
  for (const auto &output : program.outputs) {
    outputs.emplace_back(loaded.plan, output->tensor, output->index);
    outputs.back().kind = output->kind;
  }
}

void CallerProgram::run(std::byte *frame, const std::vector<at::Tensor> &given,
                        const std::vector<at::Tensor> &taken, const Hypers &hypers) const {
  PlanMemory &memory = loaded->executor->memory();
  if (frame)
    memory.pointFrame(frame);
  for (size_t i = 0; i < inputs.size(); ++i)
    memory.pointCaller(inputs[i].buffer, const_cast<void *>(given[i].const_data_ptr()));
  for (size_t i = 0; i < outputs.size(); ++i)
    memory.pointCaller(outputs[i].buffer, taken[i].mutable_data_ptr());
  loaded->executor->run(index, hypers);
}

//===----------------------------------------------------------------------===//
// Specialisation
//===----------------------------------------------------------------------===//

/// What the compiler decided where the configuration left it to the compiler: a backward that is
/// compiled later has to fit the forward that there is.
static std::string decided(const std::string &config, const plan::fb::PlanT &plan) {
  nlohmann::json asked = nlohmann::json::parse(config, nullptr, /*allow_exceptions=*/false);
  nlohmann::json done = nlohmann::json::parse(plan.config, nullptr, /*allow_exceptions=*/false);
  nlohmann::json remat;
  if (done.is_object() && done.contains("memory.remat"))
    remat = done["memory.remat"];
  else if (done.is_object() && done.contains("memory") && done["memory"].is_object())
    remat = done["memory"].value("remat", nlohmann::json());
  if (!asked.is_object() || !remat.is_number())
    return config;
  asked["memory.remat"] = remat;
  return asked.dump();
}

Specialisation::Specialisation(std::unique_ptr<LoadedPlan> taken, std::filesystem::path archive,
                               const std::string &config, ModelStates &states, KernelTable &kernels)
    : base(std::move(taken)), archive(std::move(archive)), config(decided(config, base->plan)) {
  const plan::fb::PlanT &plan = base->plan;
  std::vector<bool> wanted(plan.programs.size());
  for (size_t i = 0; i < plan.programs.size(); ++i) {
    const plan::fb::ProgramT &program = *plan.programs[i];
    bool inference =
        program.role == plan::fb::Role::Evaluation &&
        std::all_of(program.inputs.begin(), program.inputs.end(),
                    [](const auto &input) { return input->source != plan::fb::InputSource::Data; });
    wanted[i] = program.segment != Segment::Whole || inference;
    if (program.segment == Segment::Forward)
      forwardProgram = std::make_unique<CallerProgram>(*base, i);
    if (inference && !inferenceProgram)
      inferenceProgram = std::make_unique<CallerProgram>(*base, i);
  }
  if (!forwardProgram && !inferenceProgram)
    throw Error("the plan of '" + plan.model +
                "' has no program for Python; compile it with driver=python");
  for (const auto &arena : plan.arenas)
    if (arena->memory_class == plan::fb::MemoryClass::Frame)
      frame = arena->bytes;
  for (const Port &port : interface().inputs)
    arguments = std::max<size_t>(arguments, port.index + 1);
  for (uint32_t i = 0; i < plan.parameters.size(); ++i)
    if (plan.parameters[i]->trainable)
      trainableParameters.push_back(i);
  for (const auto &output : plan.programs[interface().index]->outputs) {
    std::vector<bool> ofArguments(arguments), ofParameters(plan.parameters.size());
    for (uint32_t i : output->arguments)
      ofArguments.at(i) = true;
    for (uint32_t i : output->parameters)
      ofParameters.at(i) = true;
    outputArguments.push_back(std::move(ofArguments));
    outputParameters.push_back(std::move(ofParameters));
  }
  keptArguments.resize(arguments);
  keptOutputs.resize(outputArguments.size());
  for (const auto &program : plan.programs) {
    for (uint32_t i : program->kept_arguments)
      keptArguments.at(i) = true;
    for (uint32_t i : program->kept_outputs)
      keptOutputs.at(i) = true;
  }
  base->bind(states, kernels, wanted);
  addVariants(*base, wanted);
}

VariantKey Specialisation::keyOf(const plan::fb::ProgramT &program) const {
  VariantKey key{program.gradient_outputs, program.wanted_arguments, program.wanted_parameters,
                 program.contribution,     program.retain,           program.local};
  normalise(key);
  return key;
}

void Specialisation::normalise(VariantKey &key) const {
  auto unreached = [&](const std::vector<std::vector<bool>> &depends) {
    return [&](uint32_t index) {
      return std::none_of(key.outputs.begin(), key.outputs.end(),
                          [&](uint32_t output) { return depends[output][index]; });
    };
  };
  std::erase_if(key.arguments, unreached(outputArguments));
  std::erase_if(key.parameters, unreached(outputParameters));
  std::erase_if(key.outputs, [&](uint32_t output) {
    auto reached = [output](const std::vector<std::vector<bool>> &depends) {
      return [&depends, output](uint32_t index) { return depends[output][index]; };
    };
    return std::none_of(key.arguments.begin(), key.arguments.end(), reached(outputArguments)) &&
           std::none_of(key.parameters.begin(), key.parameters.end(), reached(outputParameters));
  });
}

void Specialisation::addVariants(LoadedPlan &loaded, const std::vector<bool> &wanted) {
  const plan::fb::PlanT &plan = loaded.plan;
  std::vector<plan::Span> values;
  for (const auto &parameter : plan.parameters)
    values.push_back(plan::spanOf(plan, parameter->tensor));
  for (size_t i = 0; i < plan.programs.size(); ++i) {
    const plan::fb::ProgramT &program = *plan.programs[i];
    if (!wanted[i] || program.segment != Segment::Backward)
      continue;
    std::vector<bool> read(values.size());
    for (const auto &instruction : program.instructions)
      for (const plan::Access &access : plan::accesses(plan, program, *instruction))
        for (size_t p = 0; p < values.size(); ++p)
          if (!access.write && access.span.buffer == values[p].buffer &&
              access.span.overlaps(values[p]))
            read[p] = true;
    std::vector<uint32_t> parameters;
    for (uint32_t p = 0; p < read.size(); ++p)
      if (read[p])
        parameters.push_back(p);
    variants.push_back(std::make_unique<Variant>(
        Variant{keyOf(program), CallerProgram(loaded, i), program.gradients, parameters}));
  }
}

const Variant *Specialisation::find(const VariantKey &key) const {
  const Variant *best = nullptr;
  auto cost = [&](const Variant &variant) {
    return 2 * (variant.key.retain != key.retain) + (variant.key.contribution != key.contribution);
  };
  for (const auto &variant : variants) {
    if (!variant->key.sameTargets(key) || (key.retain && !variant->key.retain))
      continue;
    bool serves = key.parameters.empty() || (variant->key.local == key.local &&
                                             (variant->key.contribution == key.contribution ||
                                              (key.contribution == Contribution::First &&
                                               variant->key.contribution == Contribution::Later)));
    if (serves && (!best || cost(*variant) < cost(*best)))
      best = variant.get();
  }
  return best;
}

void Specialisation::checkSameFrame(const plan::fb::PlanT &other) const {
  auto layout = [](const plan::fb::PlanT &plan) {
    std::vector<std::pair<uint64_t, uint64_t>> buffers;
    for (const auto &buffer : plan.buffers)
      if (buffer->program == -1 &&
          plan.arenas[buffer->arena]->memory_class == plan::fb::MemoryClass::Frame)
        buffers.emplace_back(buffer->offset, buffer->bytes);
    for (const auto &arena : plan.arenas)
      if (arena->memory_class == plan::fb::MemoryClass::Frame)
        buffers.emplace_back(UINT64_MAX, arena->bytes);
    return buffers;
  };
  if (layout(other) != layout(base->plan))
    throw Error("the backward that was compiled for '" + base->plan.model +
                "' expects another frame than the forward leaves; clear the cache and compile the "
                "model again");
}

std::vector<bool> Specialisation::newVariants(const plan::fb::PlanT &plan) const {
  std::vector<bool> wanted(plan.programs.size());
  for (size_t i = 0; i < plan.programs.size(); ++i) {
    const plan::fb::ProgramT &program = *plan.programs[i];
    if (program.segment != Segment::Backward)
      continue;
    VariantKey key = keyOf(program);
    wanted[i] = std::none_of(variants.begin(), variants.end(), [&](const auto &known) {
      return known->key.sameTargets(key) && known->key.contribution == key.contribution &&
             known->key.retain == key.retain && known->key.local == key.local;
    });
  }
  return wanted;
}

const Variant &Specialisation::compile(const VariantKey &key, const VariantCompiler &compiler,
                                       ModelStates &states, KernelTable &kernels) {
  const plan::fb::PlanT &plan = base->plan;
  VariantRequest request;
  request.outputs = key.outputs;
  request.inputs = key.arguments;
  VariantKey whole = key;
  whole.parameters = trainableParameters;
  normalise(whole);
  request.allParameters = !key.parameters.empty() && whole.parameters == key.parameters;
  if (!request.allParameters)
    for (uint32_t parameter : key.parameters)
      request.parameters.push_back(plan.parameters[parameter]->name);
  request.retain = key.retain;
  request.local = key.local;
  std::vector<VariantRequest> requests;
  if (key.parameters.empty() || key.contribution == Contribution::None) {
    request.gradients = "returned";
    request.local = false;
    requests.push_back(request);
  } else {
    for (const char *gradients : {"first", "later"}) {
      request.gradients = gradients;
      requests.push_back(request);
    }
  }
  auto loaded = std::make_unique<LoadedPlan>(
      compiler.compile({archive, plan.archive->directory_sha256, config, plan.compiler}, requests));
  checkSameFrame(loaded->plan);
  std::vector<bool> wanted = newVariants(loaded->plan);
  loaded->bind(states, kernels, wanted);
  addVariants(*loaded, wanted);
  extensions.push_back(std::move(loaded));
  if (const Variant *variant = find(key))
    return *variant;
  throw Error("the compiler made no backward of '" + plan.model +
              "' for the outputs and gradients that were asked for; use the version of the "
              "compiler that belongs to this library");
}

} // namespace regimen::runtime
