//===- PlanSegmentsTest.cpp - Suspended programs: rules and figures --------===//

#include "formats/plan/Plan.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

#include <functional>

using namespace regimen;
using namespace regimen::plan;
using samples::Variant;

namespace {
std::string joined(const std::vector<std::string> &violations) {
  std::string text;
  for (const std::string &violation : violations)
    text += violation + "\n";
  return text;
}

using fb::Contribution;
/// Programs of the plan under test.
enum : size_t { kForward, kInference, kFirst, kLater, kReturned, kRetain };
/// Buffers of it: what all share comes first.
enum : size_t { kW, kB, kGradW, kGradB, kH, kT, kForwardX, kForwardH };
constexpr uint16_t kFrame = 2;

fb::PlanT everything() {
  return samples::suspendedPlan({{.input = true},
                                 {.contribution = Contribution::Later},
                                 {.contribution = Contribution::None},
                                 {.contribution = Contribution::First, .retain = true}});
}

fb::ProgramT &program(fb::PlanT &plan, size_t index) { return *plan.programs[index]; }
fb::CallT &call(fb::PlanT &plan, size_t program, size_t instruction) {
  return *plan.programs[program]->instructions[instruction]->body.AsCall();
}
/// The buffer of a program with this name.
fb::BufferT &buffer(fb::PlanT &plan, size_t program, const std::string &name) {
  for (const auto &buffer : plan.buffers)
    if (buffer->program == static_cast<int32_t>(program) && buffer->name == name)
      return *buffer;
  throw std::out_of_range(name);
}

struct Mutation {
  const char *name;
  std::function<void(fb::PlanT &)> apply;
  const char *message;
};

// One mutation a line, whatever its length.
// clang-format off
const Mutation kMutations[] = {
    // The frame.
    {"saved_overlap", [](auto &p) { p.buffers[kT]->offset = 0; }, "alive at the same time and overlap"},
    {"saved_not_written", [](auto &p) { call(p, kForward, 1).results = call(p, kForward, 0).results; }, "does not write buffer 4 'h', or overwrites it, but a backward reads it"},
    {"temporary_over_saved", [](auto &p) { buffer(p, kFirst, "gt").offset = 0; }, "alive at the same time and overlap"},
    {"temporary_over_saved_of_forward", [](auto &p) { fb::BufferT b = *p.buffers[kH]; b.program = kForward; b.last = 3; b.name = "temporary"; p.buffers.push_back(std::make_unique<fb::BufferT>(b)); program(p, kForward).lower_bound += b.bytes; },
     "alive at the same time and overlap"},
    {"saved_read_after_its_end", [](auto &p) { buffer(p, kFirst, "gh").arena = kFrame; buffer(p, kFirst, "gh").offset = 0; }, "overlap"},
    {"retain_places", [](auto &p) { buffer(p, kRetain, "gt").arena = kFrame; buffer(p, kRetain, "gt").offset = 64; }, "in the frame, which it only reads"},
    {"retain_writes", [](auto &p) { call(p, kRetain, 1).results[0] = call(p, kRetain, 1).args[1]->tensor; }, "of the frame that it must retain"},
    {"inference_in_frame", [](auto &p) { buffer(p, kInference, "h").arena = kFrame; }, "which it does not have"},
    {"inference_reads_frame", [](auto &p) { call(p, kInference, 2).args[0]->tensor = call(p, kForward, 2).args[0]->tensor; }, "which only suspended programs have"},
    {"second_frame", [](auto &p) { p.arenas[3]->memory_class = fb::MemoryClass::Frame; }, "a second arena for frames"},
    {"temporary_without_program", [](auto &p) { buffer(p, kInference, "t").program = -1; }, "belong to no program"},

    // The caller.
    {"caller_bytes", [](auto &p) { p.arenas[4]->bytes = 64; }, "has bytes of its own"},
    {"caller_offset", [](auto &p) { buffer(p, kForward, "x").offset = 64; }, "not at offset 0"},
    {"caller_larger", [](auto &p) { buffer(p, kForward, "x").bytes += 4; }, "is not exactly one tensor"},
    {"caller_unnamed", [](auto &p) { program(p, kForward).inputs.clear(); }, "is no input and no output"},
    {"caller_twice", [](auto &p) { program(p, kForward).outputs[1]->tensor = program(p, kForward).outputs[0]->tensor; }, "of the caller twice"},
    {"caller_of_another", [](auto &p) { program(p, kInference).outputs[1]->tensor = program(p, kForward).outputs[1]->tensor; }, "of another program"},
    {"input_written", [](auto &p) { call(p, kFirst, 0).results[0] = call(p, kFirst, 0).args[0]->tensor; }, "which is the caller's"},
    {"output_unwritten", [](auto &p) { call(p, kForward, 2).results[0] = call(p, kForward, 3).results[0]; }, "is not written, or overwritten"},
    {"input_as_data", [](auto &p) { program(p, kForward).inputs[0]->source = fb::InputSource::Data; }, "is data but in the caller's arena"},
    {"input_not_the_callers", [](auto &p) { program(p, kForward).inputs[0]->tensor = 0; }, "not in the caller's arena"},
    {"output_not_the_callers", [](auto &p) { program(p, kForward).outputs[0]->tensor = 0; }, "is not in the caller's arena"},
    {"input_source", [](auto &p) { program(p, kFirst).inputs[0]->source = static_cast<fb::InputSource>(9); }, "unknown source"},
    {"output_kind", [](auto &p) { program(p, kFirst).outputs[0]->kind = static_cast<fb::OutputKind>(9); }, "unknown kind"},

    // What is resumed.
    {"no_forward", [](auto &p) { program(p, kForward).segment = fb::Segment::Whole; }, "has a backward but no forward"},
    {"two_forwards", [](auto &p) { program(p, kInference).segment = fb::Segment::Forward; program(p, kInference).role = fb::Role::MicroStep; }, "a second forward"},
    {"segment_of_update", [](auto &p) { program(p, kFirst).role = fb::Role::Update; }, "only micro-steps have segments"},
    {"segment_range", [](auto &p) { program(p, kFirst).segment = static_cast<fb::Segment>(7); }, "unknown role, contribution or segment"},
    {"forward_contributes", [](auto &p) { program(p, kForward).contribution = Contribution::Later; }, "contributes to no gradient"},
    {"forward_retains", [](auto &p) { program(p, kForward).retain = true; }, "retains a frame but is no backward"},
    {"local_forward", [](auto &p) { program(p, kForward).local = true; }, "leaves contributions unreduced, but is no backward that makes any"},
    {"local_returned", [](auto &p) { program(p, kReturned).local = true; }, "leaves contributions unreduced, but is no backward that makes any"},
    {"argument_unknown", [](auto &p) { program(p, kFirst).inputs[0]->index = 3; }, "argument 3, which the forward does not have"},
    {"argument_type", [](auto &p) { p.tensors[program(p, kFirst).inputs[0]->tensor]->dtype = fb::DType::I32; }, "another type than the forward's argument"},
    {"output_unknown", [](auto &p) { program(p, kFirst).inputs[2]->index = 3; }, "of output 3, which the forward does not have"},
    {"output_gradient_type", [](auto &p) { p.tensors[program(p, kFirst).inputs[2]->tensor]->dtype = fb::DType::I32; }, "another type than the forward's output"},
    {"output_gradient_missing", [](auto &p) { program(p, kFirst).inputs[2]->source = fb::InputSource::Output; }, "takes no gradient of output 1"},
    {"output_gradient_unnamed", [](auto &p) { program(p, kFirst).gradient_outputs = {0}; }, "not among the gradients in its key"},
    {"gradients_in_disorder", [](auto &p) { std::swap(program(p, kFirst).inputs[1]->index, program(p, kFirst).inputs[2]->index); }, "does not come in ascending order"},
    {"resumed_by_forward", [](auto &p) { program(p, kForward).inputs[0]->source = fb::InputSource::Output; }, "the program is no backward"},
    {"value_of_backward", [](auto &p) { program(p, kFirst).outputs[0]->kind = fb::OutputKind::Value; }, "a backward gives gradients"},
    {"gradient_of_forward", [](auto &p) { program(p, kForward).outputs[0]->kind = fb::OutputKind::ArgumentGradient; }, "is a gradient, but the program is no backward"},
    {"output_place", [](auto &p) { program(p, kForward).outputs[0]->index = 1; }, "has index 1 at place 0"},
    {"argument_gradient_unwanted", [](auto &p) { program(p, kFirst).wanted_arguments.clear(); }, "not among the wanted arguments"},
    {"argument_gradient_type", [](auto &p) { p.tensors[program(p, kFirst).outputs[0]->tensor]->dtype = fb::DType::I32; }, "another type than its argument"},
    {"parameter_gradient_unwanted", [](auto &p) { program(p, kReturned).wanted_parameters = {0}; program(p, kReturned).gradients = {}; }, "not among the wanted parameters"},
    {"parameter_gradient_type", [](auto &p) { p.tensors[program(p, kReturned).outputs[0]->tensor]->dtype = fb::DType::I32; }, "another type than its parameter"},
    {"parameter_gradient_twice", [](auto &p) { program(p, kReturned).outputs[1]->index = 0; }, "does not come in ascending order"},
    {"handed_out_and_kept", [](auto &p) { program(p, kReturned).contribution = Contribution::Later; }, "is handed out, but the backward contributes"},
    {"dependence_range", [](auto &p) { program(p, kForward).outputs[0]->arguments = {1}; }, "depends on arguments that are not ascending indices below 1"},
    {"parameter_dependence_range", [](auto &p) { program(p, kForward).outputs[0]->parameters = {1, 0}; }, "depends on parameters that are not ascending"},
    {"dependence_of_backward", [](auto &p) { program(p, kFirst).outputs[0]->arguments = {0}; }, "not of a forward"},

    // Keys and gradients.
    {"same_key", [](auto &p) { program(p, kRetain).retain = false; program(p, kRetain).wanted_arguments = {0}; }, "a second backward for the same"},
    {"key_range", [](auto &p) { program(p, kFirst).wanted_parameters = {0, 2}; }, "wanted parameters are not ascending indices below 2"},
    {"key_order", [](auto &p) { program(p, kFirst).gradient_outputs = {1, 0}; }, "outputs with gradients are not ascending"},
    {"key_arguments", [](auto &p) { program(p, kFirst).wanted_arguments = {0, 0}; }, "wanted arguments are not ascending"},
    {"key_of_forward", [](auto &p) { program(p, kForward).gradient_outputs = {0}; }, "has the key of a variant"},
    {"no_gradient_at_all", [](auto &p) { program(p, kFirst).gradient_outputs = {}; }, "no output brings a gradient"},
    {"gradients_range", [](auto &p) { program(p, kFirst).gradients = {0, 5}; }, "gradients are not ascending indices below 2"},
    {"gradients_unwanted", [](auto &p) { program(p, kFirst).wanted_parameters = {0}; }, "which is not wanted"},
    {"kept_argument_missing", [](auto &p) { program(p, kForward).kept_arguments = {}; }, "is an argument that the forward does not keep"},
    {"kept_output_missing", [](auto &p) { program(p, kFirst).inputs[0]->source = fb::InputSource::Output; }, "is an output that the forward does not keep"},
    {"kept_arguments_range", [](auto &p) { program(p, kForward).kept_arguments = {0, 7}; }, "kept arguments are not ascending indices below 1"},
    {"kept_outputs_range", [](auto &p) { program(p, kForward).kept_outputs = {1, 0}; }, "kept outputs are not ascending indices below 2"},
    {"kept_by_backward", [](auto &p) { program(p, kFirst).kept_outputs = {0}; }, "keeps what it is given or gives, but is no forward"},
    {"gradients_of_inference", [](auto &p) { program(p, kInference).gradients = {0}; }, "neither a backward nor an update"},
    {"gradient_that_is_none", [](auto &p) { p.parameters[1]->gradient = -1; }, "the gradient of 'b', which has none"},
    {"gradient_unwritten", [](auto &p) { program(p, kFirst).instructions.erase(program(p, kFirst).instructions.begin() + 3); for (auto &b : p.buffers) if (b->program == kFirst) --b->last; }, "does not write the gradient of 'b'"},
    {"gradient_unnamed", [](auto &p) { program(p, kFirst).gradients = {0}; }, "writes the gradient of 'b', to which it does not contribute"},
    {"returned_writes", [](auto &p) { call(p, kReturned, 2).results[0] = kGradW; }, "writes the gradient of 'w', to which it does not contribute"},
    {"first_reads_gradient", [](auto &p) { call(p, kFirst, 0).args[0]->tensor = kGradW; }, "before its first contribution"},
    {"backward_writes_parameter", [](auto &p) { call(p, kFirst, 2).results[0] = kW; }, "writes parameter 'w'"},
    {"forward_writes_parameter", [](auto &p) { call(p, kForward, 2).results[0] = kW; }, "writes parameter 'w'"},
    {"flag_outside_later", [](auto &p) { program(p, kLater).contribution = Contribution::First; }, "makes no later contribution"},
    {"flag_of_a_shared_group", [](auto &p) { p.parameters[0]->group = 1; }, "the group is not one parameter's"},
};
// clang-format on

class SegmentMutation : public testing::TestWithParam<Mutation> {};
} // namespace

