#include "formats/plan/Validator.h"

#include <algorithm>
#include <cstdint>

using namespace regimen;
using namespace regimen::plan;

/// Keeps sums of a segment's numbers far from overflow.
static constexpr uint64_t kMostElements = uint64_t{1} << 47;

/// The bytes that any rank's segment has; nothing if the segment is none of a flat tensor, or
/// leaves its buffer.
static std::optional<std::pair<uint64_t, uint64_t>> segmentExtent(const fb::TensorT &tensor,
                                                                  uint64_t bytes) {
  const fb::ShardPartT &segment = *tensor.segment;
  uint64_t width = elementBytes(tensor.dtype), most = bytes / width;
  if (segment.place > fb::ShardPlace::MAX || segment.shard == 0 || segment.begin > kMostElements ||
      segment.elements > kMostElements ||
      tensor.sizes !=
          std::vector<int64_t>{static_cast<int64_t>(std::min(segment.elements, segment.shard))} ||
      tensor.strides != std::vector<int64_t>{1})
    return std::nullopt;
  switch (segment.place) {
  case fb::ShardPlace::Whole:
    if (segment.elements > most || segment.begin > most - segment.elements ||
        tensor.byte_offset != segment.begin * width)
      return std::nullopt;
    return std::pair(tensor.byte_offset, tensor.byte_offset + segment.elements * width);
  case fb::ShardPlace::Shard:
    if (segment.shard > most || tensor.byte_offset != 0)
      return std::nullopt;
    return std::pair(uint64_t{0}, segment.shard * width);
  case fb::ShardPlace::Own:
    if (tensor.byte_offset != 0)
      return std::nullopt;
    if (static_cast<uint64_t>(tensor.sizes[0]) > most)
      return std::nullopt;
    return std::pair(uint64_t{0}, static_cast<uint64_t>(tensor.sizes[0]) * width);
  }
  return std::nullopt;
}

std::optional<std::pair<uint64_t, uint64_t>> regimen::plan::extent(const fb::TensorT &tensor,
                                                                   uint64_t bytes) {
  uint64_t width = elementBytes(tensor.dtype), last = 0;
  if (tensor.segment && width != 0)
    return segmentExtent(tensor, bytes);
  if (width == 0 || tensor.sizes.size() != tensor.strides.size() || tensor.byte_offset > bytes ||
      tensor.byte_offset % width != 0)
    return std::nullopt;
  bool none = false;
  for (size_t i = 0; i < tensor.sizes.size(); ++i) {
    int64_t size = tensor.sizes[i], stride = tensor.strides[i];
    if (size < 0 || stride < 0)
      return std::nullopt;
    uint64_t span;
    none |= size == 0;
    if (size > 0 && (__builtin_mul_overflow(static_cast<uint64_t>(size - 1),
                                            static_cast<uint64_t>(stride), &span) ||
                     __builtin_add_overflow(last, span, &last)))
      return std::nullopt;
  }
  if (none)
    return std::pair(tensor.byte_offset, tensor.byte_offset);
  uint64_t size;
  if (__builtin_add_overflow(last, uint64_t{1}, &size) ||
      __builtin_mul_overflow(size, width, &size) || size > bytes - tensor.byte_offset)
    return std::nullopt;
  return std::pair(tensor.byte_offset, tensor.byte_offset + size);
}

Span regimen::plan::spanOf(const fb::PlanT &plan, uint32_t tensor) {
  const fb::TensorT &window = *plan.tensors[tensor];
  const fb::BufferT &buffer = *plan.buffers[window.buffer];
  auto [begin, end] = *extent(window, buffer.bytes);
  return {window.buffer, buffer.offset + begin, buffer.offset + end};
}

fb::MemoryClass regimen::plan::memoryClass(const fb::PlanT &plan, uint32_t buffer) {
  return plan.arenas[plan.buffers[buffer]->arena]->memory_class;
}

Span regimen::plan::spanOfBuffer(const fb::PlanT &plan, uint32_t index) {
  const fb::BufferT &buffer = *plan.buffers[index];
  return {index, buffer.offset, buffer.offset + buffer.bytes};
}

namespace {
/// Which arguments an in-place kernel mutates.
enum class Mutation { All, First, OverwritesFirst };
} // namespace

/// By PyTorch's convention an operator whose name ends in '_' mutates `self`. One that takes lists
/// (fused optimizers) and any other name may mutate everything it gets.
static Mutation mutationOf(const fb::KernelT &kernel, const fb::CallT &call) {
  std::string_view name = kernel.name;
  name = name.substr(0, name.find('.'));
  if (!name.ends_with('_') || call.args.empty() || call.args[0]->kind != fb::ArgKind::Tensor)
    return Mutation::All;
  static constexpr std::string_view overwriting[] = {
      "aten::bernoulli_", "aten::copy_",   "aten::exponential_", "aten::fill_",
      "aten::normal_",    "aten::random_", "aten::uniform_",     "aten::zero_"};
  return std::find(std::begin(overwriting), std::end(overwriting), name) != std::end(overwriting)
             ? Mutation::OverwritesFirst
             : Mutation::First;
}

