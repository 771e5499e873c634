//===- SamplePlan.cpp - A small valid plan ---------------------------------===//

#include "test/formats/Samples.h"

using namespace regimen;
using namespace regimen::plan;

namespace {
/// Appends tables and hands out their indices.
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

  uint32_t buffer(const char *name, uint16_t arena, uint64_t offset, uint64_t bytes,
                  fb::Category category, int32_t program = -1, uint32_t first = 0,
                  uint32_t last = 0) {
    auto buffer = std::make_unique<fb::BufferT>();
    buffer->name = name;
    buffer->arena = arena;
    buffer->offset = offset;
    buffer->bytes = bytes;
    buffer->category = category;
    buffer->program = program;
    buffer->first = first;
    buffer->last = last;
    plan.buffers.push_back(std::move(buffer));
    return static_cast<uint32_t>(plan.buffers.size() - 1);
  }

  uint32_t tensor(uint32_t buffer, uint64_t offset, std::vector<int64_t> sizes,
                  std::vector<int64_t> strides) {
    auto tensor = std::make_unique<fb::TensorT>();
    tensor->buffer = buffer;
    tensor->byte_offset = offset;
    tensor->dtype = fb::DType::F32;
    tensor->sizes = std::move(sizes);
    tensor->strides = std::move(strides);
    plan.tensors.push_back(std::move(tensor));
    return static_cast<uint32_t>(plan.tensors.size() - 1);
  }

  uint32_t kernel(const char *name, fb::KernelMode mode) {
    auto kernel = std::make_unique<fb::KernelT>();
    kernel->name = name;
    kernel->mode = mode;
    plan.kernels.push_back(std::move(kernel));
    return static_cast<uint32_t>(plan.kernels.size() - 1);
  }

  uint32_t location(const char *op, const char *layer, uint32_t line) {
    auto location = std::make_unique<fb::LocationT>();
    location->op = op;
    location->layer = layer;
    location->file = "model.py";
    location->line = line;
    plan.locations.push_back(std::move(location));
    return static_cast<uint32_t>(plan.locations.size() - 1);
  }

  fb::ProgramT &program(const char *name, fb::Role role) {
    plan.programs.push_back(std::make_unique<fb::ProgramT>());
    plan.programs.back()->name = name;
    plan.programs.back()->role = role;
    return *plan.programs.back();
  }

  template <typename T>
  static void instruction(fb::ProgramT &program, fb::Lane lane, uint32_t location, T body) {
    auto instruction = std::make_unique<fb::InstructionT>();
    instruction->lane = lane;
    instruction->location = location;
    instruction->body.Set(std::move(body));
    program.instructions.push_back(std::move(instruction));
  }

  static std::unique_ptr<fb::ArgT> arg(uint32_t tensor) {
    auto arg = std::make_unique<fb::ArgT>();
    arg->kind = fb::ArgKind::Tensor;
    arg->tensor = tensor;
    return arg;
  }

  static void call(fb::ProgramT &program, uint32_t location, uint32_t kernel,
                   std::vector<uint32_t> args, std::vector<uint32_t> results, int32_t scratch = -1,
                   std::unique_ptr<fb::ArgT> last = nullptr) {
    fb::CallT call;
    call.kernel = kernel;
    for (uint32_t tensor : args)
      call.args.push_back(arg(tensor));
    if (last)
      call.args.push_back(std::move(last));
    call.results = std::move(results);
    call.scratch = scratch;
    instruction(program, fb::Lane::Compute, location, std::move(call));
  }

  static void input(fb::ProgramT &program, const char *name, uint32_t tensor) {
    auto input = std::make_unique<fb::InputT>();
    input->name = name;
    input->tensor = tensor;
    program.inputs.push_back(std::move(input));
  }

  static void output(fb::ProgramT &program, const char *name, uint32_t tensor) {
    auto output = std::make_unique<fb::OutputT>();
    output->name = name;
    output->tensor = tensor;
    program.outputs.push_back(std::move(output));
  }