TEST(PlanSegments, AcceptsTheSamples) {
  EXPECT_EQ(joined(validate(everything())), "");
  EXPECT_EQ(joined(validate(samples::suspendedPlan({}))), "");
  EXPECT_EQ(joined(validate(samples::suspendedPlan(
                {{.outputs = {1}, .parameters = {1}, .contribution = Contribution::Later}}))),
            "");
  EXPECT_EQ(joined(validate(samples::suspendedUpdate({0, 1}))), "");
  EXPECT_EQ(joined(validate(samples::suspendedUpdate({1}))), "");
}

TEST_P(SegmentMutation, IsRejected) {
  fb::PlanT plan = everything();
  GetParam().apply(plan);
  std::string violations = joined(validate(plan));
  EXPECT_NE(violations.find(GetParam().message), std::string::npos) << violations;
}

INSTANTIATE_TEST_SUITE_P(All, SegmentMutation, testing::ValuesIn(kMutations),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(PlanSegments, AConsumedFrameMayBeOverwritten) {
  // The gradient of tanh into the saved tanh itself, through the frame's own buffer.
  fb::PlanT plan = everything();
  fb::CallT &tanh = call(plan, kFirst, 1);
  uint32_t saved = tanh.args[1]->tensor, before = tanh.results[0];
  tanh.results[0] = saved;
  for (auto &instruction : program(plan, kFirst).instructions)
    for (auto &arg : instruction->body.AsCall()->args)
      if (arg->kind == fb::ArgKind::Tensor && arg->tensor == before)
        arg->tensor = saved;
  EXPECT_EQ(joined(validate(plan)), "");
}

TEST(PlanSegments, ALocalVariantIsAnotherVariant) {
  fb::PlanT plan = everything();
  program(plan, kRetain).local = true;
  EXPECT_EQ(joined(validate(plan)), "");
  EXPECT_NE(print(plan).find("micro_step backward first retain local"), std::string::npos);
  EXPECT_TRUE(parse(serialize(plan), "x").programs[kRetain]->local);
}

TEST(PlanSegments, ReturnedGradientsAreWhole) {
  fb::PlanT plan = everything();
  auto tensor = std::make_unique<fb::TensorT>(*plan.tensors[kB]);
  tensor->segment = std::make_unique<fb::ShardPartT>();
  tensor->segment->elements = tensor->segment->shard = 2;
  tensor->segment->place = fb::ShardPlace::Shard;
  plan.parameters[1]->tensor = static_cast<uint32_t>(plan.tensors.size());
  plan.parameters[1]->sizes = {2};
  plan.tensors.push_back(std::move(tensor));
  EXPECT_EQ(joined(validate(plan)), "");
  plan.parameters[1]->sizes = {1, 2};
  EXPECT_NE(joined(validate(plan)).find("another type than its parameter"), std::string::npos);
}

TEST(PlanSegments, SurviveAFile) {
  fb::PlanT plan = everything();
  std::string text = print(plan);
  EXPECT_EQ(print(parse(serialize(plan), "x")), text);
  for (const char *part :
       {"arena 2 \"frame\" frame device 128 bytes", "\"forward\" micro_step forward events 0",
        "micro_step backward first retain", "gradient_outputs [0, 1]", "wanted_arguments [0]",
        "output \"y\" t8<4x2xf32>@b8 value 1 of arguments [0] of parameters [0, 1]",
        "output_gradient 1", "argument_gradient 0", "parameter_gradient 1",
        "hyper has_gradient group 1"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(PlanSegments, FramesCountAsOftenAsTheyAreAllowed) {
  fb::PlanT plan = everything();
  MemoryReport one = memory(plan);
  EXPECT_EQ(one.frames, 1u);
  EXPECT_EQ(one.frameBytes, 128u);
  EXPECT_EQ(one.predictedPeak, 512u + 512u + 128u + 256u);
  EXPECT_EQ(one.staticBytes, 24u + 8u + 24u + 8u);
  // retain: gt and gh, 64 bytes; inference: h and t.
  EXPECT_EQ(one.lowerBound, one.staticBytes + 64u + one.programs[kLater].peakBytes);
  for (const char *config : {R"({"memory.frames": 3})", R"({"memory": {"frames": 3}})"}) {
    plan.config = config;
    MemoryReport three = memory(plan);
    EXPECT_EQ(three.frames, 3u);
    EXPECT_EQ(three.predictedPeak, one.predictedPeak + 2 * 128u);
    EXPECT_EQ(three.categories[3], one.categories[3] + 2 * 64u);
  }
  plan.config = R"({"memory.frames": "auto"})";
  EXPECT_EQ(memory(plan).frames, 1u);
}
