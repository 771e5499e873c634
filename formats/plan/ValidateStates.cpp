//===- ValidateStates.cpp - Parameters, states, constants ------------------===//

#include "formats/plan/Validator.h"

#include <algorithm>
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

  bool isStatic(uint32_t tensor) const {
    return regimen::plan::isStatic(plan, plan.tensors[tensor]->buffer);
  }

  /// Notes who owns a static tensor's bytes.
  void own(const std::string &name, uint32_t tensor, Kind kind) {
    if (!isStatic(tensor))
      return violations.add(name + ": not in a static buffer");
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
    const fb::TensorT &tensor = *plan.tensors[parameter.tensor];
    if (parameter.gradient == -1) {
      if (!parameter.states.empty())
        violations.add(name + ": has optimizer states but no gradient");
      return;
    }
    if (!parameter.trainable)
      violations.add(name + ": has a gradient but is not trainable");
    uint32_t gradient = static_cast<uint32_t>(parameter.gradient);
    if (plan.tensors[gradient]->sizes != tensor.sizes)
      violations.add(name + ": its gradient has another shape");
    if (isStatic(gradient))
      own("gradient of '" + parameter.name + "'", gradient, Kind::Gradient);
    std::set<std::string> slots;
    for (const auto &state : parameter.states) {
      std::string slot = "state '" + state->slot + "' of '" + parameter.name + "'";
      if (!slots.insert(state->slot).second)
        violations.add(slot + ": named twice");
      own(slot, state->tensor, Kind::State);
      const std::vector<int64_t> &sizes = plan.tensors[state->tensor]->sizes;
      if (!sizes.empty() && sizes != tensor.sizes)
        violations.add(slot + ": has another shape than the parameter");
    }
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
  }

  /// What a program must not write: nothing writes a constant, evaluation no state at all, a
  /// forward no state but the module's buffers, a backward none but the gradients.
  static bool isProtected(const fb::ProgramT &program, Kind kind) {
    if (kind == Kind::Constant || program.role == fb::Role::Evaluation)
      return true;
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
          const Owner *owner = findOwner(access.span, *program);
          if (owner)
            violations.add(describe(plan, *program, i) + ": writes " + owner->name);
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
