#include "formats/plan/Plan.h"

#include "formats/AtomicFile.h"
#include "formats/Error.h"
#include "formats/MappedFile.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

using namespace regimen;
using namespace regimen::plan;

static_assert(std::endian::native == std::endian::little, "constants are little-endian");

/// Levels of tables in tables that the schema has, with room for it to grow.
static constexpr unsigned kMaxDepth = 32;
/// Violations that an error quotes.
static constexpr size_t kQuoted = 10;

namespace {
/// What FlatBuffers' verifier leaves open: that the numbers of a vector are aligned, and that a
/// small file does not refer to the same bytes again and again, which would unpack to any size.
class UnpackChecker {
public:
  explicit UnpackChecker(uint64_t limit) : limit(limit) {}

  /// What is wrong, or "".
  std::string check(const fb::Plan &plan) {
    try {
      count(plan);
    } catch (const Error &error) {
      return error.what();
    }
    return "";
  }

private:
  void add(uint64_t bytes) {
    total += bytes;
    if (total > limit)
      throw Error("its parts overlap");
  }
  void count(const flatbuffers::String *text) {
    if (text)
      add(text->size());
  }
  template <typename T>
  void count(const flatbuffers::Vector<T> *values)
    requires std::is_arithmetic_v<T>
  {
    if (!values)
      return;
    if (reinterpret_cast<uintptr_t>(values->Data()) % alignof(T) != 0)
      throw Error("a vector is not aligned");
    add(uint64_t{values->size()} * sizeof(T));
  }
  template <typename T> void count(const flatbuffers::Vector<flatbuffers::Offset<T>> *tables) {
    if (!tables)
      return;
    for (const T *table : *tables) {
      add(8);
      count(*table);
    }
  }

  void count(const flatbuffers::String &text) { add(text.size()); }
  void count(const fb::Axis &axis) { count(axis.name()); }
  void count(const fb::Arena &arena) { count(arena.name()); }
  void count(const fb::Buffer &buffer) { count(buffer.name()); }
  void count(const fb::Tensor &tensor) {
    count(tensor.sizes());
    count(tensor.strides());
  }
  void count(const fb::Kernel &kernel) { count(kernel.name()); }
  void count(const fb::Location &location) {
    count(location.op());
    count(location.layer());
    count(location.file());
  }
  void count(const fb::Arg &arg) {
    count(arg.tensors());
    count(arg.ints());
    count(arg.floats());
    count(arg.s());
  }
  void count(const fb::Instruction &instruction) {
    if (const fb::Call *call = instruction.body_as_Call()) {
      count(call->args());
      count(call->results());
    }
  }
  void count(const fb::ScalarOp &) {}
  void count(const fb::Input &input) { count(input.name()); }
  void count(const fb::Output &output) {
    count(output.name());
    count(output.arguments());
    count(output.parameters());
  }
  void count(const fb::Program &program) {
    count(program.name());
    count(program.scalars());
    count(program.instructions());
    count(program.inputs());
    count(program.outputs());
    count(program.gradient_outputs());
    count(program.wanted_arguments());
    count(program.wanted_parameters());
    count(program.gradients());
    count(program.kept_arguments());
    count(program.kept_outputs());
  }
  void count(const fb::State &state) { count(state.slot()); }
  void count(const fb::Parameter &parameter) {
    count(parameter.name());
    count(parameter.aliases());
    count(parameter.states());
  }
  void count(const fb::ModuleBuffer &buffer) { count(buffer.name()); }
  void count(const fb::Constant &constant) { count(constant.data()); }
  void count(const fb::Group &) {}
  void count(const fb::Plan &plan) {
    count(plan.config());
    count(plan.mesh());
    count(plan.arenas());
    count(plan.buffers());
    count(plan.tensors());
    count(plan.kernels());
    count(plan.locations());
    count(plan.programs());
    count(plan.parameters());
    count(plan.module_buffers());
    count(plan.constants());
    count(plan.training()->groups());
  }

  uint64_t limit;
  uint64_t total = 0;
};
} // namespace

fb::PlanT regimen::plan::parse(std::span<const std::byte> bytes, const std::string &name) {
  auto fail = [&](const std::string &what) { throw Error("'" + name + "': " + what); };
  // An offset and an identifier; FlatBuffers themselves end at 2 GiB.
  if (bytes.size() < 8 || !flatbuffers::BufferHasIdentifier(bytes.data(), fb::PlanIdentifier()))
    fail("not a plan file (it does not carry the identifier '" + std::string(fb::PlanIdentifier()) +
         "')");
  if (bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE)
    fail("plan files end at 2 GiB");
  std::vector<uint64_t> aligned;
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint64_t) != 0) {
    aligned.resize(bytes.size() / sizeof(uint64_t) + 1);
    std::memcpy(aligned.data(), bytes.data(), bytes.size());
    bytes = std::as_bytes(std::span(aligned)).first(bytes.size());
  }
  // A table has 4 bytes itself and 4 in what refers to it, so honest files pass whatever their
  // size.
  flatbuffers::uoffset_t maxTables = static_cast<flatbuffers::uoffset_t>(bytes.size() / 8 + 1);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size(),
                                 kMaxDepth, maxTables);
  if (!fb::VerifyPlanBuffer(verifier))
    fail("damaged plan file, or cut short");
  const fb::Plan *plan = fb::GetPlan(bytes.data());
  if (plan->version() != kVersion)
    fail("plan version " + std::to_string(plan->version()) + ", this program reads version " +
         std::to_string(kVersion) + "; compile the model again");
  if (std::string what = UnpackChecker(4 * bytes.size() + 4096).check(*plan); !what.empty())
    fail("damaged plan file: " + what);
  fb::PlanT result;
  plan->UnPackTo(&result);
  return result;
}

