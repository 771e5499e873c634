//===- ValidateStates.cpp - Parameters, states, constants ------------------===//

#include "formats/plan/Validator.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

using namespace regimen;
using namespace regimen::plan;

namespace {
class StateChecker {
public:
  StateChecker(const fb::PlanT &plan, Violations &violations)
      : plan(plan), violations(violations) {}

  void run() {
    for (const auto &parameter : plan.parameters)
      checkParameter(*parameter);
    for (const auto &buffer : plan.module_buffers) {
      checkName(buffer->name);
      initialised.insert(buffer->tensor);
      own("module buffer '" + buffer->name + "'", buffer->tensor, Kind::ModuleBuffer);
    }
    for (size_t i = 0; i < plan.constants.size(); ++i)
      checkConstant("constant " + std::to_string(i), *plan.constants[i]);
    checkSeparate();
    checkWrites();
  }

private:
  enum class Kind { Parameter, Gradient, State, ModuleBuffer, Constant };
  struct Owner {
    std::string name;
    Span span;
    uint16_t arena;
    Kind kind;
  };
  /// One whose segments lie in shards of a bucket: [begin, end) are bytes of the whole bucket.
  struct ShardedOwner {
    std::string name;
    uint64_t begin, end;
    Kind kind;
  };

  bool isStatic(uint32_t tensor) const {
    return regimen::plan::isStatic(plan, plan.tensors[tensor]->buffer);
  }

  /// Notes who owns a static tensor's bytes.
  void own(const std::string &name, uint32_t tensor, Kind kind) {
    if (!isStatic(tensor))
      return violations.add(name + ": not in a static buffer");
    if (const auto &segment = plan.tensors[tensor]->segment;
        segment && segment->place == fb::ShardPlace::Shard) {
      uint64_t width = elementBytes(plan.tensors[tensor]->dtype);
      sharded[plan.tensors[tensor]->buffer].push_back(
          {name, segment->begin * width, (segment->begin + segment->elements) * width, kind});
      return;
    }
    Span span = spanOf(plan, tensor);
    if (!span.empty())
      owners.push_back({name, span, plan.buffers[span.buffer]->arena, kind});
  }

  void checkName(const std::string &name) {
    if (!names.insert(name).second)
      violations.add("'" + name + "': the name is used twice");
  }

  void checkParameter(const fb::ParameterT &parameter) {
    std::string name = "parameter '";
    name += parameter.name + "'";
    checkName(parameter.name);
    for (const std::string &alias : parameter.aliases)
      checkName(alias);
    own(name, parameter.tensor, Kind::Parameter);
    const std::vector<int64_t> &sizes = plan.tensors[parameter.tensor]->segment
                                            ? parameter.sizes
                                            : plan.tensors[parameter.tensor]->sizes;
    if (!fits(parameter.tensor, sizes))
      violations.add(name + ": its sizes are not those of its tensor");
    if (parameter.gradient == -1) {
      if (!parameter.states.empty())
        violations.add(name + ": has optimizer states but no gradient");
      return;
    }
    if (!parameter.trainable)
      violations.add(name + ": has a gradient but is not trainable");
    uint32_t gradient = static_cast<uint32_t>(parameter.gradient);
    if (!fits(gradient, sizes))
      violations.add(name + ": its gradient has another shape");
    if (isStatic(gradient))
      own("gradient of '" + parameter.name + "'", gradient, Kind::Gradient);
    std::set<std::string> slots;
    for (const auto &state : parameter.states) {
      std::string slot = "state '" + state->slot + "' of '" + parameter.name + "'";
      if (!slots.insert(state->slot).second)
        violations.add(slot + ": named twice");
      own(slot, state->tensor, Kind::State);
      if (!plan.tensors[state->tensor]->sizes.empty() && !fits(state->tensor, sizes))
        violations.add(slot + ": has another shape than the parameter");
    }
  }

  /// Whether a tensor has these sizes, or is a segment of one that has.
  bool fits(uint32_t tensor, const std::vector<int64_t> &sizes) const {
    const auto &segment = plan.tensors[tensor]->segment;
    if (!segment)
      return plan.tensors[tensor]->sizes == sizes;
    uint64_t elements = 1;
    for (int64_t size : sizes)
      if (size < 0 || __builtin_mul_overflow(elements, static_cast<uint64_t>(size), &elements))
        return false;
    return elements == segment->elements;
  }

