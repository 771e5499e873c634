//===- ValidateSegments.cpp - Forwards, backwards and their callers --------===//

#include "formats/plan/Validator.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

using namespace regimen;
using namespace regimen::plan;

namespace {
class SegmentChecker {
public:
  SegmentChecker(const fb::PlanT &plan, Violations &violations)
      : plan(plan), violations(violations) {}

  void run() {
    findForward();
    for (size_t i = 0; i < plan.programs.size(); ++i) {
      program = plan.programs[i].get();
      index = static_cast<int32_t>(i);
      checkSegment();
      checkKey();
      checkInputs();
      checkOutputs();
      checkCallerBuffers();
      checkHasGradient();
    }
  }

private:
  void fail(const std::string &what) { violations.add("program '" + program->name + "': " + what); }
  bool isBackward() const { return program->segment == fb::Segment::Backward; }

  void findForward() {
    size_t backwards = 0;
    for (const auto &each : plan.programs) {
      backwards += each->segment == fb::Segment::Backward;
      if (each->segment != fb::Segment::Forward)
        continue;
      if (forward)
        violations.add("program '" + each->name + "': a second forward beside '" + forward->name +
                       "'");
      forward = each.get();
    }
    if (backwards > 0 && !forward)
      violations.add("plan: has a backward but no forward");
  }

  void checkSegment() {
    if (program->segment != fb::Segment::Whole && program->role != fb::Role::MicroStep)
      fail("only micro-steps have segments");
    if (program->segment == fb::Segment::Forward && program->contribution != fb::Contribution::None)
      fail("a forward contributes to no gradient");
    if (program->retain && !isBackward())
      fail("retains a frame but is no backward");
    if (program->local && (!isBackward() || program->contribution == fb::Contribution::None))
      fail("leaves contributions unreduced, but is no backward that makes any");
    if (isBackward() && !variants
                             .emplace(program->gradient_outputs, program->wanted_arguments,
                                      program->wanted_parameters, program->contribution,
                                      program->retain, program->local)
                             .second)
      fail("a second backward for the same outputs, arguments, parameters and contribution");
    for (uint32_t i = 0; i < plan.buffers.size(); ++i)
      if (plan.buffers[i]->program == index && memoryClass(plan, i) == fb::MemoryClass::Frame &&
          (program->segment == fb::Segment::Whole || program->retain))
        fail("places buffer " + std::to_string(i) + " '" + plan.buffers[i]->name +
             "' in the frame, which it " + (program->retain ? "only reads" : "does not have"));
  }

  /// Ascending and below `end`.
  void checkList(const char *what, const std::vector<uint32_t> &list, size_t end) {
    for (size_t i = 0; i < list.size(); ++i)
      if (list[i] >= end || (i > 0 && list[i - 1] >= list[i]))
        return fail(std::string(what) + " are not ascending indices below " + std::to_string(end));
  }
  static bool contains(const std::vector<uint32_t> &list, uint32_t value) {
    return std::binary_search(list.begin(), list.end(), value);
  }

  void checkKey() {
    size_t parameters = plan.parameters.size();
    checkList("gradients", program->gradients, parameters);
    for (uint32_t i : program->gradients)
      if (i < parameters && plan.parameters[i]->gradient == -1)
        fail("names the gradient of '" + plan.parameters[i]->name + "', which has none");
    if (program->segment == fb::Segment::Forward) {
      checkList("kept arguments", program->kept_arguments, argumentsEnd());
      checkList("kept outputs", program->kept_outputs, program->outputs.size());
    } else if (!program->kept_arguments.empty() || !program->kept_outputs.empty()) {
      fail("keeps what it is given or gives, but is no forward");
    }
    if (!isBackward()) {
      if (!program->gradient_outputs.empty() || !program->wanted_arguments.empty() ||
          !program->wanted_parameters.empty())
        fail("has the key of a variant but is no backward");
      if (program->role != fb::Role::Update && !program->gradients.empty())
        fail("names gradients but is neither a backward nor an update");
      return;
    }
    if (!forward)
      return;
    checkList("outputs with gradients", program->gradient_outputs, forward->outputs.size());
    checkList("wanted arguments", program->wanted_arguments, argumentsEnd());
    checkList("wanted parameters", program->wanted_parameters, parameters);
    if (program->gradient_outputs.empty())
      fail("no output brings a gradient");
    for (uint32_t i : program->gradients)
      if (!contains(program->wanted_parameters, i))
        fail("contributes to the gradient of parameter " + std::to_string(i) +
             ", which is not wanted");
  }