  void parameter(const char *name, uint32_t tensor, int32_t gradient, uint32_t state) {
    auto parameter = std::make_unique<fb::ParameterT>();
    parameter->name = name;
    parameter->tensor = tensor;
    parameter->trainable = true;
    parameter->gradient = gradient;
    parameter->states.push_back(std::make_unique<fb::StateT>());
    parameter->states.back()->slot = "exp_avg";
    parameter->states.back()->tensor = state;
    plan.parameters.push_back(std::move(parameter));
  }
};

fb::LoadInputT loadInput(uint32_t input) {
  fb::LoadInputT load;
  load.input = input;
  return load;
}
fb::RecordT record(uint32_t event) {
  fb::RecordT record;
  record.event = event;
  return record;
}
fb::WaitT wait(uint32_t event) {
  fb::WaitT wait;
  wait.event = event;
  return wait;
}
} // namespace

static void addHeader(fb::PlanT &plan) {
  plan.version = kVersion;
  plan.compiler = "regimen 0.1.0";
  plan.model = "tiny";
  plan.config = "{}";
  plan.target = std::make_unique<fb::TargetT>();
  plan.target->device = "cpu";
  plan.target->arch = "native";
  plan.target->threads = 1;
  plan.archive = std::make_unique<fb::ArchiveT>();
  plan.archive->file = "tiny.pt2";
  plan.archive->relative_path = "../models/tiny.pt2";
  plan.archive->bytes = 1000;
  plan.archive->directory_sha256 = std::string(64, 'a');
  plan.archive->has_weights = true;
  plan.training = std::make_unique<fb::TrainingT>();
  plan.training->optimizer = "sgd";
  plan.training->accumulate = 1;
  plan.training->groups.push_back(std::make_unique<fb::GroupT>());
  plan.training->groups[0]->lr = 0.1;
  plan.mesh.push_back(std::make_unique<fb::AxisT>());
  plan.mesh[0]->name = "dp";
  plan.mesh[0]->size = 1;
}