  void checkConstant(const std::string &name, const fb::ConstantT &constant) {
    // Of a module buffer it is the initial value, and programs may write there.
    if (!initialised.contains(constant.tensor))
      own(name, constant.tensor, Kind::Constant);
    const fb::TensorT &tensor = *plan.tensors[constant.tensor];
    Span span = spanOf(plan, constant.tensor);
    if (!isContiguous(tensor))
      violations.add(name + ": not contiguous");
    else if (constant.data.size() != span.end - span.begin)
      violations.add(name + ": has " + std::to_string(constant.data.size()) +
                     " bytes of data, its tensor " + std::to_string(span.end - span.begin));
  }

  void checkSeparate() {
    std::sort(owners.begin(), owners.end(), [](const Owner &a, const Owner &b) {
      return std::tie(a.arena, a.span.begin, a.span.end) <
             std::tie(b.arena, b.span.begin, b.span.end);
    });
    for (size_t i = 1; i < owners.size(); ++i)
      if (owners[i - 1].arena == owners[i].arena && owners[i - 1].span.overlaps(owners[i].span))
        violations.add(owners[i - 1].name + " and " + owners[i].name + " share bytes");
    for (auto &[buffer, list] : sharded) {
      std::sort(list.begin(), list.end(), [](const ShardedOwner &a, const ShardedOwner &b) {
        return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
      });
      for (size_t i = 1; i < list.size(); ++i)
        if (list[i - 1].end > list[i].begin)
          violations.add(list[i - 1].name + " and " + list[i].name + " share bytes");
      Span shard = spanOfBuffer(plan, buffer);
      for (const Owner &owner : owners)
        if (owner.arena == plan.buffers[buffer]->arena && owner.span.overlaps(shard))
          violations.add(owner.name + " and " + list.front().name + " share bytes");
    }
  }

  /// What a program must not write: nothing writes a constant, the evaluation of a loss no state at
  /// all, a forward no state but the module's buffers, without or with a backward, a backward none
  /// but the gradients.
  static bool isProtected(const fb::ProgramT &program, Kind kind) {
    if (kind == Kind::Constant)
      return true;
    if (program.role == fb::Role::Evaluation)
      return program.loss >= 0 || kind != Kind::ModuleBuffer;
    if (program.segment == fb::Segment::Forward)
      return kind != Kind::ModuleBuffer;
    return program.segment == fb::Segment::Backward && kind != Kind::Gradient;
  }

  void checkWrites() {
    for (const auto &program : plan.programs)
      for (size_t i = 0; i < program->instructions.size(); ++i)
        for (const Access &access : accesses(plan, *program, *program->instructions[i])) {
          if (!access.write || access.span.empty() ||
              !regimen::plan::isStatic(plan, access.span.buffer))
            continue;
          if (const Owner *owner = findOwner(access.span, *program))
            violations.add(describe(plan, *program, i) + ": writes " + owner->name);
          if (auto list = sharded.find(access.span.buffer); list != sharded.end())
            for (const ShardedOwner &owner : list->second)
              if (isProtected(*program, owner.kind)) {
                violations.add(describe(plan, *program, i) + ": writes " + owner.name);
                break;
              }
        }
  }

  /// First owner of protected bytes that a span meets.
  const Owner *findOwner(const Span &span, const fb::ProgramT &program) const {
    uint16_t arena = plan.buffers[span.buffer]->arena;
    auto it = std::partition_point(owners.begin(), owners.end(), [&](const Owner &owner) {
      return std::tie(owner.arena, owner.span.end) <= std::tie(arena, span.begin);
    });
    for (; it != owners.end() && it->arena == arena && it->span.begin < span.end; ++it)
      if (isProtected(program, it->kind))
        return &*it;
    return nullptr;
  }

  const fb::PlanT &plan;
  Violations &violations;
  std::set<std::string> names;
  std::set<uint32_t> initialised; // tensors of module buffers
  std::vector<Owner> owners;
  std::map<uint32_t, std::vector<ShardedOwner>> sharded; // by buffer
};
} // namespace

std::vector<std::pair<Span, std::string>> regimen::plan::staticGradients(const fb::PlanT &plan) {
  std::vector<std::pair<Span, std::string>> gradients;
  for (const auto &parameter : plan.parameters) {
    if (parameter->gradient == -1)
      continue;
    Span span = spanOf(plan, static_cast<uint32_t>(parameter->gradient));
    if (isStatic(plan, span.buffer) && !span.empty())
      gradients.emplace_back(span, parameter->name);
  }
  return gradients;
}

void regimen::plan::validateStates(const fb::PlanT &plan, Violations &violations) {
  StateChecker(plan, violations).run();
}
