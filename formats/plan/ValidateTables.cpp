//===- ValidateTables.cpp - Local facts of a plan --------------------------===//

#include "formats/plan/Validator.h"

#include <algorithm>
#include <set>

using namespace regimen;
using namespace regimen::plan;

static constexpr uint64_t kMaxArena = uint64_t{1} << 47;
static constexpr uint64_t kMaxRanks = uint64_t{1} << 16;

namespace {
class TableChecker {
public:
  TableChecker(const fb::PlanT &plan, Violations &violations)
      : plan(plan), violations(violations) {}

  void run() {
    if (!checkPresence())
      return;
    checkHeader();
    for (size_t i = 0; i < plan.buffers.size(); ++i)
      checkBuffer(i);
    for (size_t i = 0; i < plan.tensors.size(); ++i)
      checkTensor(i);
    for (const auto &kernel : plan.kernels)
      checkKernel(*kernel);
    checkStates();
    std::set<std::string> names;
    for (const auto &program : plan.programs) {
      if (!names.insert(program->name).second)
        violations.add(programName(*program) + ": the name is used twice");
      checkProgram(*program);
    }
    if (violations.empty())
      validateSegments(plan, violations);
    checkRoles();
  }

private:
  static std::string programName(const fb::ProgramT &program) {
    std::string text = "program '";
    return text += program.name + "'";
  }

  template <typename T> static bool full(const std::vector<std::unique_ptr<T>> &tables) {
    return std::all_of(tables.begin(), tables.end(),
                       [](const auto &table) { return table != nullptr; });
  }

  template <typename Enum> static bool isValid(Enum value) {
    return value >= Enum::MIN && value <= Enum::MAX;
  }

  bool checkPresence() {
    bool present = plan.target && plan.archive && plan.training && full(plan.mesh) &&
                   full(plan.arenas) && full(plan.buffers) && full(plan.tensors) &&
                   full(plan.kernels) && full(plan.locations) && full(plan.programs) &&
                   full(plan.parameters) && full(plan.module_buffers) && full(plan.constants) &&
                   full(plan.training->groups);
    if (present) {
      for (const auto &parameter : plan.parameters)
        present &= full(parameter->states);
      for (const auto &program : plan.programs) {
        present &= full(program->scalars) && full(program->instructions) && full(program->inputs) &&
                   full(program->outputs);
        if (present)
          for (const auto &instruction : program->instructions) {
            const fb::CallT *call = instruction->body.AsCall();
            present &= instruction->body.value != nullptr && (!call || full(call->args));
          }
      }
      present &= full(plan.buckets);
    }
    if (!present)
      violations.add("plan: a required part is missing");
    return present;
  }