  size_t argumentsEnd() const {
    size_t end = 0;
    for (const auto &input : forward->inputs)
      end = std::max(end, size_t{input->index} + 1);
    return end;
  }

  bool isCallers(uint32_t tensor) const {
    return memoryClass(plan, plan.tensors[tensor]->buffer) == fb::MemoryClass::Caller;
  }
  bool sameType(uint32_t a, uint32_t b) const {
    return plan.tensors[a]->dtype == plan.tensors[b]->dtype &&
           plan.tensors[a]->sizes == plan.tensors[b]->sizes;
  }

  /// Whether a gradient has the type of the whole parameter.
  bool fits(const fb::ParameterT &parameter, const fb::OutputT &output) const {
    const fb::TensorT &tensor = *plan.tensors[parameter.tensor];
    const fb::TensorT &gradient = *plan.tensors[output.tensor];
    return gradient.dtype == tensor.dtype &&
           gradient.sizes == (tensor.segment ? parameter.sizes : tensor.sizes);
  }

  void checkInputs() {
    std::map<fb::InputSource, uint32_t> last;
    for (const auto &input : program->inputs) {
      std::string where = "input '" + input->name + "' ";
      bool data = input->source == fb::InputSource::Data;
      if (data == isCallers(input->tensor))
        fail(where + (data ? "is data but in the caller's arena"
                           : "is the caller's but not in the caller's arena"));
      if (data) {
        if (program->segment != fb::Segment::Whole)
          fail(where + "is data, which a suspended program does not load");
        continue;
      }
      auto [seen, fresh] = last.emplace(input->source, input->index);
      if (!fresh && std::exchange(seen->second, input->index) >= input->index)
        fail(where + "does not come in ascending order");
      if (isBackward())
        checkResumed(where, *input);
      else if (input->source != fb::InputSource::Argument)
        fail(where + "comes from a forward, but the program is no backward");
    }
    if (isBackward())
      for (uint32_t output : program->gradient_outputs)
        if (std::none_of(program->inputs.begin(), program->inputs.end(), [&](const auto &input) {
              return input->source == fb::InputSource::OutputGradient && input->index == output;
            }))
          fail("takes no gradient of output " + std::to_string(output) + ", which its key names");
  }

  /// An input of a backward is what the forward was given or gave.
  void checkResumed(const std::string &where, const fb::InputT &input) {
    if (!forward)
      return;
    if (input.source == fb::InputSource::Argument) {
      for (const auto &given : forward->inputs) {
        if (given->index != input.index)
          continue;
        if (!sameType(given->tensor, input.tensor))
          fail(where + "has another type than the forward's argument");
        if (!contains(forward->kept_arguments, input.index))
          fail(where + "is an argument that the forward does not keep");
        return;
      }
      return fail(where + "is argument " + std::to_string(input.index) +
                  ", which the forward does not have");
    }
    if (input.index >= forward->outputs.size())
      return fail(where + "is of output " + std::to_string(input.index) +
                  ", which the forward does not have");
    if (!sameType(forward->outputs[input.index]->tensor, input.tensor))
      fail(where + "has another type than the forward's output");
    if (input.source == fb::InputSource::Output && !contains(forward->kept_outputs, input.index))
      fail(where + "is an output that the forward does not keep");
    if (input.source == fb::InputSource::OutputGradient &&
        !contains(program->gradient_outputs, input.index))
      fail(where + "is not among the gradients in its key");
  }

