//===- PlanSpacesTest.cpp - Plans that use the host's memory ---------------===//
//
// A valid plan with a state on the host, and what the validator must refuse of changed ones.
//
//===----------------------------------------------------------------------===//

#include "formats/plan/Plan.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

#include <functional>

using namespace regimen;
using namespace regimen::plan;

namespace {
// Tensors of the sample.
enum : uint32_t { kState, kOnHost, kOnDevice };

/// A state on the host is touched there, and the result moved to the device.
class Sample {
public:
  fb::PlanT plan = samples::samplePlan();

  Sample() {
    plan.programs.clear();
    plan.parameters.clear();
    plan.constants.clear();
    plan.buffers.clear();
    plan.tensors.clear();
    plan.kernels.resize(2);
    plan.kernels[0]->name = "regimen::touch";
    plan.kernels[1]->name = "regimen::move";
    for (auto &kernel : plan.kernels)
      kernel->mode = fb::KernelMode::Own;
    plan.arenas[0]->space = fb::MemorySpace::Host;
    plan.arenas[0]->bytes = plan.arenas[1]->bytes = 64;
    plan.arenas.push_back(std::make_unique<fb::ArenaT>(*plan.arenas[1]));
    plan.arenas[2]->name = "host_work";
    plan.arenas[2]->space = fb::MemorySpace::Host;
    tensor(0, -1, 0, 0);
    tensor(2, 0, 0, 3);
    tensor(1, 0, 3, 3);
    plan.programs.push_back(std::make_unique<fb::ProgramT>());
    program().name = "update";
    program().role = fb::Role::Update;
    program().events = 1;
    program().lower_bound = 64;
    add(fb::Lane::Compute, call(0, kState, kOnHost));
    add(fb::Lane::Compute, fb::RecordT());
    add(fb::Lane::Copy, fb::WaitT());
    add(fb::Lane::Copy, call(1, kOnHost, kOnDevice));
  }

  fb::ProgramT &program() { return *plan.programs[0]; }
  fb::CallT &touch() { return *program().instructions[0]->body.AsCall(); }
  fb::CallT &move() { return *program().instructions[3]->body.AsCall(); }

private:
  void tensor(uint16_t arena, int32_t owner, uint32_t first, uint32_t last) {
    auto buffer = std::make_unique<fb::BufferT>();
    buffer->arena = arena;
    buffer->bytes = 64;
    buffer->program = owner;
    buffer->first = first;
    buffer->last = last;
    plan.buffers.push_back(std::move(buffer));
    auto made = std::make_unique<fb::TensorT>();
    made->buffer = static_cast<uint32_t>(plan.buffers.size() - 1);
    made->sizes = {16};
    made->strides = {1};
    plan.tensors.push_back(std::move(made));
  }
  static fb::CallT call(uint32_t kernel, uint32_t from, uint32_t to) {
    fb::CallT made;
    made.kernel = kernel;
    made.args.push_back(std::make_unique<fb::ArgT>());
    made.args[0]->kind = fb::ArgKind::Tensor;
    made.args[0]->tensor = from;
    made.results = {to};
    return made;
  }
  template <typename T> void add(fb::Lane lane, T body) {
    auto instruction = std::make_unique<fb::InstructionT>();
    instruction->lane = lane;
    instruction->body.Set(std::move(body));
    program().instructions.push_back(std::move(instruction));
  }
};

/// The validator refuses a changed plan with a message that holds `expected`.
void expectRefusal(const std::function<void(Sample &)> &change, const std::string &expected) {
  Sample sample;
  change(sample);
  std::vector<std::string> violations = validate(sample.plan);
  bool found = false;
  for (const std::string &violation : violations)
    found |= violation.find(expected) != std::string::npos;
  EXPECT_TRUE(found) << expected << (violations.empty() ? "" : "; got: " + violations[0]);
}
} // namespace

TEST(PlanSpaces, AcceptsWorkOnTheHostAndMoves) {
  Sample sample;
  std::vector<std::string> violations = validate(sample.plan);
  EXPECT_TRUE(violations.empty()) << violations[0];
  MemoryReport report = memory(sample.plan);
  EXPECT_EQ(report.predictedPeak, 64u);
  EXPECT_EQ(report.hostPeak, 128u);
}

TEST(PlanSpaces, RefusesCallsThatTouchTwoMemories) {
  expectRefusal([](Sample &sample) { sample.plan.kernels[1]->name = "regimen::copy"; },
                "touches memory of the device and of the host");
  expectRefusal([](Sample &sample) { sample.plan.arenas[0]->space = fb::MemorySpace::Device; },
                "touches memory of the device and of the host");
}

TEST(PlanSpaces, RefusesInputsAndCollectivesOnTheHost) {
  expectRefusal(
      [](Sample &sample) {
        sample.program().inputs.push_back(std::make_unique<fb::InputT>());
        sample.program().inputs[0]->name = "x";
        sample.program().inputs[0]->tensor = kOnHost;
        sample.program().instructions[0]->body.Set(fb::LoadInputT());
        sample.program().instructions[0]->lane = fb::Lane::Copy;
      },
      "touches memory of the host");
}

TEST(PlanSpaces, RefusesBadMoves) {
  expectRefusal([](Sample &sample) { sample.program().instructions[3]->lane = fb::Lane::Compute; },
                "moves on another lane than copy");
  expectRefusal([](Sample &sample) { sample.move().results.push_back(kState); },
                "moves other than one tensor to one");
  expectRefusal([](Sample &sample) { sample.move().args.clear(); },
                "moves other than one tensor to one");
  expectRefusal([](Sample &sample) { sample.plan.arenas[1]->space = fb::MemorySpace::Host; },
                "moves within one memory");
  expectRefusal([](Sample &sample) { sample.plan.tensors[kOnDevice]->sizes = {8}; },
                "moves to a tensor of another shape or type");
  expectRefusal([](Sample &sample) { sample.plan.tensors[kOnDevice]->dtype = fb::DType::I32; },
                "moves to a tensor of another shape or type");
  expectRefusal(
      [](Sample &sample) {
        fb::TensorT &tensor = *sample.plan.tensors[kOnDevice];
        tensor.segment = std::make_unique<fb::ShardPartT>();
        tensor.segment->elements = tensor.segment->shard = 16;
        tensor.segment->place = fb::ShardPlace::Own;
      },
      "moves to a tensor of another shape or type");
}