  void checkHeader() {
    if (plan.version != kVersion)
      violations.add("plan: version " + std::to_string(plan.version) + " instead of " +
                     std::to_string(kVersion));
    size_t frames = 0;
    // The bound keeps sums of bytes far from overflow.
    for (const auto &arena : plan.arenas) {
      if (!isValid(arena->memory_class) || !isValid(arena->space))
        violations.add("arena '" + arena->name + "': unknown memory class or space");
      if (arena->bytes > kMaxArena)
        violations.add("arena '" + arena->name + "': larger than 128 TiB");
      if (arena->memory_class == fb::MemoryClass::Caller && arena->bytes != 0)
        violations.add("arena '" + arena->name + "': the caller's arena has bytes of its own");
      if (arena->memory_class == fb::MemoryClass::Frame && ++frames > 1)
        violations.add("arena '" + arena->name + "': a second arena for frames");
    }
    std::set<std::string> axes;
    for (const auto &axis : plan.mesh)
      if (axis->size == 0 || !axes.insert(axis->name).second)
        violations.add("mesh axis '" + axis->name + "': empty or named twice");
    uint64_t ranks = 1;
    for (const auto &axis : plan.mesh)
      ranks = std::min<uint64_t>(ranks * std::max(axis->size, 1u), kMaxRanks + 1);
    if (ranks > kMaxRanks)
      violations.add("mesh: more than " + std::to_string(kMaxRanks) + " ranks");
    for (const auto &bucket : plan.buckets)
      if (!isValid(bucket->dtype) || bucket->zero > 3 || bucket->elements > kMaxArena ||
          bucket->elements % std::max<uint64_t>(ranks, 1) != 0)
        violations.add("bucket '" + bucket->name + "': unknown type or stage, or unequal shards");
    std::set<uint32_t> placed;
    for (const auto &bucket : plan.buckets)
      for (uint32_t parameter : bucket->parameters)
        if (parameter >= plan.parameters.size() || !placed.insert(parameter).second)
          violations.add("bucket '" + bucket->name + "': parameter " + std::to_string(parameter) +
                         " does not exist, or is in another bucket");
    if (plan.target->device.empty() || plan.target->threads == 0)
      violations.add("target: no device or no threads");

    const fb::ArchiveT &archive = *plan.archive;
    if (archive.file.empty() || archive.file.find('/') != std::string::npos ||
        archive.relative_path.starts_with('/'))
      violations.add("archive '" + archive.file + "': not a file name with a relative path");
    if (archive.directory_sha256.size() != 64 ||
        archive.directory_sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
      violations.add("archive '" + archive.file + "': the digest is not a SHA-256");

    const fb::TrainingT &training = *plan.training;
    if (training.accumulate == 0)
      violations.add("training: accumulate is 0");
    if (!isValid(training.schedule))
      violations.add("training: unknown schedule");
    if (!(training.clip_grad_norm == -1.0 || training.clip_grad_norm > 0.0))
      violations.add("training: clip_grad_norm is neither positive nor -1");
  }

  void checkBuffer(size_t index) {
    const fb::BufferT &buffer = *plan.buffers[index];
    auto fail = [&](const std::string &what) {
      violations.add("buffer " + std::to_string(index) + " '" + buffer.name + "': " + what);
    };
    if (buffer.arena >= plan.arenas.size())
      return fail("arena " + std::to_string(buffer.arena) + " does not exist");
    const fb::ArenaT &arena = *plan.arenas[buffer.arena];
    if (buffer.offset % kAlignment != 0)
      fail("offset " + std::to_string(buffer.offset) + " is not a multiple of " +
           std::to_string(kAlignment));
    if (arena.memory_class == fb::MemoryClass::Caller) {
      if (buffer.offset != 0 || buffer.bytes > kMaxArena)
        fail("of the caller, and not at offset 0 or larger than 128 TiB");
    } else if (buffer.offset > arena.bytes || buffer.bytes > arena.bytes - buffer.offset)
      fail("bytes " + std::to_string(buffer.offset) + " + " + std::to_string(buffer.bytes) +
           " leave the arena '" + arena.name + "' of " + std::to_string(arena.bytes));
    if (!isValid(buffer.category))
      fail("unknown category");
    if (arena.memory_class != fb::MemoryClass::Frame &&
        (buffer.program == -1) != (arena.memory_class == fb::MemoryClass::Static))
      return fail(
          "only buffers of static arenas and frames belong to no program, and all of static "
          "arenas do");
    if (buffer.program == -1)
      return;
    if (buffer.program < 0 || static_cast<size_t>(buffer.program) >= plan.programs.size())
      return fail("program " + std::to_string(buffer.program) + " does not exist");
    size_t count = plan.programs[buffer.program]->instructions.size();
    if (buffer.first > buffer.last || buffer.last >= count)
      fail("lifetime [" + std::to_string(buffer.first) + ", " + std::to_string(buffer.last) +
           "] is no range of the program's " + std::to_string(count) + " instructions");
  }

  void checkTensor(size_t index) {
    const fb::TensorT &tensor = *plan.tensors[index];
    auto fail = [&](const std::string &what) {
      violations.add("tensor " + std::to_string(index) + ": " + what);
    };
    if (tensor.buffer >= plan.buffers.size())
      return fail("buffer " + std::to_string(tensor.buffer) + " does not exist");
    if (!isValid(tensor.dtype))
      return fail("unknown dtype");
    if (tensor.sizes.size() != tensor.strides.size())
      return fail("has " + std::to_string(tensor.sizes.size()) + " sizes and " +
                  std::to_string(tensor.strides.size()) + " strides");
    const fb::BufferT &buffer = *plan.buffers[tensor.buffer];
    if (tensor.segment && tensor.segment->shard > kMaxArena)
      return fail("a shard of " + std::to_string(tensor.segment->shard) + " elements");
    if (!extent(tensor, buffer.bytes))
      fail("sizes, strides and offset do not fit into buffer " + std::to_string(tensor.buffer) +
           " '" + buffer.name + "' of " + std::to_string(buffer.bytes) + " bytes");
  }

  void checkKernel(const fb::KernelT &kernel) {
    std::string where = "kernel '";
    where += kernel.name + "': ";
    if (!isValid(kernel.mode))
      return violations.add(where + "unknown mode");
    size_t colons = kernel.name.find("::");
    if (colons == 0 || colons == std::string::npos || colons + 2 == kernel.name.size())
      return violations.add(where + "the name is not NAMESPACE::NAME");
    if (kernel.name.starts_with("regimen::") != (kernel.mode == fb::KernelMode::Own))
      violations.add(where + "kernels of mode Own, and no others, are in namespace regimen");
  }

  bool isTensor(int64_t index) const {
    return index >= 0 && static_cast<uint64_t>(index) < plan.tensors.size();
  }

  /// Indices only; validateStates() looks at what they refer to.
  void checkStates() {
    auto check = [&](const std::string &name, int64_t tensor) {
      if (!isTensor(tensor))
        violations.add("'" + name + "': tensor " + std::to_string(tensor) + " does not exist");
    };
    for (const auto &parameter : plan.parameters) {
      check(parameter->name, parameter->tensor);
      if (parameter->gradient != -1)
        check(parameter->name, parameter->gradient);
      if (parameter->group >= plan.training->groups.size())
        violations.add("'" + parameter->name + "': group " + std::to_string(parameter->group) +
                       " does not exist");
      for (const auto &state : parameter->states)
        check(parameter->name, state->tensor);
    }
    for (const auto &buffer : plan.module_buffers)
      check(buffer->name, buffer->tensor);
    for (const auto &constant : plan.constants)
      check("constant", constant->tensor);
  }

  void checkProgram(const fb::ProgramT &program) {
    std::string where = programName(program);
    if (!isValid(program.role) || !isValid(program.contribution) || !isValid(program.segment))
      violations.add(where + ": unknown role, contribution or segment");
    for (size_t i = 0; i < program.scalars.size(); ++i)
      checkScalar(program, i);
    std::set<std::string> names;
    for (const auto &input : program.inputs) {
      if (!isTensor(input->tensor))
        violations.add(where + ": input '" + input->name + "': tensor does not exist");
      if (!names.insert(input->name).second)
        violations.add(where + ": two inputs are named '" + input->name + "'");
      if (!isValid(input->source))
        violations.add(where + ": input '" + input->name + "' has an unknown source");
    }
    names.clear();
    for (const auto &output : program.outputs) {
      if (!isTensor(output->tensor))
        violations.add(where + ": output '" + output->name + "': tensor does not exist");
      if (!names.insert(output->name).second)
        violations.add(where + ": two outputs are named '" + output->name + "'");
      if (!isValid(output->kind))
        violations.add(where + ": output '" + output->name + "' is of an unknown kind");
    }
    auto checkScalarOutput = [&](int32_t index, const char *what) {
      if (index == -1)
        return;
      if (index < 0 || static_cast<size_t>(index) >= program.outputs.size())
        return violations.add(where + ": " + what + " is output " + std::to_string(index) +
                              ", which does not exist");
      uint32_t tensor = program.outputs[index]->tensor;
      if (isTensor(tensor) &&
          !std::all_of(plan.tensors[tensor]->sizes.begin(), plan.tensors[tensor]->sizes.end(),
                       [](int64_t size) { return size == 1; }))
        violations.add(where + ": " + what + " is not a single number");
    };
    checkScalarOutput(program.loss, "the loss");
    checkScalarOutput(program.grad_norm, "the gradient norm");

    std::set<uint32_t> recorded;
    for (size_t i = 0; i < program.instructions.size(); ++i)
      checkInstruction(program, i, recorded);
  }

  void checkScalar(const fb::ProgramT &program, size_t index) {
    const fb::ScalarOpT &op = *program.scalars[index];
    auto fail = [&](const std::string &what) {
      violations.add(programName(program) + ", register " + std::to_string(index) + ": " + what);
    };
    switch (op.kind) {
    case fb::ScalarKind::Constant:
      return;
    case fb::ScalarKind::Hyper:
      if (!isValid(op.hyper))
        fail("unknown hyperparameter");
      if (op.group >= plan.training->groups.size())
        fail("group " + std::to_string(op.group) + " does not exist");
      return;
    case fb::ScalarKind::Add:
    case fb::ScalarKind::Sub:
    case fb::ScalarKind::Mul:
    case fb::ScalarKind::Div:
    case fb::ScalarKind::Pow:
      if (op.a >= index || op.b >= index)
        fail("an operand is not an earlier register");
      return;
    case fb::ScalarKind::Sqrt:
    case fb::ScalarKind::Neg:
      if (op.a >= index)
        fail("its operand is not an earlier register");
      return;
    }
    fail("unknown operation");
  }

  void checkInstruction(const fb::ProgramT &program, size_t index, std::set<uint32_t> &recorded) {
    const fb::InstructionT &instruction = *program.instructions[index];
    auto fail = [&](const std::string &what) {
      violations.add(describe(plan, program, index) + ": " + what);
    };
    if (!isValid(instruction.lane))
      fail("unknown lane");
    if (instruction.location >= plan.locations.size())
      fail("location " + std::to_string(instruction.location) + " does not exist");
    if (const fb::CallT *call = instruction.body.AsCall()) {
      checkCall(program, *call, fail);
    } else if (const fb::LoadInputT *load = instruction.body.AsLoadInput()) {
      if (load->input >= program.inputs.size())
        fail("input " + std::to_string(load->input) + " does not exist");
      else if (program.inputs[load->input]->source != fb::InputSource::Data)
        fail("loads input '" + program.inputs[load->input]->name + "', which the caller brings");
      if (instruction.lane != fb::Lane::Copy)
        fail("inputs are loaded on the copy lane");
    } else if (const fb::CollectiveT *collective = instruction.body.AsCollective()) {
      checkCollective(*collective, fail);
      if (instruction.lane != fb::Lane::Comm)
        fail("ranks meet on the comm lane");
    } else if (const fb::RecordT *record = instruction.body.AsRecord()) {
      if (record->event >= program.events)
        fail("event " + std::to_string(record->event) + " does not exist");
      if (!recorded.insert(record->event).second)
        fail("event " + std::to_string(record->event) + " is recorded a second time");
    } else if (const fb::WaitT *wait = instruction.body.AsWait()) {
      if (!recorded.count(wait->event))
        fail("waits for event " + std::to_string(wait->event) + ", which was not recorded before");
    } else {
      fail("unknown kind of instruction");
    }
  }

  /// A whole of equal parts, one a rank, and a window to receive in.
  template <typename Fail> void checkCollective(const fb::CollectiveT &collective, Fail fail) {
    bool exist = isTensor(collective.whole) &&
                 (collective.part == -1 || isTensor(collective.part)) &&
                 std::all_of(collective.members.begin(), collective.members.end(),
                             [&](uint32_t member) { return isTensor(member); });
    if (!exist || collective.scratch < -1 ||
        collective.scratch >= static_cast<int64_t>(plan.buffers.size()) || collective.bucket < -1 ||
        collective.bucket >= static_cast<int64_t>(plan.buckets.size()))
      return fail("a tensor, bucket or scratch buffer does not exist");
    if (!isValid(collective.kind))
      return fail("unknown kind of collective");
    // Of tensors that are not in their buffers enough was said, and their sizes may overflow.
    auto fits = [&](uint32_t tensor) {
      uint32_t buffer = plan.tensors[tensor]->buffer;
      return buffer < plan.buffers.size() &&
             extent(*plan.tensors[tensor], plan.buffers[buffer]->bytes);
    };
    if (!fits(collective.whole) ||
        (collective.part >= 0 && !fits(static_cast<uint32_t>(collective.part))))
      return;
    const fb::TensorT &whole = *plan.tensors[collective.whole];
    uint64_t ranks = ranksOf(plan);
    uint64_t elements = static_cast<uint64_t>(numElements(whole));
    if (!isContiguous(whole) || whole.segment || ranks < 2 || elements % ranks != 0)
      return fail("its whole is not a part for each of " + std::to_string(ranks) + " ranks");
    if (collective.part >= 0) {
      const fb::TensorT &part = *plan.tensors[static_cast<size_t>(collective.part)];
      if (!isContiguous(part) || part.segment || part.dtype != whole.dtype ||
          static_cast<uint64_t>(numElements(part)) * ranks != elements)
        fail("its part is not one of " + std::to_string(ranks) + " of the whole");
      if (part.buffer == whole.buffer)
        fail("its part and its whole are in one buffer");
    }
    // What a run places elsewhere, a frame or a caller's tensor, is nothing that ranks exchange.
    auto fixed = [&](uint32_t buffer) {
      uint16_t arena = plan.buffers[buffer]->arena;
      if (arena >= plan.arenas.size())
        return true; // enough was said
      fb::MemoryClass memoryClass = plan.arenas[arena]->memory_class;
      return memoryClass == fb::MemoryClass::Static || memoryClass == fb::MemoryClass::Work;
    };
    if (!fixed(whole.buffer) ||
        (collective.part >= 0 &&
         !fixed(plan.tensors[static_cast<size_t>(collective.part)]->buffer)) ||
        (collective.scratch >= 0 && !fixed(static_cast<uint32_t>(collective.scratch))))
      fail("exchanges memory of a frame or of the caller");
    bool gather = collective.kind == fb::CollectiveKind::AllGather;
    if (gather != collective.members.empty())
      fail(gather ? "gathers, but names what it reduces" : "reduces nothing");
    for (uint32_t member : collective.members)
      if (plan.tensors[member]->buffer != whole.buffer || plan.tensors[member]->segment ||
          plan.tensors[member]->dtype != whole.dtype)
        fail("tensor " + std::to_string(member) + " is not in the whole");
    if (collective.accumulate &&
        (collective.kind != fb::CollectiveKind::ReduceScatter || collective.part < 0))
      fail("accumulates without a part to add to");
    if (collective.part >= 0 && collective.kind == fb::CollectiveKind::AllReduce)
      fail("reduces to all ranks, but has a part");
    uint64_t needed = gather ? 0 : receiveBytes(plan, elements / ranks * elementBytes(whole.dtype));
    uint64_t found =
        collective.scratch >= 0 ? plan.buffers[static_cast<size_t>(collective.scratch)]->bytes : 0;
    if (found < needed)
      fail("receives in " + std::to_string(found) + " bytes, needs " + std::to_string(needed));
    if (collective.bucket >= 0) {
      const fb::BucketT &bucket = *plan.buckets[static_cast<size_t>(collective.bucket)];
      if (bucket.elements != elements || bucket.dtype != whole.dtype)
        fail("moves another number of elements than its bucket '" + bucket.name + "' has");
    }
  }

  template <typename Fail>
  void checkCall(const fb::ProgramT &program, const fb::CallT &call, Fail fail) {
    if (call.kernel >= plan.kernels.size())
      return fail("kernel " + std::to_string(call.kernel) + " does not exist");
    for (size_t i = 0; i < call.args.size(); ++i)
      if (std::string what = checkArg(program, *call.args[i]); !what.empty())
        fail("argument " + std::to_string(i) + ": " + what);
    bool indices = true;
    for (uint32_t tensor : call.results)
      if (!isTensor(tensor)) {
        fail("result tensor " + std::to_string(tensor) + " does not exist");
        indices = false;
      }
    if (call.scratch < -1 || call.scratch >= static_cast<int64_t>(plan.buffers.size()))
      fail("scratch buffer " + std::to_string(call.scratch) + " does not exist");

    switch (plan.kernels[call.kernel]->mode) {
    case fb::KernelMode::Out:
    case fb::KernelMode::Functional:
      if (call.results.empty())
        fail("has no results");
      break;
    case fb::KernelMode::InPlace:
      if (!call.results.empty())
        fail("an in-place kernel has no results of its own");
      break;
    case fb::KernelMode::Own:
      break;
    }
    if (indices)
      checkResultsDiffer(call, fail);
  }

  template <typename Fail> void checkResultsDiffer(const fb::CallT &call, Fail fail) {
    for (size_t i = 0; i < call.results.size(); ++i)
      for (size_t j = i + 1; j < call.results.size(); ++j) {
        const fb::TensorT &a = *plan.tensors[call.results[i]], &b = *plan.tensors[call.results[j]];
        // Only of dense ones is the span what they occupy: strided ones may interleave.
        if (a.buffer != b.buffer || a.buffer >= plan.buffers.size())
          continue;
        auto spanA = extent(a, plan.buffers[a.buffer]->bytes);
        auto spanB = extent(b, plan.buffers[b.buffer]->bytes);
        if (spanA && spanB && isContiguous(a) && isContiguous(b) && spanA->first < spanB->second &&
            spanB->first < spanA->second)
          fail("results " + std::to_string(i) + " and " + std::to_string(j) + " overlap");
      }
  }

  /// What is wrong with an argument, or "".
  std::string checkArg(const fb::ProgramT &program, const fb::ArgT &arg) {
    switch (arg.kind) {
    case fb::ArgKind::Default:
    case fb::ArgKind::None:
    case fb::ArgKind::Int:
    case fb::ArgKind::Float:
    case fb::ArgKind::IntList:
    case fb::ArgKind::FloatList:
    case fb::ArgKind::String:
    case fb::ArgKind::ScalarInt:
    case fb::ArgKind::ScalarFloat:
      return "";
    case fb::ArgKind::Tensor:
      return isTensor(arg.tensor) ? "" : "tensor " + std::to_string(arg.tensor) + " does not exist";
    case fb::ArgKind::TensorList:
    case fb::ArgKind::OptionalTensorList:
      for (int32_t tensor : arg.tensors)
        if (!isTensor(tensor) && !(tensor == -1 && arg.kind == fb::ArgKind::OptionalTensorList))
          return "tensor " + std::to_string(tensor) + " does not exist";
      return "";
    case fb::ArgKind::Bool:
    case fb::ArgKind::ScalarBool:
      return arg.i == 0 || arg.i == 1 ? "" : "a truth value of " + std::to_string(arg.i);
    case fb::ArgKind::BoolList:
      for (int64_t value : arg.ints)
        if (value != 0 && value != 1)
          return "a truth value of " + std::to_string(value);
      return "";
    case fb::ArgKind::DType:
      return arg.i >= 0 && arg.i <= static_cast<int64_t>(fb::DType::MAX)
                 ? ""
                 : "dtype " + std::to_string(arg.i) + " does not exist";
    case fb::ArgKind::ScalarRegister:
      return arg.i >= 0 && static_cast<uint64_t>(arg.i) < program.scalars.size()
                 ? ""
                 : "register " + std::to_string(arg.i) + " does not exist";
    }
    return "unknown kind";
  }

  /// Whether it evaluates a loss, on data.
  bool checkEvaluation(const fb::ProgramT &program) {
    auto fail = [&](const std::string &what) {
      violations.add(programName(program) + ": " + what);
    };
    if (program.loss < 0)
      return false;
    for (const auto &scalar : program.scalars)
      if (scalar->kind == fb::ScalarKind::Hyper)
        fail("evaluation takes no hyperparameters");
    for (const auto &input : program.inputs)
      if (input->source != fb::InputSource::Data)
        fail("evaluates a loss, but input '" + input->name + "' does not come from data");
    return true;
  }

  /// A step needs a micro-step that starts the gradients, later ones if it has several, and an
  /// update.
  void checkRoles() {
    bool micro = false, first = false, later = false, last = false, gradients = false;
    size_t evaluations = 0;
    for (const auto &program : plan.programs) {
      // Suspended micro-steps make whichever contribution their caller asks for.
      if (program->segment == fb::Segment::Whole) {
        micro |= program->role == fb::Role::MicroStep;
        first |= program->contribution == fb::Contribution::First;
        later |= program->contribution == fb::Contribution::Later;
        last |= program->contribution == fb::Contribution::Last;
      }
      if (program->role != fb::Role::MicroStep && program->contribution != fb::Contribution::None)
        violations.add(programName(*program) + ": only a micro-step contributes to gradients");
      if (program->role == fb::Role::Evaluation)
        evaluations += checkEvaluation(*program);
    }
    if (evaluations > 1)
      violations.add("plan: has " + std::to_string(evaluations) + " programs that evaluate a loss");
    for (const auto &parameter : plan.parameters)
      gradients |= parameter->gradient != -1;
    if (!micro || !gradients)
      return;
    if (!first)
      violations.add("plan: no micro-step makes the first contribution to the gradients");
    if (!later && plan.training->accumulate > (last ? 2u : 1u))
      violations.add("plan: no micro-step makes the later contributions that accumulate = " +
                     std::to_string(plan.training->accumulate) + " needs");
  }

  const fb::PlanT &plan;
  Violations &violations;
};
} // namespace

void regimen::plan::validateTables(const fb::PlanT &plan, Violations &violations) {
  TableChecker(plan, violations).run();
}