fb::PlanT regimen::plan::read(const std::filesystem::path &path) {
  MappedFile file = MappedFile::open(path);
  fb::PlanT plan = parse(file.bytes(), path.string());
  std::vector<std::string> violations = validate(plan);
  if (violations.empty())
    return plan;
  std::string message = "'";
  message += path.string() + "': not a valid plan:";
  for (size_t i = 0; i < std::min(violations.size(), kQuoted); ++i)
    message.append("\n  ").append(violations[i]);
  if (violations.size() > kQuoted)
    message.append("\n  and ").append(std::to_string(violations.size() - kQuoted)).append(" more");
  throw Error(message);
}

/// Null elements and missing required parts, which packing would dereference.
static bool isComplete(const fb::PlanT &plan) {
  auto full = [](const auto &tables) {
    return std::all_of(tables.begin(), tables.end(),
                       [](const auto &table) { return table != nullptr; });
  };
  if (!plan.target || !plan.archive || !plan.training || !full(plan.training->groups) ||
      !full(plan.mesh) || !full(plan.arenas) || !full(plan.buffers) || !full(plan.tensors) ||
      !full(plan.kernels) || !full(plan.locations) || !full(plan.programs) ||
      !full(plan.parameters) || !full(plan.module_buffers) || !full(plan.constants))
    return false;
  for (const auto &parameter : plan.parameters)
    if (!full(parameter->states))
      return false;
  for (const auto &program : plan.programs) {
    if (!full(program->scalars) || !full(program->instructions) || !full(program->inputs) ||
        !full(program->outputs))
      return false;
    for (const auto &instruction : program->instructions) {
      if (!instruction->body.value)
        return false;
      if (const fb::CallT *call = instruction->body.AsCall(); call && !full(call->args))
        return false;
    }
  }
  return true;
}

std::vector<std::byte> regimen::plan::serialize(const fb::PlanT &plan) {
  if (!isComplete(plan))
    throw Error("a plan without its required parts cannot be written");
  flatbuffers::FlatBufferBuilder builder(1 << 16);
  fb::FinishPlanBuffer(builder, fb::Plan::Pack(builder, &plan));
  const std::byte *data = reinterpret_cast<const std::byte *>(builder.GetBufferPointer());
  return {data, data + builder.GetSize()};
}

void regimen::plan::write(const fb::PlanT &plan, const std::filesystem::path &path) {
  std::vector<std::byte> bytes = serialize(plan);
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

unsigned regimen::plan::elementBytes(fb::DType dtype) {
  switch (dtype) {
  case fb::DType::F32:
  case fb::DType::I32:
    return 4;
  case fb::DType::F64:
  case fb::DType::I64:
    return 8;
  case fb::DType::F16:
  case fb::DType::BF16:
  case fb::DType::I16:
    return 2;
  case fb::DType::I8:
  case fb::DType::U8:
  case fb::DType::Bool:
    return 1;
  }
  return 0;
}

std::string_view regimen::plan::name(fb::DType dtype) {
  switch (dtype) {
  case fb::DType::F32:
    return "f32";
  case fb::DType::F64:
    return "f64";
  case fb::DType::F16:
    return "f16";
  case fb::DType::BF16:
    return "bf16";
  case fb::DType::I64:
    return "i64";
  case fb::DType::I32:
    return "i32";
  case fb::DType::I16:
    return "i16";
  case fb::DType::I8:
    return "i8";
  case fb::DType::U8:
    return "u8";
  case fb::DType::Bool:
    return "bool";
  }
  return "?";
}

int64_t regimen::plan::numElements(const fb::TensorT &tensor) {
  // Unsigned, because sizes before a zero may be anything.
  uint64_t count = 1;
  for (int64_t size : tensor.sizes)
    count *= static_cast<uint64_t>(size);
  return static_cast<int64_t>(count);
}

bool regimen::plan::isContiguous(const fb::TensorT &tensor) {
  int64_t expected = 1;
  for (size_t i = tensor.sizes.size(); i-- > 0;) {
    if (tensor.sizes[i] == 0)
      return true;
    if (tensor.sizes[i] != 1 && tensor.strides[i] != expected)
      return false;
    expected *= tensor.sizes[i];
  }
  return true;
}