  void checkOutputs() {
    std::map<fb::OutputKind, uint32_t> last;
    for (size_t i = 0; i < program->outputs.size(); ++i) {
      const fb::OutputT &output = *program->outputs[i];
      std::string where = "output '" + output.name + "' ";
      bool callers = isCallers(output.tensor);
      if (program->segment != fb::Segment::Whole && !callers)
        fail(where + "is not in the caller's arena");
      if (program->segment != fb::Segment::Forward &&
          (!output.arguments.empty() || !output.parameters.empty()))
        fail(where + "says what it depends on, but is not of a forward");
      if (program->segment == fb::Segment::Forward) {
        checkList((where + "depends on arguments that").c_str(), output.arguments, argumentsEnd());
        checkList((where + "depends on parameters that").c_str(), output.parameters,
                  plan.parameters.size());
      }
      if (!isBackward()) {
        if (output.kind != fb::OutputKind::Value)
          fail(where + "is a gradient, but the program is no backward");
        else if (callers && output.index != i)
          fail(where + "has index " + std::to_string(output.index) + " at place " +
               std::to_string(i));
        continue;
      }
      auto [seen, fresh] = last.emplace(output.kind, output.index);
      if (!fresh && std::exchange(seen->second, output.index) >= output.index)
        fail(where + "does not come in ascending order");
      checkGradient(where, output);
    }
  }

  void checkGradient(const std::string &where, const fb::OutputT &output) {
    if (!forward)
      return;
    switch (output.kind) {
    case fb::OutputKind::Value:
      return fail(where + "is a value, but a backward gives gradients");
    case fb::OutputKind::ArgumentGradient:
      if (!contains(program->wanted_arguments, output.index))
        return fail(where + "is not among the wanted arguments");
      for (const auto &given : forward->inputs)
        if (given->index == output.index && !sameType(given->tensor, output.tensor))
          fail(where + "has another type than its argument");
      return;
    case fb::OutputKind::ParameterGradient:
      if (program->contribution != fb::Contribution::None)
        fail(where + "is handed out, but the backward contributes to the gradients");
      if (!contains(program->wanted_parameters, output.index))
        return fail(where + "is not among the wanted parameters");
      if (output.index < plan.parameters.size() && !fits(*plan.parameters[output.index], output))
        fail(where + "has another type than its parameter");
    }
  }

  /// Each of the caller's buffers is one tensor that an input or output names.
  void checkCallerBuffers() {
    std::map<uint32_t, uint32_t> named; // buffer to tensor
    auto name = [&](uint32_t tensor) {
      uint32_t buffer = plan.tensors[tensor]->buffer;
      if (!isCallers(tensor))
        return;
      if (plan.buffers[buffer]->program != index)
        return fail("takes or gives buffer " + std::to_string(buffer) + " of another program");
      if (!named.emplace(buffer, tensor).second)
        return fail("takes or gives buffer " + std::to_string(buffer) + " of the caller twice");
      auto span = extent(*plan.tensors[tensor], plan.buffers[buffer]->bytes);
      if (!span || span->first != 0 || span->second != plan.buffers[buffer]->bytes)
        fail("buffer " + std::to_string(buffer) + " of the caller is not exactly one tensor");
    };
    for (const auto &input : program->inputs)
      name(input->tensor);
    for (const auto &output : program->outputs)
      name(output->tensor);
    for (uint32_t i = 0; i < plan.buffers.size(); ++i)
      if (plan.buffers[i]->program == index && memoryClass(plan, i) == fb::MemoryClass::Caller &&
          !named.contains(i))
        fail("buffer " + std::to_string(i) + " '" + plan.buffers[i]->name +
             "' of the caller is no input and no output");
  }

  void checkHasGradient() {
    for (const auto &op : program->scalars) {
      if (op->kind != fb::ScalarKind::Hyper || op->hyper != fb::Hyper::HasGradient)
        continue;
      if (!isBackward() || program->contribution != fb::Contribution::Later)
        fail("asks for gradients that exist already, but makes no later contribution");
      if (std::count_if(plan.parameters.begin(), plan.parameters.end(),
                        [&](const auto &parameter) { return parameter->group == op->group; }) != 1)
        fail("asks whether the one parameter of group " + std::to_string(op->group) +
             " has a gradient, but the group is not one parameter's");
    }
  }

  using Variant = std::tuple<std::vector<uint32_t>, std::vector<uint32_t>, std::vector<uint32_t>,
                             fb::Contribution, bool, bool>;

  const fb::PlanT &plan;
  Violations &violations;
  const fb::ProgramT *forward = nullptr, *program = nullptr;
  int32_t index = 0; // of program
  std::set<Variant> variants;
};
} // namespace

void regimen::plan::validateSegments(const fb::PlanT &plan, Violations &violations) {
  SegmentChecker(plan, violations).run();
}
