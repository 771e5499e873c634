//===- Print.cpp - A plan as text ------------------------------------------===//
//
//   plan "mlp" version 2 compiler "regimen 0.1.0" target cpu/native threads 1
//   arena 0 "static" static device 65536 bytes
//   b3 "grads.0" arena 0 offset 4096 bytes 8192 grads
//   program 0 "micro_step" micro_step first events 2 lower_bound 1024
//     5: compute aten::mm.out(t1<16x32xf32>@b1, t2<32x64xf32, strides [1, 32]>@b2) ->
//     t7<16x64xf32>@b5 out  // aten.linear
//
//===----------------------------------------------------------------------===//

#include "formats/plan/Accesses.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

using namespace regimen;
using namespace regimen::plan;

namespace {
class Printer {
public:
  explicit Printer(const fb::PlanT &plan) : plan(plan) {}

  std::string run() {
    header();
    for (size_t i = 0; i < plan.arenas.size(); ++i)
      arena(i);
    for (size_t i = 0; i < plan.buffers.size(); ++i)
      if (plan.buffers[i]->program == -1)
        buffer(i, "");
    for (const auto &item : plan.buckets)
      line("bucket ", quote(item->name), " ", item->elements, " x ", std::string(name(item->dtype)),
           " zero ", unsigned(item->zero));
    for (const auto &item : plan.parameters)
      parameter(*item);
    for (const auto &item : plan.module_buffers)
      line("buffer_of_module ", quote(item->name), item->persistent ? "" : " non_persistent", " ",
           tensor(item->tensor));
    for (const auto &item : plan.constants)
      line("constant ", tensor(item->tensor), " ", item->data.size(), " bytes");
    for (size_t i = 0; i < plan.programs.size(); ++i)
      program(i);
    return std::move(out);
  }

private:
  //===--------------------------------------------------------------------===//
  // Pieces of text
  //===--------------------------------------------------------------------===//