fb::PlanT regimen::samples::samplePlan() {
  Builder b;
  addHeader(b.plan);
  using fb::Category;
  uint16_t states = b.arena("static", fb::MemoryClass::Static, 1600);
  uint16_t work = b.arena("work", fb::MemoryClass::Work, 320);

  // Parameters w[4,2] and bias[2] of one bucket, their gradients and states laid out alike, and a
  // constant of ones.
  uint32_t params = b.buffer("params.0", states, 0, 512, Category::Params);
  uint32_t grads = b.buffer("grads.0", states, 512, 512, Category::Grads);
  uint32_t moments = b.buffer("exp_avg.0", states, 1024, 512, Category::Optimizer);
  uint32_t ones = b.buffer("ones", states, 1536, 64, Category::Workspace);
  uint32_t w = b.tensor(params, 0, {4, 2}, {2, 1}), bias = b.tensor(params, 256, {2}, {1});
  uint32_t gradW = b.tensor(grads, 0, {4, 2}, {2, 1}), gradBias = b.tensor(grads, 256, {2}, {1});
  uint32_t momentW = b.tensor(moments, 0, {4, 2}, {2, 1});
  uint32_t momentBias = b.tensor(moments, 256, {2}, {1});
  uint32_t one = b.tensor(ones, 0, {8, 2}, {2, 1});
  b.parameter("w", w, static_cast<int32_t>(gradW), momentW);
  b.parameter("bias", bias, static_cast<int32_t>(gradBias), momentBias);
  b.plan.constants.push_back(std::make_unique<fb::ConstantT>());
  b.plan.constants[0]->tensor = one;
  b.plan.constants[0]->data.assign(64, 0);

  uint32_t addmm = b.kernel("aten::addmm.out", fb::KernelMode::Out);
  uint32_t sum = b.kernel("aten::sum", fb::KernelMode::Functional);
  uint32_t mm = b.kernel("aten::mm.out", fb::KernelMode::Out);
  uint32_t rows = b.kernel("regimen::sum_rows", fb::KernelMode::Own);
  uint32_t add = b.kernel("aten::add_.Tensor", fb::KernelMode::InPlace);
  uint32_t linearAt = b.location("aten.linear", "fc", 12), sumAt = b.location("aten.sum", "", 13);

  fb::ProgramT &micro = b.program("micro_step", fb::Role::MicroStep);
  {
    // The scratch of the backward mm reuses the bytes of y, which the loss has read by then.
    uint32_t xBuffer = b.buffer("x", work, 0, 128, Category::Activations, 0, 0, 5);
    uint32_t yBuffer = b.buffer("y", work, 128, 64, Category::Activations, 0, 3, 4);
    uint32_t lossBuffer = b.buffer("loss", work, 192, 4, Category::Activations, 0, 4, 6);
    uint32_t scratch = b.buffer("scratch", work, 128, 64, Category::Workspace, 0, 5, 5);
    uint32_t x = b.tensor(xBuffer, 0, {8, 4}, {4, 1}), xt = b.tensor(xBuffer, 0, {4, 8}, {1, 4});
    uint32_t y = b.tensor(yBuffer, 0, {8, 2}, {2, 1}), loss = b.tensor(lossBuffer, 0, {}, {});
    micro.contribution = fb::Contribution::First;
    micro.events = 1;
    micro.lower_bound = 196;
    b.input(micro, "x", x);
    b.output(micro, "loss", loss);
    micro.loss = 0;
    b.instruction(micro, fb::Lane::Copy, linearAt, loadInput(0));
    b.instruction(micro, fb::Lane::Copy, linearAt, record(0));
    b.instruction(micro, fb::Lane::Compute, linearAt, wait(0));
    b.call(micro, linearAt, addmm, {bias, x, w}, {y});
    b.call(micro, sumAt, sum, {y}, {loss});
    b.call(micro, linearAt, mm, {xt, one}, {gradW}, static_cast<int32_t>(scratch));
    b.call(micro, linearAt, rows, {one}, {gradBias});
  }

  fb::ProgramT &update = b.program("update", fb::Role::Update);
  {
    auto rate = std::make_unique<fb::ScalarOpT>();
    rate->kind = fb::ScalarKind::Hyper;
    rate->hyper = fb::Hyper::Lr;
    auto minus = std::make_unique<fb::ScalarOpT>();
    minus->kind = fb::ScalarKind::Neg;
    update.scalars.push_back(std::move(rate));
    update.scalars.push_back(std::move(minus));
    auto alpha = [] {
      auto arg = std::make_unique<fb::ArgT>();
      arg->kind = fb::ArgKind::ScalarRegister;
      arg->i = 1;
      return arg;
    };
    uint32_t at = b.location("optimizer", "", 0);
    b.call(update, at, add, {momentW, gradW}, {});
    b.call(update, at, add, {momentBias, gradBias}, {});
    b.call(update, at, add, {w, momentW}, {}, -1, alpha());
    b.call(update, at, add, {bias, momentBias}, {}, -1, alpha());
  }

  fb::ProgramT &evaluate = b.program("evaluate", fb::Role::Evaluation);
  {
    uint32_t xBuffer = b.buffer("x", work, 0, 128, Category::Activations, 2, 0, 3);
    uint32_t yBuffer = b.buffer("y", work, 256, 64, Category::Activations, 2, 3, 4);
    uint32_t lossBuffer = b.buffer("loss", work, 0, 4, Category::Activations, 2, 4, 4);
    uint32_t x = b.tensor(xBuffer, 0, {8, 4}, {4, 1}), y = b.tensor(yBuffer, 0, {8, 2}, {2, 1});
    uint32_t loss = b.tensor(lossBuffer, 0, {}, {});
    evaluate.events = 1;
    evaluate.lower_bound = 192;
    b.input(evaluate, "x", x);
    b.output(evaluate, "loss", loss);
    evaluate.loss = 0;
    b.instruction(evaluate, fb::Lane::Copy, linearAt, loadInput(0));
    b.instruction(evaluate, fb::Lane::Copy, linearAt, record(0));
    b.instruction(evaluate, fb::Lane::Compute, linearAt, wait(0));
    b.call(evaluate, linearAt, addmm, {bias, x, w}, {y});
    b.call(evaluate, sumAt, sum, {y}, {loss});
  }
  return std::move(b.plan);
}
