//===- PlanValidateTest.cpp - Each mutation of a valid plan is rejected ----===//

#include "formats/plan/Plan.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

#include <functional>

using namespace regimen;
using namespace regimen::plan;

static std::string joined(const std::vector<std::string> &violations) {
  std::string text;
  for (const std::string &violation : violations)
    text += violation + "\n";
  return text;
}

TEST(PlanValidate, AcceptsTheSample) { EXPECT_EQ(joined(validate(samples::samplePlan())), ""); }

namespace {
struct Mutation {
  const char *name;
  std::function<void(fb::PlanT &)> apply;
  const char *message; // part of a violation that must appear
};

// Indices into the sample.
constexpr size_t kMicro = 0, kUpdate = 1, kEvaluate = 2;
constexpr size_t kParams = 0, kGrads = 1, kMoments = 2, kX = 4, kY = 5, kLoss = 6, kScratch = 7;

fb::InstructionT &at(fb::PlanT &plan, size_t program, size_t instruction) {
  return *plan.programs[program]->instructions[instruction];
}
fb::CallT &call(fb::PlanT &plan, size_t program, size_t instruction) {
  return *at(plan, program, instruction).body.AsCall();
}
fb::ArgT &arg(fb::PlanT &plan, fb::ArgKind kind) {
  fb::ArgT &arg = *call(plan, kMicro, 3).args[0];
  arg.kind = kind;
  return arg;
}
/// Turns a wait into something harmless.
void disarm(fb::PlanT &plan, size_t program, size_t instruction) {
  fb::RecordT record;
  record.event = plan.programs[program]->events++;
  at(plan, program, instruction).body.Set(std::move(record));
}

// One mutation a line, whatever its length.
// clang-format off
const Mutation kMutations[] = {
    // Layout.
    {"misaligned", [](auto &p) { p.buffers[kY]->offset = 130; }, "not a multiple of 64"},
    {"overlapping", [](auto &p) { p.buffers[kY]->offset = 64; }, "alive at the same time and overlap"},
    {"overlapping_before", [](auto &p) { p.buffers[kLoss]->offset = 128; },
     "micro_step', instruction 4 (aten::sum for aten.sum, model.py:13)"},
    {"overlapping_static", [](auto &p) { p.buffers[kGrads]->offset = 448; }, "arena 'static'"},
    {"outside_arena", [](auto &p) { p.buffers[kY]->offset = 320; }, "leave the arena"},
    {"arena_too_small", [](auto &p) { p.arenas[0]->bytes = 1599; }, "leave the arena"},
    {"offset_wraps", [](auto &p) { p.buffers[kY]->offset = UINT64_MAX - 63; }, "leave the arena"},
    {"no_such_arena", [](auto &p) { p.buffers[kY]->arena = 9; }, "arena 9 does not exist"},
    {"huge_arena", [](auto &p) { p.arenas[1]->bytes = UINT64_MAX; }, "larger than 128 TiB"},
    {"static_in_work_arena", [](auto &p) { p.buffers[kMoments]->arena = 1; }, "static arenas"},
    {"work_in_static_arena", [](auto &p) { p.buffers[kY]->arena = 0; }, "static arenas"},
    {"lower_bound_low", [](auto &p) { p.programs[kMicro]->lower_bound = 100; }, "lower_bound"},
    {"lower_bound_high", [](auto &p) { p.programs[kMicro]->lower_bound = 1000; }, "lower_bound"},

    // Lifetimes.
    {"dies_early", [](auto &p) { p.buffers[kY]->last = 3; }, "outside its lifetime [3, 3]"},
    {"born_late", [](auto &p) { p.buffers[kX]->first = 1; }, "outside its lifetime [1, 5]"},
    {"lives_longer_than_bytes", [](auto &p) { p.buffers[kY]->last = 5; }, "overlap"},
    {"lifetime_reversed", [](auto &p) { std::swap(p.buffers[kX]->first, p.buffers[kX]->last); },
     "no range"},
    {"lifetime_past_end", [](auto &p) { p.buffers[kLoss]->last = 7; }, "no range"},
    {"scratch_dead", [](auto &p) { p.buffers[kScratch]->first = p.buffers[kScratch]->last = 6; },
     "outside its lifetime"},
    {"other_program", [](auto &p) { call(p, kUpdate, 1).args[1]->tensor = 8; },
     "update', instruction 1 (aten::add_.Tensor for optimizer, model.py:0): touches buffer 4 'x' of program"},
    {"output_dies", [](auto &p) { p.buffers[kLoss]->last = 5; }, "does not live to the end"},
    {"output_unwritten", [](auto &p) { call(p, kMicro, 4).results[0] = 3; }, "is not written, or overwritten"},
    {"output_of_other_program", [](auto &p) { p.programs[kEvaluate]->outputs[0]->tensor = p.programs[kMicro]->outputs[0]->tensor; },
     "of another program"},

    // Order.
    {"wait_dropped", [](auto &p) { disarm(p, kMicro, 2); }, "without waiting for Copy-lane instruction 0"},
    {"wait_dropped_in_evaluation", [](auto &p) { disarm(p, kEvaluate, 2); }, "evaluate', instruction 3"},
    {"record_dropped", [](auto &p) { disarm(p, kMicro, 1); }, "not recorded before"},
    {"record_too_early", [](auto &p) {
       std::swap(p.programs[kMicro]->instructions[0], p.programs[kMicro]->instructions[1]);
       p.buffers[kX]->first = 1;
     }, "without waiting"},
    {"record_on_the_wrong_lane", [](auto &p) { at(p, kMicro, 1).lane = fb::Lane::Comm; }, "without waiting"},
    {"wait_on_the_wrong_lane", [](auto &p) { at(p, kMicro, 2).lane = fb::Lane::Comm; }, "without waiting"},
    {"wait_before_record", [](auto &p) { std::swap(p.programs[kMicro]->instructions[1], p.programs[kMicro]->instructions[2]); },
     "not recorded before"},
    {"recorded_twice", [](auto &p) { fb::RecordT r; at(p, kMicro, 2).body.Set(std::move(r)); }, "a second time"},
    {"event_range", [](auto &p) { p.programs[kMicro]->events = 0; }, "event 0 does not exist"},
    {"lane_range", [](auto &p) { at(p, kMicro, 3).lane = static_cast<fb::Lane>(7); }, "unknown lane"},
    {"load_on_compute", [](auto &p) { at(p, kMicro, 0).lane = fb::Lane::Compute; }, "copy lane"},
    {"calls_swapped", [](auto &p) { std::swap(p.programs[kMicro]->instructions[3], p.programs[kMicro]->instructions[4]); },
     "before anything wrote there"},

    // Initialisation.
    {"load_dropped", [](auto &p) { disarm(p, kMicro, 0); }, "before anything wrote there"},
    {"gradient_unwritten", [](auto &p) { call(p, kMicro, 6).results = {10}; }, "does not write the gradient of 'bias'"},
    {"gradient_read_first", [](auto &p) { call(p, kMicro, 3).args[0]->tensor = 3; }, "before its first contribution"},
    {"reads_scratch_bytes", [](auto &p) { p.buffers[kScratch]->last = 6; call(p, kMicro, 5).scratch = -1;
       p.tensors[10]->buffer = kScratch; call(p, kMicro, 6).args[0]->tensor = 10; }, "before"},

    // Tensors.
    {"tensor_too_large", [](auto &p) { p.tensors[0]->sizes[0] = 1000; }, "do not fit"},
    {"tensor_shifted", [](auto &p) { p.tensors[1]->byte_offset = 508; }, "do not fit"},
    {"tensor_misaligned", [](auto &p) { p.tensors[1]->byte_offset = 255; }, "do not fit"},
    {"negative_size", [](auto &p) { p.tensors[0]->sizes[0] = -1; }, "do not fit"},
    {"negative_stride", [](auto &p) { p.tensors[0]->strides[0] = -2; }, "do not fit"},
    {"overflowing_size", [](auto &p) { p.tensors[0]->sizes[0] = INT64_MAX; }, "do not fit"},
    {"ranks_differ", [](auto &p) { p.tensors[0]->strides.pop_back(); }, "2 sizes and 1 strides"},
    {"dtype_range", [](auto &p) { p.tensors[0]->dtype = static_cast<fb::DType>(99); }, "unknown dtype"},
    {"buffer_range", [](auto &p) { p.tensors[0]->buffer = 99; }, "buffer 99 does not exist"},

    // Calls.
    {"kernel_range", [](auto &p) { call(p, kMicro, 3).kernel = 99; }, "kernel 99 does not exist"},
    {"arg_range", [](auto &p) { call(p, kMicro, 3).args[1]->tensor = 99; }, "argument 1: tensor 99"},
    {"list_range", [](auto &p) { arg(p, fb::ArgKind::TensorList).tensors = {0, -1}; }, "tensor -1"},
    {"optional_list_range", [](auto &p) { arg(p, fb::ArgKind::OptionalTensorList).tensors = {-1, -2}; }, "tensor -2"},
    {"bool_value", [](auto &p) { arg(p, fb::ArgKind::Bool).i = 2; }, "truth value"},
    {"dtype_value", [](auto &p) { arg(p, fb::ArgKind::DType).i = 42; }, "dtype 42"},
    {"register_range", [](auto &p) { call(p, kUpdate, 2).args[2]->i = 2; }, "register 2 does not exist"},
    {"kind_range", [](auto &p) { arg(p, static_cast<fb::ArgKind>(77)); }, "unknown kind"},
    {"result_range", [](auto &p) { call(p, kMicro, 3).results[0] = 99; }, "result tensor 99"},
    {"results_dropped", [](auto &p) { call(p, kMicro, 3).results.clear(); }, "has no results"},
    {"in_place_results", [](auto &p) { call(p, kUpdate, 0).results = {0}; }, "no results of its own"},
    {"results_overlap", [](auto &p) { call(p, kMicro, 6).results = {3, 3}; }, "results 0 and 1 overlap"},
    {"scratch_range", [](auto &p) { call(p, kMicro, 5).scratch = 99; }, "scratch buffer 99"},
    {"kernel_name", [](auto &p) { p.kernels[0]->name = "addmm"; }, "NAMESPACE::NAME"},
    {"kernel_mode", [](auto &p) { p.kernels[0]->mode = fb::KernelMode::Own; }, "mode Own"},
    {"input_range", [](auto &p) { at(p, kMicro, 0).body.AsLoadInput()->input = 1; }, "input 1 does not exist"},
    {"location_range", [](auto &p) { at(p, kMicro, 3).location = 50; }, "location 50"},

    // Programs.
    {"program_twice", [](auto &p) { p.programs[1]->name = "micro_step"; }, "used twice"},
    {"loss_range", [](auto &p) { p.programs[0]->loss = 1; }, "output 1, which does not exist"},
    {"loss_shape", [](auto &p) { p.programs[0]->outputs[0]->tensor = 0; }, "not a single number"},
    {"output_range", [](auto &p) { p.programs[0]->outputs[0]->tensor = 99; }, "output 'loss': tensor"},
    {"program_input_range", [](auto &p) { p.programs[0]->inputs[0]->tensor = 99; }, "input 'x': tensor"},
    {"scalar_operand", [](auto &p) { p.programs[1]->scalars[1]->a = 1; }, "not an earlier register"},
    {"scalar_group", [](auto &p) { p.programs[1]->scalars[0]->group = 1; }, "group 1"},
    {"scalar_kind", [](auto &p) { p.programs[1]->scalars[0]->kind = static_cast<fb::ScalarKind>(50); }, "unknown operation"},
    {"no_first_contribution", [](auto &p) { p.programs[0]->contribution = fb::Contribution::Later; }, "first contribution"},
    {"no_later_contribution", [](auto &p) { p.training->accumulate = 2; }, "accumulate = 2"},
    {"update_contributes", [](auto &p) { p.programs[1]->contribution = fb::Contribution::First; }, "only a micro-step"},
    {"evaluation_writes_state", [](auto &p) { call(p, kEvaluate, 3).results[0] = 4; }, "writes state 'exp_avg' of 'w'"},
    {"evaluation_updates", [](auto &p) { p.programs[1]->role = fb::Role::Evaluation; }, "writes parameter 'w'"},
    {"inference_writes_state", [](auto &p) { p.programs[kEvaluate]->loss = -1; call(p, kEvaluate, 3).results[0] = 4; },
     "writes state 'exp_avg' of 'w'"},
    {"evaluation_takes_a_hyperparameter", [](auto &p) {
       p.programs[kEvaluate]->scalars.push_back(std::make_unique<fb::ScalarOpT>(*p.programs[kUpdate]->scalars[0]));
     }, "evaluate': evaluation takes no hyperparameters"},
    {"evaluation_of_a_caller", [](auto &p) { p.programs[kEvaluate]->inputs[0]->source = fb::InputSource::Argument; },
     "input 'x' does not come from data"},
    {"two_evaluations", [](auto &p) { p.programs.push_back(std::make_unique<fb::ProgramT>(*p.programs[kEvaluate])); },
     "plan: has 2 programs that evaluate a loss"},
    {"constant_written", [](auto &p) { call(p, kUpdate, 0).args[0]->tensor = 6; }, "writes constant 0"},

    // States and the header.
    {"name_twice", [](auto &p) { p.parameters[1]->aliases = {"w"}; }, "'w': the name is used twice"},
    {"shared_bytes", [](auto &p) { p.tensors[1]->byte_offset = 16; }, "share bytes"},
    {"state_shares_bytes", [](auto &p) { p.parameters[1]->states[0]->tensor = 3; }, "share bytes"},
    {"gradient_shape", [](auto &p) { p.parameters[0]->gradient = 3; }, "its gradient has another shape"},
    {"state_shape", [](auto &p) { p.parameters[0]->states[0]->tensor = 5; }, "another shape than the parameter"},
    {"state_without_gradient", [](auto &p) { p.parameters[0]->gradient = -1; }, "no gradient"},
    {"frozen_with_gradient", [](auto &p) { p.parameters[0]->trainable = false; }, "not trainable"},
    {"parameter_in_work", [](auto &p) { p.parameters[0]->tensor = 8; }, "not in a static buffer"},
    {"group_range", [](auto &p) { p.parameters[0]->group = 3; }, "group 3"},
    {"gradient_range", [](auto &p) { p.parameters[0]->gradient = -2; }, "tensor -2"},
    {"constant_bytes", [](auto &p) { p.constants[0]->data.pop_back(); }, "63 bytes of data"},
    {"constant_strided", [](auto &p) { p.tensors[6]->sizes = {2, 8}; p.tensors[6]->strides = {1, 2}; }, "not contiguous"},
    {"version", [](auto &p) { p.version = 7; }, "version 7"},
    {"digest", [](auto &p) { p.archive->directory_sha256 = "abc"; }, "not a SHA-256"},
    {"absolute_path", [](auto &p) { p.archive->relative_path = "/home/me/tiny.pt2"; }, "relative path"},
    {"no_accumulate", [](auto &p) { p.training->accumulate = 0; }, "accumulate is 0"},
    {"negative_clip", [](auto &p) { p.training->clip_grad_norm = -0.5; }, "clip_grad_norm"},
    {"empty_axis", [](auto &p) { p.mesh[0]->size = 0; }, "mesh axis 'dp'"},
    {"missing_part", [](auto &p) { p.training.reset(); }, "a required part is missing"},
    {"missing_element", [](auto &p) { p.tensors[3].reset(); }, "a required part is missing"},
};
// clang-format on

class PlanMutation : public testing::TestWithParam<Mutation> {};
} // namespace

