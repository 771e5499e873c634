//===- SampleSuspended.cpp - A small valid plan of suspended programs ------===//
//
//   forward(x): t = x w; h = tanh(t); out0 = h; out1 = h + b        frame: h, t
//   backward:   gt = (g0 + g1) (1 - h h); w.grad = x' gt; b.grad = sum(g1); gx = gt w'
//
//===----------------------------------------------------------------------===//

#include "test/formats/Samples.h"

#include <algorithm>

using namespace regimen;
using namespace regimen::plan;

namespace {
constexpr uint16_t kParams = 0, kGrads = 1, kFrame = 2, kWork = 3, kCaller = 4, kOptimizer = 5;

class Builder {
public:
  fb::PlanT plan;

  uint16_t arena(const char *name, fb::MemoryClass memoryClass, uint64_t bytes) {
    auto arena = std::make_unique<fb::ArenaT>();
    arena->name = name;
    arena->memory_class = memoryClass;
    arena->bytes = bytes;
    plan.arenas.push_back(std::move(arena));
    return static_cast<uint16_t>(plan.arenas.size() - 1);
  }

  /// A contiguous f32 tensor with a buffer of its own.
  uint32_t tensor(const char *name, uint16_t arena, uint64_t offset, std::vector<int64_t> sizes,
                  fb::Category category = fb::Category::Activations) {
    auto tensor = std::make_unique<fb::TensorT>();
    tensor->sizes = sizes;
    tensor->strides.resize(sizes.size());
    int64_t count = 1;
    for (size_t axis = sizes.size(); axis-- > 0; count *= sizes[axis])
      tensor->strides[axis] = count;
    auto buffer = std::make_unique<fb::BufferT>();
    buffer->name = name;
    buffer->arena = arena;
    buffer->offset = offset;
    buffer->bytes = 4 * static_cast<uint64_t>(count);
    buffer->category = category;
    buffer->program = plan.programs.empty() ? -1 : static_cast<int32_t>(plan.programs.size()) - 1;
    plan.buffers.push_back(std::move(buffer));
    tensor->buffer = static_cast<uint32_t>(plan.buffers.size() - 1);
    plan.tensors.push_back(std::move(tensor));
    return static_cast<uint32_t>(plan.tensors.size() - 1);
  }
  uint32_t transposed(uint32_t of) {
    auto tensor = std::make_unique<fb::TensorT>(*plan.tensors[of]);
    std::reverse(tensor->sizes.begin(), tensor->sizes.end());
    std::reverse(tensor->strides.begin(), tensor->strides.end());
    plan.tensors.push_back(std::move(tensor));
    return static_cast<uint32_t>(plan.tensors.size() - 1);
  }

  fb::ProgramT &program(const std::string &name, fb::Role role, fb::Segment segment) {
    plan.programs.push_back(std::make_unique<fb::ProgramT>());
    fb::ProgramT &program = *plan.programs.back();
    program.name = name;
    program.role = role;
    program.segment = segment;
    return program;
  }

  void call(const char *kernel, fb::KernelMode mode, std::vector<fb::ArgT> args,
            std::vector<uint32_t> results) {
    uint32_t index = 0;
    while (index < plan.kernels.size() && plan.kernels[index]->name != kernel)
      ++index;
    if (index == plan.kernels.size()) {
      plan.kernels.push_back(std::make_unique<fb::KernelT>());
      plan.kernels.back()->name = kernel;
      plan.kernels.back()->mode = mode;
    }
    fb::CallT call;
    call.kernel = index;
    for (fb::ArgT &arg : args)
      call.args.push_back(std::make_unique<fb::ArgT>(arg));
    call.results = std::move(results);
    auto instruction = std::make_unique<fb::InstructionT>();
    instruction->body.Set(std::move(call));
    plan.programs.back()->instructions.push_back(std::move(instruction));
  }
  void out(const char *kernel, std::vector<fb::ArgT> args, uint32_t result) {
    call(kernel, fb::KernelMode::Out, std::move(args), {result});
  }