  static std::string toText(double value) {
    std::array<char, 32> text;
    auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
    return std::string(text.data(), end);
  }
  static std::string quote(std::string_view text) {
    std::string quoted = "\"";
    return quoted.append(text).append("\"");
  }
  static std::string lower(std::string_view text) {
    std::string result;
    for (char c : text) {
      if (std::isupper(static_cast<unsigned char>(c)) && !result.empty())
        result += '_';
      result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return result;
  }

  void append(const std::string &text) { out += text; }
  void append(const char *text) { out += text; }
  void append(double value) { out += toText(value); }
  template <typename T>
    requires std::is_integral_v<T>
  void append(T value) {
    out += std::to_string(value);
  }
  template <typename... Parts> void line(const Parts &...parts) {
    (append(parts), ...);
    out += '\n';
  }

  template <typename List, typename Each>
  static std::string join(const List &list, const char *separator, Each each) {
    std::string text;
    bool first = true;
    for (const auto &item : list) {
      if (!first)
        text += separator;
      first = false;
      text += each(item);
    }
    return text;
  }

  /// t12<16x64xf32>, with strides where they are not the contiguous ones, and buffer and byte
  /// offset.
  std::string tensor(uint32_t index) const {
    const fb::TensorT &tensor = *plan.tensors[index];
    std::string text = "t" + std::to_string(index) + "<";
    for (int64_t size : tensor.sizes)
      text += std::to_string(size) + "x";
    text += name(tensor.dtype);
    if (!isContiguous(tensor))
      text += ", strides [" +
              join(tensor.strides, ", ", [](int64_t stride) { return std::to_string(stride); }) +
              "]";
    text += ">@b" + std::to_string(tensor.buffer);
    if (tensor.byte_offset)
      text += "+" + std::to_string(tensor.byte_offset);
    if (tensor.segment)
      text += " segment " + std::to_string(tensor.segment->begin) + "+" +
              std::to_string(tensor.segment->elements) + " of shards of " +
              std::to_string(tensor.segment->shard);
    return text;
  }

  std::string argument(const fb::ArgT &arg) const {
    auto integer = [](int64_t value) { return std::to_string(value); };
    auto truth = [](int64_t value) { return std::string(value ? "true" : "false"); };
    switch (arg.kind) {
    case fb::ArgKind::Default:
      return "default";
    case fb::ArgKind::None:
      return "none";
    case fb::ArgKind::Tensor:
      return tensor(arg.tensor);
    case fb::ArgKind::TensorList:
    case fb::ArgKind::OptionalTensorList:
      return "[" +
             join(arg.tensors, ", ",
                  [&](int32_t index) {
                    return index < 0 ? std::string("none") : tensor(static_cast<uint32_t>(index));
                  }) +
             "]";
    case fb::ArgKind::Int:
      return integer(arg.i);
    case fb::ArgKind::Float:
      return toText(arg.f);
    case fb::ArgKind::Bool:
      return truth(arg.i);
    case fb::ArgKind::IntList:
      return "[" + join(arg.ints, ", ", integer) + "]";
    case fb::ArgKind::FloatList:
      return "[" + join(arg.floats, ", ", toText) + "]";
    case fb::ArgKind::BoolList:
      return "[" + join(arg.ints, ", ", truth) + "]";
    case fb::ArgKind::DType:
      return std::string(name(static_cast<fb::DType>(arg.i)));
    case fb::ArgKind::String:
      return quote(arg.s);
    case fb::ArgKind::ScalarInt:
      return "scalar " + integer(arg.i);
    case fb::ArgKind::ScalarFloat:
      return "scalar " + toText(arg.f);
    case fb::ArgKind::ScalarBool:
      return "scalar " + truth(arg.i);
    case fb::ArgKind::ScalarRegister:
      return "scalar %" + integer(arg.i);
    }
    return "?";
  }

  //===--------------------------------------------------------------------===//
  // Lines
  //===--------------------------------------------------------------------===//

  void header() {
    line("plan ", quote(plan.model), " version ", plan.version, " compiler ", quote(plan.compiler),
         " target ", plan.target->device, "/", plan.target->arch, " threads ",
         plan.target->threads);
    for (const auto &axis : plan.mesh)
      line("mesh ", axis->name, " = ", axis->size);
    line("archive ", quote(plan.archive->file), " ", plan.archive->bytes, " bytes sha256 ",
         plan.archive->directory_sha256, plan.archive->has_weights ? "" : " without weights");
    const fb::TrainingT &training = *plan.training;
    line("training ", training.optimizer, " accumulate ", training.accumulate, " schedule ",
         lower(fb::EnumNameSchedule(training.schedule)), " warmup ", training.warmup_steps,
         " total ", training.total_steps, " min_lr ", training.min_lr, " clip_grad_norm ",
         training.clip_grad_norm == -1.0 ? std::string("none") : toText(training.clip_grad_norm));
    for (size_t i = 0; i < training.groups.size(); ++i) {
      const fb::GroupT &group = *training.groups[i];
      line("group ", i, " lr ", group.lr, " weight_decay ", group.weight_decay, " beta1 ",
           group.beta1, " beta2 ", group.beta2, " eps ", group.eps, " momentum ", group.momentum,
           " dampening ", group.dampening);
    }
  }

  void arena(size_t index) {
    const fb::ArenaT &arena = *plan.arenas[index];
    line("arena ", index, " ", quote(arena.name), " ",
         lower(fb::EnumNameMemoryClass(arena.memory_class)), " ",
         lower(fb::EnumNameMemorySpace(arena.space)), " ", arena.bytes, " bytes");
  }

  void buffer(size_t index, const char *indent) {
    const fb::BufferT &buffer = *plan.buffers[index];
    std::string lifetime;
    if (buffer.program != -1)
      lifetime = " live " + std::to_string(buffer.first) + ".." + std::to_string(buffer.last);
    line(indent, "b", index, " ", quote(buffer.name), " arena ", buffer.arena, " offset ",
         buffer.offset, " bytes ", buffer.bytes, " ", std::string(name(buffer.category)), lifetime);
  }

  void parameter(const fb::ParameterT &parameter) {
    std::string text = "parameter " + quote(parameter.name);
    for (const std::string &alias : parameter.aliases)
      text += " alias " + quote(alias);
    text += " " + tensor(parameter.tensor);
    if (!parameter.trainable)
      text += " frozen";
    if (parameter.gradient != -1)
      text += " gradient " + tensor(static_cast<uint32_t>(parameter.gradient));
    text += " group " + std::to_string(parameter.group);
    for (const auto &state : parameter.states)
      text += " " + state->slot + " " + tensor(state->tensor);
    line(text);
  }

  void program(size_t index) {
    const fb::ProgramT &program = *plan.programs[index];
    std::string contribution;
    if (program.contribution != fb::Contribution::None)
      contribution = " " + lower(fb::EnumNameContribution(program.contribution));
    std::string segment;
    if (program.segment != fb::Segment::Whole)
      segment = " " + lower(fb::EnumNameSegment(program.segment));
    line("program ", index, " ", quote(program.name), " ", lower(fb::EnumNameRole(program.role)),
         segment, contribution, program.retain ? " retain" : "", program.local ? " local" : "",
         " events ", program.events, " lower_bound ", program.lower_bound);
    auto indices = [&](const char *what, const std::vector<uint32_t> &list) {
      if (!list.empty())
        line("  ", what, " [", join(list, ", ", [](uint32_t i) { return std::to_string(i); }), "]");
    };
    indices("gradient_outputs", program.gradient_outputs);
    indices("wanted_arguments", program.wanted_arguments);
    indices("wanted_parameters", program.wanted_parameters);
    indices("gradients", program.gradients);
    indices("kept_arguments", program.kept_arguments);
    indices("kept_outputs", program.kept_outputs);
    for (const auto &input : program.inputs)
      line("  input ", quote(input->name), " ", tensor(input->tensor),
           input->source == fb::InputSource::Data
               ? std::string()
               : " " + lower(fb::EnumNameInputSource(input->source)) + " " +
                     std::to_string(input->index));
    for (size_t i = 0; i < program.outputs.size(); ++i)
      line("  output ", quote(program.outputs[i]->name), " ", tensor(program.outputs[i]->tensor),
           static_cast<int32_t>(i) == program.loss ? " loss" : "",
           static_cast<int32_t>(i) == program.grad_norm ? " grad_norm" : "",
           outputIndex(program, *program.outputs[i]));
    for (size_t i = 0; i < plan.buffers.size(); ++i)
      if (plan.buffers[i]->program == static_cast<int32_t>(index))
        buffer(i, "  ");
    for (size_t i = 0; i < program.scalars.size(); ++i)
      line("  %", i, " = ", scalar(*program.scalars[i]));
    for (size_t i = 0; i < program.instructions.size(); ++i)
      instruction(program, i);
  }

  /// What the caller gets of a suspended program.
  std::string outputIndex(const fb::ProgramT &program, const fb::OutputT &output) const {
    if (plan.arenas[plan.buffers[plan.tensors[output.tensor]->buffer]->arena]->memory_class !=
        fb::MemoryClass::Caller)
      return "";
    std::string text =
        " " + lower(fb::EnumNameOutputKind(output.kind)) + " " + std::to_string(output.index);
    auto depends = [&](const char *what, const std::vector<uint32_t> &list) {
      if (!list.empty())
        text += std::string(" of ") + what + " [" +
                join(list, ", ", [](uint32_t i) { return std::to_string(i); }) + "]";
    };
    depends("arguments", output.arguments);
    depends("parameters", output.parameters);
    return text;
  }

  static std::string scalar(const fb::ScalarOpT &op) {
    std::string text = lower(fb::EnumNameScalarKind(op.kind));
    switch (op.kind) {
    case fb::ScalarKind::Constant:
      return text + " " + toText(op.value);
    case fb::ScalarKind::Hyper:
      return text + " " + lower(fb::EnumNameHyper(op.hyper)) + " group " + std::to_string(op.group);
    case fb::ScalarKind::Sqrt:
    case fb::ScalarKind::Neg:
      return text + " %" + std::to_string(op.a);
    default:
      return text + " %" + std::to_string(op.a) + ", %" + std::to_string(op.b);
    }
  }

  std::string collective(const fb::CollectiveT &collective) const {
    std::string text = lower(fb::EnumNameCollectiveKind(collective.kind));
    if (collective.bucket >= 0)
      text += " " + quote(plan.buckets[static_cast<size_t>(collective.bucket)]->name);
    if (collective.accumulate)
      text += " accumulate";
    text += " whole " + tensor(collective.whole);
    if (collective.part >= 0)
      text += " part " + tensor(static_cast<uint32_t>(collective.part));
    if (collective.scratch >= 0)
      text += " scratch b" + std::to_string(collective.scratch);
    return text;
  }

  void instruction(const fb::ProgramT &program, size_t index) {
    const fb::InstructionT &instruction = *program.instructions[index];
    std::string text;
    if (const fb::CallT *call = instruction.body.AsCall()) {
      const fb::KernelT &kernel = *plan.kernels[call->kernel];
      text = kernel.name + "(" +
             join(call->args, ", ", [&](const auto &arg) { return argument(*arg); }) + ")";
      if (!call->results.empty())
        text += " -> " + join(call->results, ", ", [&](uint32_t result) { return tensor(result); });
      text += " " + lower(fb::EnumNameKernelMode(kernel.mode));
      if (call->scratch >= 0)
        text += " scratch b" + std::to_string(call->scratch);
    } else if (const fb::LoadInputT *load = instruction.body.AsLoadInput()) {
      const fb::InputT &input = *program.inputs[load->input];
      text = "load_input " + quote(input.name) + " -> " + tensor(input.tensor);
    } else if (const fb::CollectiveT *collective = instruction.body.AsCollective()) {
      text = this->collective(*collective);
    } else if (const fb::RecordT *record = instruction.body.AsRecord()) {
      text = "record e" + std::to_string(record->event);
    } else if (const fb::WaitT *wait = instruction.body.AsWait()) {
      text = "wait e" + std::to_string(wait->event);
    }
    const fb::LocationT &location = *plan.locations[instruction.location];
    std::string where;
    for (const std::string &part : {location.op, location.layer, sourceLine(plan, instruction)})
      if (!part.empty())
        where += (where.empty() ? "  // " : " ") + part;
    line("  ", index, ": ", lower(fb::EnumNameLane(instruction.lane)), " ", text, where);
  }

  const fb::PlanT &plan;
  std::string out;
};
} // namespace

std::string regimen::plan::print(const fb::PlanT &plan) { return Printer(plan).run(); }