static void addCall(const fb::PlanT &plan, const fb::CallT &call, std::vector<Access> &result) {
  const fb::KernelT &kernel = *plan.kernels[call.kernel];
  bool inPlace = kernel.mode == fb::KernelMode::InPlace;
  Mutation mutation = inPlace ? mutationOf(kernel, call) : Mutation::All;
  std::vector<Access> writes;
  auto argument = [&](size_t position, uint32_t tensor) {
    Span span = spanOf(plan, tensor);
    if (!inPlace || position != 0 || mutation != Mutation::OverwritesFirst)
      result.push_back({span, false});
    if (inPlace && (position == 0 || mutation == Mutation::All))
      writes.push_back({span, true});
  };
  for (size_t i = 0; i < call.args.size(); ++i) {
    const fb::ArgT &arg = *call.args[i];
    if (arg.kind == fb::ArgKind::Tensor)
      argument(i, arg.tensor);
    if (arg.kind == fb::ArgKind::TensorList || arg.kind == fb::ArgKind::OptionalTensorList)
      for (int32_t tensor : arg.tensors)
        if (tensor >= 0)
          argument(i, static_cast<uint32_t>(tensor));
  }
  for (uint32_t tensor : call.results)
    writes.push_back({spanOf(plan, tensor), true});
  if (call.scratch >= 0)
    writes.push_back({spanOfBuffer(plan, static_cast<uint32_t>(call.scratch)), true});
  result.insert(result.end(), writes.begin(), writes.end());
}

static void addCollective(const fb::PlanT &plan, const fb::CollectiveT &collective,
                          std::vector<Access> &result) {
  Span whole = spanOf(plan, collective.whole);
  std::optional<Span> part;
  if (collective.part >= 0)
    part = spanOf(plan, static_cast<uint32_t>(collective.part));
  bool gather = collective.kind == fb::CollectiveKind::AllGather;
  for (uint32_t member : collective.members)
    result.push_back({spanOf(plan, member), false});
  if (gather || (part && collective.accumulate))
    result.push_back({part.value_or(whole), false});
  if (collective.scratch >= 0)
    result.push_back({spanOfBuffer(plan, static_cast<uint32_t>(collective.scratch)), true});
  bool scatter = collective.kind == fb::CollectiveKind::ReduceScatter;
  result.push_back({scatter && part ? *part : whole, true});
}

std::vector<Access> regimen::plan::accesses(const fb::PlanT &plan, const fb::ProgramT &program,
                                            const fb::InstructionT &instruction) {
  std::vector<Access> result;
  if (const fb::CallT *call = instruction.body.AsCall())
    addCall(plan, *call, result);
  if (const fb::CollectiveT *collective = instruction.body.AsCollective())
    addCollective(plan, *collective, result);
  if (const fb::LoadInputT *load = instruction.body.AsLoadInput())
    result.push_back({spanOf(plan, program.inputs[load->input]->tensor), true});
  return result;
}

std::string regimen::plan::sourceLine(const fb::PlanT &plan, const fb::InstructionT &instruction) {
  if (instruction.location >= plan.locations.size())
    return "";
  const fb::LocationT &location = *plan.locations[instruction.location];
  if (location.file.empty())
    return "";
  return location.file + ":" + std::to_string(location.line);
}

std::string regimen::plan::describe(const fb::PlanT &plan, const fb::ProgramT &program,
                                    size_t index) {
  std::string text = "program '";
  text += program.name + "', instruction " + std::to_string(index);
  const fb::InstructionT &instruction = *program.instructions[index];
  std::string what;
  if (const fb::CallT *call = instruction.body.AsCall(); call && call->kernel < plan.kernels.size())
    what = plan.kernels[call->kernel]->name;
  if (const fb::CollectiveT *collective = instruction.body.AsCollective())
    what = fb::EnumNameCollectiveKind(collective->kind);
  if (instruction.location < plan.locations.size()) {
    const fb::LocationT &location = *plan.locations[instruction.location];
    if (!location.op.empty())
      what += (what.empty() ? "for " : " for ") + location.op;
    if (std::string source = sourceLine(plan, instruction); !source.empty())
      what += (what.empty() ? "" : ", ") + source;
  }
  return what.empty() ? text : text + " (" + what + ")";
}