  void input(const char *name, uint32_t tensor, fb::InputSource source, uint32_t index) {
    auto input = std::make_unique<fb::InputT>();
    input->name = name;
    input->tensor = tensor;
    input->source = source;
    input->index = index;
    plan.programs.back()->inputs.push_back(std::move(input));
  }
  fb::OutputT &output(const char *name, uint32_t tensor, fb::OutputKind kind, uint32_t index) {
    auto output = std::make_unique<fb::OutputT>();
    output->name = name;
    output->tensor = tensor;
    output->kind = kind;
    output->index = index;
    plan.programs.back()->outputs.push_back(std::move(output));
    return *plan.programs.back()->outputs.back();
  }
  uint32_t scalar(fb::ScalarKind kind, fb::Hyper hyper, uint32_t group, uint32_t a = 0) {
    auto op = std::make_unique<fb::ScalarOpT>();
    op->kind = kind;
    op->hyper = hyper;
    op->group = group;
    op->a = a;
    plan.programs.back()->scalars.push_back(std::move(op));
    return static_cast<uint32_t>(plan.programs.back()->scalars.size() - 1);
  }

  /// Every buffer of the program lives throughout.
  void finish() {
    fb::ProgramT &program = *plan.programs.back();
    for (const auto &buffer : plan.buffers)
      if (buffer->program == static_cast<int32_t>(plan.programs.size()) - 1) {
        buffer->last = static_cast<uint32_t>(program.instructions.size() - 1);
        if (buffer->arena == kWork)
          program.lower_bound += buffer->bytes;
      }
  }
};

fb::ArgT t(uint32_t tensor) {
  fb::ArgT arg;
  arg.kind = fb::ArgKind::Tensor;
  arg.tensor = tensor;
  return arg;
}
fb::ArgT none() { return {}; }
fb::ArgT reg(uint32_t index) {
  fb::ArgT arg;
  arg.kind = fb::ArgKind::ScalarRegister;
  arg.i = index;
  return arg;
}
fb::ArgT axes(std::vector<int64_t> ints) {
  fb::ArgT arg;
  arg.kind = fb::ArgKind::IntList;
  arg.ints = std::move(ints);
  return arg;
}

/// Indices of the tensors that all programs share.
struct Shared {
  uint32_t w, b, gradW, gradB, h, t;
};

Builder start() {
  Builder b;
  b.plan = samples::samplePlan();
  fb::PlanT &plan = b.plan;
  plan.arenas.clear();
  plan.buffers.clear();
  plan.tensors.clear();
  plan.kernels.clear();
  plan.programs.clear();
  plan.parameters.clear();
  plan.constants.clear();
  plan.training->groups.clear();
  return b;
}

Shared addStates(Builder &b) {
  b.arena("params", fb::MemoryClass::Static, 512);
  b.arena("grads", fb::MemoryClass::Static, 512);
  b.arena("frame", fb::MemoryClass::Frame, 128);
  b.arena("work", fb::MemoryClass::Work, 256);
  b.arena("caller", fb::MemoryClass::Caller, 0);
  using fb::Category;
  Shared s{};
  s.w = b.tensor("w", kParams, 0, {3, 2}, Category::Params);
  s.b = b.tensor("b", kParams, 256, {2}, Category::Params);
  s.gradW = b.tensor("grad w", kGrads, 0, {3, 2}, Category::Grads);
  s.gradB = b.tensor("grad b", kGrads, 256, {2}, Category::Grads);
  s.h = b.tensor("h", kFrame, 0, {4, 2});
  s.t = b.tensor("t", kFrame, 64, {4, 2});
  for (auto [name, tensor, gradient] :
       {std::tuple("w", s.w, s.gradW), std::tuple("b", s.b, s.gradB)}) {
    auto parameter = std::make_unique<fb::ParameterT>();
    parameter->name = name;
    parameter->tensor = tensor;
    parameter->trainable = true;
    parameter->gradient = static_cast<int32_t>(gradient);
    parameter->group = static_cast<uint32_t>(b.plan.parameters.size());
    b.plan.parameters.push_back(std::move(parameter));
    b.plan.training->groups.push_back(std::make_unique<fb::GroupT>());
  }
  return s;
}

void addForward(Builder &b, const Shared &s, bool evaluation) {
  b.program(evaluation ? "inference" : "forward",
            evaluation ? fb::Role::Evaluation : fb::Role::MicroStep,
            evaluation ? fb::Segment::Whole : fb::Segment::Forward);
  uint32_t x = b.tensor("x", kCaller, 0, {4, 3}), out0 = b.tensor("out0", kCaller, 0, {4, 2}),
           out1 = b.tensor("out1", kCaller, 0, {4, 2});
  uint32_t h = evaluation ? b.tensor("h", kWork, 0, {4, 2}) : s.h;
  uint32_t product = evaluation ? b.tensor("t", kWork, 64, {4, 2}) : s.t;
  b.input("x", x, fb::InputSource::Argument, 0);
  fb::OutputT &first = b.output("h", out0, fb::OutputKind::Value, 0);
  fb::OutputT &second = b.output("y", out1, fb::OutputKind::Value, 1);
  if (!evaluation) {
    b.plan.programs.back()->kept_arguments = {0};
    first.arguments = second.arguments = {0};
    first.parameters = {0};
    second.parameters = {0, 1};
  }
  b.out("aten::mm.out", {t(x), t(s.w)}, product);
  b.out("aten::tanh.out", {t(product)}, h);
  b.call("regimen::copy", fb::KernelMode::Own, {t(h)}, {out0});
  b.out("aten::add.out", {t(h), t(s.b), none()}, out1);
  b.finish();
}

void addBackward(Builder &b, const Shared &s, const samples::Variant &v) {
  std::string name = "backward";
  for (uint32_t i : v.outputs)
    name += "_" + std::to_string(i);
  name += v.input ? "_x" : "";
  for (uint32_t i : v.parameters)
    name += "_p" + std::to_string(i);
  name += std::string("_") + fb::EnumNameContribution(v.contribution) + (v.retain ? "_retain" : "");
  fb::ProgramT &program = b.program(name, fb::Role::MicroStep, fb::Segment::Backward);
  program.contribution = v.contribution;
  program.retain = v.retain;
  program.gradient_outputs = v.outputs;
  if (v.input)
    program.wanted_arguments = {0};
  program.wanted_parameters = v.parameters;
  auto has = [](const std::vector<uint32_t> &list, uint32_t i) {
    return std::find(list.begin(), list.end(), i) != list.end();
  };
  bool wantW = has(v.parameters, 0), wantB = has(v.parameters, 1) && has(v.outputs, 1);
  bool returned = v.contribution == fb::Contribution::None;

  uint32_t g0 = 0, g1 = 0, x = 0;
  if (wantW)
    b.input("x", x = b.tensor("x", kCaller, 0, {4, 3}), fb::InputSource::Argument, 0);
  if (has(v.outputs, 0))
    b.input("g0", g0 = b.tensor("g0", kCaller, 0, {4, 2}), fb::InputSource::OutputGradient, 0);
  if (has(v.outputs, 1))
    b.input("g1", g1 = b.tensor("g1", kCaller, 0, {4, 2}), fb::InputSource::OutputGradient, 1);
  // t is dead in a backward: without `retain` its bytes are free.
  uint32_t gt = b.tensor("gt", v.retain ? kWork : kFrame, v.retain ? 0 : 64, {4, 2});
  uint32_t gh =
      v.outputs.size() == 2 ? b.tensor("gh", kWork, 64, {4, 2}) : (has(v.outputs, 0) ? g0 : g1);
  if (v.outputs.size() == 2)
    b.out("aten::add.out", {t(g0), t(g1), none()}, gh);
  b.out("aten::tanh_backward.grad_input", {t(gh), t(s.h)}, gt);
  auto contribute = [&](uint32_t parameter, uint64_t offset, auto compute) {
    const std::vector<int64_t> sizes = b.plan.tensors[b.plan.parameters[parameter]->tensor]->sizes;
    uint32_t gradient = parameter == 0 ? s.gradW : s.gradB;
    if (returned) {
      uint32_t result = b.tensor("returned", kCaller, 0, sizes);
      b.output(parameter == 0 ? "w" : "b", result, fb::OutputKind::ParameterGradient, parameter);
      return compute(result);
    }
    program.gradients.push_back(parameter);
    if (v.contribution == fb::Contribution::First)
      return compute(gradient);
    uint32_t part = b.tensor("part", kWork, offset, sizes);
    compute(part);
    uint32_t flag = b.scalar(fb::ScalarKind::Hyper, fb::Hyper::HasGradient, parameter);
    b.call("regimen::accumulate_gradient", fb::KernelMode::Own, {t(gradient), t(part), reg(flag)},
           {gradient});
  };
  if (wantW)
    contribute(0, 128, [&](uint32_t result) {
      b.out("aten::mm.out", {t(b.transposed(x)), t(gt)}, result);
    });
  if (wantB)
    contribute(1, 192, [&](uint32_t result) {
      b.out("aten::sum.IntList_out", {t(g1), axes({0})}, result);
    });
  if (v.input) {
    uint32_t gx = b.tensor("gx", kCaller, 0, {4, 3});
    b.output("grad x", gx, fb::OutputKind::ArgumentGradient, 0);
    b.out("aten::mm.out", {t(gt), t(b.transposed(s.w))}, gx);
  }
  b.finish();
}
} // namespace

