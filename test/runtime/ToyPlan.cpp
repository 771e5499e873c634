//===- ToyPlan.cpp --------------------------------------------------------===//
#include "ToyPlan.h"

#include "formats/safetensors/Safetensors.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cstdlib>

namespace regimen::test {

namespace {
fb::ArgT make(fb::ArgKind kind) {
  fb::ArgT arg;
  arg.kind = kind;
  return arg;
}
} // namespace

fb::ArgT tensorArg(uint32_t tensor) {
  fb::ArgT arg = make(fb::ArgKind::Tensor);
  arg.tensor = tensor;
  return arg;
}
fb::ArgT tensorsArg(std::vector<int32_t> tensors) {
  fb::ArgT arg = make(fb::ArgKind::TensorList);
  arg.tensors = std::move(tensors);
  return arg;
}
fb::ArgT intArg(int64_t value) {
  fb::ArgT arg = make(fb::ArgKind::Int);
  arg.i = value;
  return arg;
}
fb::ArgT floatArg(double value) {
  fb::ArgT arg = make(fb::ArgKind::Float);
  arg.f = value;
  return arg;
}
fb::ArgT scalarArg(double value) {
  fb::ArgT arg = make(fb::ArgKind::ScalarFloat);
  arg.f = value;
  return arg;
}
fb::ArgT registerArg(uint32_t reg) {
  fb::ArgT arg = make(fb::ArgKind::ScalarRegister);
  arg.i = reg;
  return arg;
}
fb::ArgT intsArg(std::vector<int64_t> values) {
  fb::ArgT arg = make(fb::ArgKind::IntList);
  arg.ints = std::move(values);
  return arg;
}
fb::ArgT boolArg(bool value) {
  fb::ArgT arg = make(fb::ArgKind::Bool);
  arg.i = value;
  return arg;
}
fb::ArgT noneArg() { return make(fb::ArgKind::None); }
fb::ArgT defaultArg() { return make(fb::ArgKind::Default); }

PlanBuilder::PlanBuilder() {
  plan.version = plan::kVersion;
  plan.compiler = "test";
  plan.model = "toy";
  plan.config = "{}";
  plan.target = std::make_unique<fb::TargetT>();
  plan.target->device = "cpu";
  plan.target->arch = "native";
  plan.target->threads = 1;
  for (auto [name, memoryClass] :
       {std::pair{"static", fb::MemoryClass::Static}, {"work", fb::MemoryClass::Work}}) {
    auto arena = std::make_unique<fb::ArenaT>();
    arena->name = name;
    arena->memory_class = memoryClass;
    plan.arenas.push_back(std::move(arena));
  }
  plan.archive = std::make_unique<fb::ArchiveT>();
  plan.archive->file = "toy.pt2";
  plan.archive->directory_sha256 = std::string(64, '0');
  plan.training = std::make_unique<fb::TrainingT>();
  plan.training->optimizer = "sgd";
  plan.training->accumulate = 1;
  plan.locations.push_back(std::make_unique<fb::LocationT>());
  plan.locations[0]->op = "aten.toy";
  plan.locations[0]->file = "toy.py";
  plan.locations[0]->line = 7;
}

uint32_t PlanBuilder::buffer(uint64_t bytes, fb::Category category, bool isStatic) {
  fb::ArenaT &arena = *plan.arenas[isStatic ? 0 : 1];
  auto buffer = std::make_unique<fb::BufferT>();
  buffer->arena = isStatic ? 0 : 1;
  buffer->offset = (arena.bytes + plan::kAlignment - 1) / plan::kAlignment * plan::kAlignment;
  buffer->bytes = bytes;
  buffer->category = category;
  buffer->program = isStatic ? -1 : static_cast<int32_t>(plan.programs.size()) - 1;
  buffer->first = 0;
  buffer->last = isStatic ? 0 : UINT32_MAX;
  arena.bytes = buffer->offset + bytes;
  plan.buffers.push_back(std::move(buffer));
  return static_cast<uint32_t>(plan.buffers.size() - 1);
}

uint32_t PlanBuilder::tensor(std::vector<int64_t> sizes, fb::DType dtype, fb::Category category,
                             bool isStatic) {
  auto tensor = std::make_unique<fb::TensorT>();
  tensor->dtype = dtype;
  tensor->sizes = sizes;
  tensor->strides.resize(sizes.size());
  int64_t count = 1;
  for (size_t axis = sizes.size(); axis-- > 0;) {
    tensor->strides[axis] = count;
    count *= sizes[axis];
  }
  tensor->buffer =
      buffer(static_cast<uint64_t>(count) * plan::elementBytes(dtype), category, isStatic);
  plan.tensors.push_back(std::move(tensor));
  return static_cast<uint32_t>(plan.tensors.size() - 1);
}

uint32_t PlanBuilder::view(uint32_t of, std::vector<int64_t> sizes, std::vector<int64_t> strides,
                           uint64_t byteOffset) {
  auto tensor = std::make_unique<fb::TensorT>(*plan.tensors[of]);
  tensor->sizes = std::move(sizes);
  tensor->strides = std::move(strides);
  tensor->byte_offset += byteOffset;
  plan.tensors.push_back(std::move(tensor));
  return static_cast<uint32_t>(plan.tensors.size() - 1);
}

fb::ProgramT &PlanBuilder::program(const std::string &name, fb::Role role,
                                   fb::Contribution contribution) {
  auto program = std::make_unique<fb::ProgramT>();
  program->name = name;
  program->role = role;
  program->contribution = contribution;
  plan.programs.push_back(std::move(program));
  return *plan.programs.back();
}

void PlanBuilder::instruction(fb::BodyUnion body, fb::Lane lane) {
  auto instruction = std::make_unique<fb::InstructionT>();
  instruction->body = std::move(body);
  instruction->lane = lane;
  plan.programs.back()->instructions.push_back(std::move(instruction));
}

fb::CallT &PlanBuilder::call(const std::string &kernel, fb::KernelMode mode,
                             std::vector<fb::ArgT> args, std::vector<uint32_t> results,
                             int32_t scratch, fb::Lane lane) {
  auto entry = std::make_unique<fb::KernelT>();
  entry->name = kernel;
  entry->mode = mode;
  plan.kernels.push_back(std::move(entry));
  fb::CallT call;
  call.kernel = static_cast<uint32_t>(plan.kernels.size() - 1);
  for (fb::ArgT &arg : args)
    call.args.push_back(std::make_unique<fb::ArgT>(arg));
  call.results = std::move(results);
  call.scratch = scratch;
  fb::BodyUnion body;
  body.Set(std::move(call));
  instruction(std::move(body), lane);
  return *plan.programs.back()->instructions.back()->body.AsCall();
}

void PlanBuilder::load(uint32_t input) {
  fb::LoadInputT load;
  load.input = input;
  fb::BodyUnion body;
  body.Set(std::move(load));
  instruction(std::move(body), fb::Lane::Copy);
}
void PlanBuilder::record(uint32_t event, fb::Lane lane) {
  fb::RecordT record;
  record.event = event;
  plan.programs.back()->events = std::max(plan.programs.back()->events, event + 1);
  fb::BodyUnion body;
  body.Set(std::move(record));
  instruction(std::move(body), lane);
}
void PlanBuilder::wait(uint32_t event, fb::Lane lane) {
  fb::WaitT wait;
  wait.event = event;
  fb::BodyUnion body;
  body.Set(std::move(wait));
  instruction(std::move(body), lane);
}

uint32_t PlanBuilder::scalar(fb::ScalarKind kind, uint32_t a, uint32_t b) {
  auto op = std::make_unique<fb::ScalarOpT>();
  op->kind = kind;
  op->a = a;
  op->b = b;
  plan.programs.back()->scalars.push_back(std::move(op));
  return static_cast<uint32_t>(plan.programs.back()->scalars.size() - 1);
}
uint32_t PlanBuilder::hyper(fb::Hyper hyper, uint32_t group) {
  uint32_t index = scalar(fb::ScalarKind::Hyper, 0);
  plan.programs.back()->scalars.back()->hyper = hyper;
  plan.programs.back()->scalars.back()->group = group;
  return index;
}

fb::PlanT leastSquares(uint32_t accumulate) {
  using fb::KernelMode;
  PlanBuilder b;
  b.plan.training->accumulate = accumulate;
  auto group = std::make_unique<fb::GroupT>();
  group->lr = 0.05;
  group->momentum = 0.9;
  b.plan.training->groups.push_back(std::move(group));

  uint32_t w = b.tensor({3, 1}, fb::DType::F32, fb::Category::Params, true);
  uint32_t scale = b.tensor({2}, fb::DType::F32, fb::Category::Params, true);
  uint32_t grad = b.tensor({3, 1}, fb::DType::F32, fb::Category::Grads, true);
  uint32_t momentum = b.tensor({3, 1}, fb::DType::F32, fb::Category::Optimizer, true);

  for (uint32_t micro = 0; micro < std::min(accumulate, 2u); ++micro) {
    fb::ProgramT &program = b.program(micro ? "later" : "first", fb::Role::MicroStep,
                                      micro ? fb::Contribution::Later : fb::Contribution::First);
    uint32_t x = b.tensor({4, 3}), t = b.tensor({4, 1}), pred = b.tensor({4, 1}),
             diff = b.tensor({4, 1}), square = b.tensor({4, 1}), loss = b.tensor({}),
             dpred = b.tensor({4, 1});
    uint32_t xt = b.view(x, {3, 4}, {1, 3});
    for (auto [name, tensor] : {std::pair{"x", x}, {"t", t}}) {
      auto input = std::make_unique<fb::InputT>();
      input->name = name;
      input->tensor = tensor;
      program.inputs.push_back(std::move(input));
    }
    auto output = std::make_unique<fb::OutputT>();
    output->name = "loss";
    output->tensor = loss;
    program.outputs.push_back(std::move(output));
    program.loss = 0;
    b.load(0);
    b.load(1);
    b.record(0, fb::Lane::Copy);
    b.wait(0, fb::Lane::Compute);
    b.call("aten::mm.out", KernelMode::Out, {tensorArg(x), tensorArg(w)}, {pred});
    b.call("aten::sub.out", KernelMode::Out, {tensorArg(pred), tensorArg(t)}, {diff});
    b.call("aten::mul.out", KernelMode::Out, {tensorArg(diff), tensorArg(diff)}, {square});
    b.call("aten::mean", KernelMode::Functional, {tensorArg(square), defaultArg()}, {loss});
    b.call("aten::mul.out", KernelMode::Out, {tensorArg(diff), scalarArg(0.5 / accumulate)},
           {dpred});
    if (micro == 0) {
      b.call("aten::mm.out", KernelMode::Out, {tensorArg(xt), tensorArg(dpred)}, {grad});
    } else {
      uint32_t part = b.tensor({3, 1});
      b.call("aten::mm.out", KernelMode::Out, {tensorArg(xt), tensorArg(dpred)}, {part});
      b.call("aten::add.out", KernelMode::Out, {tensorArg(grad), tensorArg(part), defaultArg()},
             {grad});
    }
  }

  fb::ProgramT &update = b.program("update", fb::Role::Update, fb::Contribution::None);
  uint32_t norm = b.tensor({});
  auto output = std::make_unique<fb::OutputT>();
  output->name = "grad_norm";
  output->tensor = norm;
  update.outputs.push_back(std::move(output));
  update.grad_norm = 0;
  uint32_t keep = b.hyper(fb::Hyper::Momentum), rate = b.hyper(fb::Hyper::Lr);
  uint32_t minusRate = b.scalar(fb::ScalarKind::Neg, rate);
  b.call("regimen::global_norm", KernelMode::Own, {tensorsArg({static_cast<int32_t>(grad)})},
         {norm});
  b.call("aten::mul_.Tensor", KernelMode::InPlace, {tensorArg(momentum), registerArg(keep)}, {});
  b.call("aten::add_.Tensor", KernelMode::InPlace,
         {tensorArg(momentum), tensorArg(grad), defaultArg()}, {});
  b.call("aten::add_.Tensor", KernelMode::InPlace,
         {tensorArg(w), tensorArg(momentum), registerArg(minusRate)}, {});

  auto parameter = std::make_unique<fb::ParameterT>();
  parameter->name = "w";
  parameter->aliases = {"head.w"};
  parameter->tensor = w;
  parameter->trainable = true;
  parameter->gradient = static_cast<int32_t>(grad);
  parameter->states.push_back(std::make_unique<fb::StateT>());
  parameter->states[0]->slot = "momentum_buffer";
  parameter->states[0]->tensor = momentum;
  b.plan.parameters.push_back(std::move(parameter));

  auto moduleBuffer = std::make_unique<fb::ModuleBufferT>();
  moduleBuffer->name = "scale";
  moduleBuffer->persistent = true;
  moduleBuffer->tensor = scale;
  b.plan.module_buffers.push_back(std::move(moduleBuffer));
  auto constant = std::make_unique<fb::ConstantT>();
  constant->tensor = scale;
  at::Tensor ones = at::ones({2});
  std::span<const std::byte> value = bytesOf(ones);
  constant->data.assign(reinterpret_cast<const uint8_t *>(value.data()),
                        reinterpret_cast<const uint8_t *>(value.data()) + value.size());
  b.plan.constants.push_back(std::move(constant));

  // Lifetimes: the whole program, which is right if not tight.
  for (const auto &buffer : b.plan.buffers)
    if (buffer->program >= 0) {
      fb::ProgramT &program = *b.plan.programs[static_cast<size_t>(buffer->program)];
      buffer->last = static_cast<uint32_t>(program.instructions.size() - 1);
      program.lower_bound += buffer->bytes;
    }
  return std::move(b.plan);
}

TemporaryFolder::TemporaryFolder()
    : path([] {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "regimen-test-XXXXXX").string();
        return std::filesystem::path(mkdtemp(pattern.data()));
      }()) {}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

std::filesystem::path writeLeastSquaresData(const std::filesystem::path &folder, int64_t blocks) {
  std::filesystem::path path = folder / "data.safetensors";
  at::Tensor x = at::sin(at::arange(blocks * 12, at::kFloat) * 0.7f),
             t = at::cos(at::arange(blocks * 4, at::kFloat));
  safetensors::write(path, {{"x", {safetensors::DType::F32, {blocks * 4, 3}, bytesOf(x)}},
                            {"t", {safetensors::DType::F32, {blocks * 4, 1}, bytesOf(t)}}});
  return path;
}

std::span<const std::byte> bytesOf(const at::Tensor &tensor) {
  return {static_cast<const std::byte *>(tensor.const_data_ptr()), tensor.nbytes()};
}

} // namespace regimen::test