TEST_P(PlanMutation, IsRejected) {
  fb::PlanT plan = samples::samplePlan();
  GetParam().apply(plan);
  std::string violations = joined(validate(plan));
  EXPECT_NE(violations.find(GetParam().message), std::string::npos) << violations;
}

INSTANTIATE_TEST_SUITE_P(All, PlanMutation, testing::ValuesIn(kMutations),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(PlanValidate, OrdersReuseByALaterLoad) {
  // The copy lane overwrites x for a following micro-batch while compute may still read it.
  fb::PlanT plan = samples::samplePlan();
  auto load = std::make_unique<fb::InstructionT>();
  load->lane = fb::Lane::Copy;
  load->body.Set(fb::LoadInputT());
  auto &instructions = plan.programs[kMicro]->instructions;
  instructions.insert(instructions.begin() + 5, std::move(load));
  for (size_t buffer : {kX, kLoss, kScratch})
    ++plan.buffers[buffer]->last;
  ++plan.buffers[kScratch]->first;
  std::string violations = joined(validate(plan));
  EXPECT_NE(violations.find("instruction 5"), std::string::npos) << violations;
  EXPECT_NE(violations.find(
                "writes buffer 4 'x' without waiting for Compute-lane instruction 3, which reads"),
            std::string::npos)
      << violations;
}

TEST(PlanValidate, KnowsWhatInPlaceKernelsOverwrite) {
  // fill_ starts a buffer, add_ needs one that is already filled.
  for (auto [name, valid] :
       {std::pair("aten::fill_.Scalar", true), std::pair("aten::add_.Scalar", false),
        std::pair("aten::_fused_thing", false)}) {
    fb::PlanT plan = samples::samplePlan();
    plan.kernels[1]->name = name;
    plan.kernels[1]->mode = fb::KernelMode::InPlace;
    fb::CallT &sum = call(plan, kMicro, 4);
    sum.args[0]->tensor = sum.results[0];
    sum.results.clear();
    fb::CallT &evaluated = call(plan, kEvaluate, 4);
    evaluated.args[0]->tensor = evaluated.results[0];
    evaluated.results.clear();
    EXPECT_EQ(validate(plan).empty(), valid) << name;
  }
}

TEST(PlanValidate, AModuleBufferMayHaveAnInitialValue) {
  fb::PlanT plan = samples::samplePlan();
  plan.module_buffers.push_back(std::make_unique<fb::ModuleBufferT>());
  plan.module_buffers[0]->name = "running_mean";
  plan.module_buffers[0]->tensor = plan.constants[0]->tensor;
  call(plan, kUpdate, 0).args[0]->tensor = plan.constants[0]->tensor;
  EXPECT_EQ(joined(validate(plan)), "");
}

TEST(PlanValidate, OnlyInferenceMovesModuleBuffers) {
  // A caller's forward without a backward, of a model in training mode, has no loss.
  for (int32_t loss : {-1, 0}) {
    fb::PlanT plan = samples::samplePlan();
    plan.constants.clear();
    plan.module_buffers.push_back(std::make_unique<fb::ModuleBufferT>());
    plan.module_buffers[0]->name = "running_mean";
    plan.module_buffers[0]->tensor = 6;
    call(plan, kUpdate, 0).args[0]->tensor = 2;
    plan.programs[kEvaluate]->loss = loss;
    auto copy = std::make_unique<fb::InstructionT>(at(plan, kUpdate, 0));
    copy->body.AsCall()->args[0]->tensor = 6;
    plan.programs[kEvaluate]->instructions.insert(plan.programs[kEvaluate]->instructions.begin(),
                                                  std::move(copy));
    bool found =
        joined(validate(plan)).find("writes module buffer 'running_mean'") != std::string::npos;
    EXPECT_EQ(found, loss == 0);
  }
}

TEST(PlanValidate, StopsListeningToHopelessPlans) {
  fb::PlanT plan = samples::samplePlan();
  for (int i = 0; i < 5000; ++i) {
    plan.tensors.push_back(std::make_unique<fb::TensorT>());
    plan.tensors.back()->buffer = 12345;
  }
  EXPECT_EQ(validate(plan).size(), 1000u);
}