fb::PlanT regimen::samples::suspendedPlan(const std::vector<Variant> &variants) {
  Builder b = start();
  Shared shared = addStates(b);
  addForward(b, shared, /*evaluation=*/false);
  addForward(b, shared, /*evaluation=*/true);
  for (const Variant &variant : variants)
    addBackward(b, shared, variant);
  return std::move(b.plan);
}

fb::PlanT regimen::samples::suspendedUpdate(const std::vector<uint32_t> &parameters) {
  Builder b = start();
  Shared shared = addStates(b);
  b.plan.buffers.resize(shared.h); // no frame
  b.plan.tensors.resize(shared.h);
  b.arena("optimizer", fb::MemoryClass::Static, 512);
  uint32_t states[2];
  for (uint32_t i : {0u, 1u}) {
    states[i] = b.tensor("momentum", kOptimizer, 256 * i, b.plan.tensors[i]->sizes,
                         fb::Category::Optimizer);
    auto state = std::make_unique<fb::StateT>();
    state->slot = "momentum_buffer";
    state->tensor = states[i];
    b.plan.parameters[i]->states.push_back(std::move(state));
  }
  fb::ProgramT &update = b.program("update", fb::Role::Update, fb::Segment::Whole);
  update.gradients = parameters;
  for (uint32_t i : parameters) {
    uint32_t keep = b.scalar(fb::ScalarKind::Hyper, fb::Hyper::Momentum, i);
    uint32_t rate = b.scalar(fb::ScalarKind::Hyper, fb::Hyper::Lr, i);
    uint32_t minus = b.scalar(fb::ScalarKind::Neg, fb::Hyper::Lr, 0, rate);
    uint32_t gradient = i == 0 ? shared.gradW : shared.gradB;
    b.call("aten::mul_.Tensor", fb::KernelMode::InPlace, {t(states[i]), reg(keep)}, {});
    b.call("aten::add_.Tensor", fb::KernelMode::InPlace, {t(states[i]), t(gradient), none()}, {});
    b.call("aten::add_.Tensor", fb::KernelMode::InPlace, {t(i), t(states[i]), reg(minus)}, {});
  }
  return std::move(b.plan);
}
