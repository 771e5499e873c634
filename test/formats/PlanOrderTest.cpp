//===- PlanOrderTest.cpp - The validator against brute force ---------------===//

#include "formats/plan/Plan.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

#include <random>

using namespace regimen;
using namespace regimen::plan;

namespace {
constexpr size_t kInstructions = 14, kWindows = 6;

/// A program over one static buffer: random accesses on random lanes with random events.
fb::PlanT randomProgram(std::mt19937 &random) {
  auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  fb::PlanT plan = samples::samplePlan();
  plan.programs.clear();
  plan.parameters.clear();
  plan.constants.clear();
  plan.buffers.resize(1);
  plan.tensors.clear();
  for (size_t i = 0; i < kWindows; ++i) {
    auto tensor = std::make_unique<fb::TensorT>();
    tensor->sizes = {1 + below(6)};
    tensor->strides = {1};
    tensor->byte_offset = 4 * below(12);
    plan.tensors.push_back(std::move(tensor));
  }
  plan.kernels.resize(1);
  plan.kernels[0]->name = "regimen::touch";
  plan.kernels[0]->mode = fb::KernelMode::Own;

  auto program = std::make_unique<fb::ProgramT>();
  program->name = "random";
  std::vector<uint32_t> recorded;
  for (size_t i = 0; i < kInstructions; ++i) {
    auto instruction = std::make_unique<fb::InstructionT>();
    instruction->lane = static_cast<fb::Lane>(below(3));
    uint32_t kind = below(4);
    if (kind == 0) {
      fb::RecordT record;
      record.event = program->events++;
      recorded.push_back(record.event);
      instruction->body.Set(std::move(record));
    } else if (kind == 1 && !recorded.empty()) {
      fb::WaitT wait;
      wait.event = recorded[below(static_cast<uint32_t>(recorded.size()))];
      instruction->body.Set(std::move(wait));
    } else {
      fb::CallT call;
      call.args.push_back(std::make_unique<fb::ArgT>());
      call.args[0]->kind = fb::ArgKind::Tensor;
      call.args[0]->tensor = below(kWindows);
      if (below(2))
        call.results = {below(kWindows)};
      instruction->body.Set(std::move(call));
    }
    program->instructions.push_back(std::move(instruction));
  }
  plan.programs.push_back(std::move(program));
  return plan;
}

/// Happens-before by transitive closure, every pair of conflicting accesses looked at.
bool isOrdered(const fb::PlanT &plan) {
  const auto &instructions = plan.programs[0]->instructions;
  bool before[kInstructions][kInstructions] = {};
  for (size_t j = 0; j < kInstructions; ++j)
    for (size_t i = 0; i < j; ++i) {
      const fb::RecordT *record = instructions[i]->body.AsRecord();
      const fb::WaitT *wait = instructions[j]->body.AsWait();
      before[i][j] = instructions[i]->lane == instructions[j]->lane ||
                     (record && wait && record->event == wait->event);
    }
  for (size_t k = 0; k < kInstructions; ++k)
    for (size_t i = 0; i < kInstructions; ++i)
      for (size_t j = 0; j < kInstructions; ++j)
        before[i][j] |= before[i][k] && before[k][j];
  auto meet = [&](uint32_t a, uint32_t b) {
    const fb::TensorT &x = *plan.tensors[a], &y = *plan.tensors[b];
    return x.byte_offset < y.byte_offset + 4 * static_cast<uint64_t>(y.sizes[0]) &&
           y.byte_offset < x.byte_offset + 4 * static_cast<uint64_t>(x.sizes[0]);
  };
  for (size_t j = 0; j < kInstructions; ++j)
    for (size_t i = 0; i < j; ++i) {
      const fb::CallT *a = instructions[i]->body.AsCall(), *b = instructions[j]->body.AsCall();
      if (!a || !b || before[i][j])
        continue;
      for (uint32_t written : a->results)
        if (meet(written, b->args[0]->tensor) ||
            (!b->results.empty() && meet(written, b->results[0])))
          return false;
      for (uint32_t written : b->results)
        if (meet(written, a->args[0]->tensor))
          return false;
    }
  return true;
}
} // namespace

TEST(PlanOrder, AgreesWithBruteForce) {
  std::mt19937 random(7);
  size_t ordered = 0;
  constexpr size_t rounds = 5000;
  for (size_t round = 0; round < rounds; ++round) {
    fb::PlanT plan = randomProgram(random);
    bool expected = isOrdered(plan);
    ordered += expected;
    std::vector<std::string> violations = validate(plan);
    ASSERT_EQ(violations.empty(), expected) << "round " << round << "\n"
                                            << (violations.empty() ? print(plan) : violations[0]);
  }
  // The test is worth something only if both answers occur often.
  EXPECT_GT(ordered, rounds / 50);
  EXPECT_LT(ordered, rounds - rounds / 50);
}

TEST(PlanLayout, AgreesWithBruteForce) {
  std::mt19937 random(11);
  size_t disjoint = 0;
  constexpr size_t rounds = 3000;
  for (size_t round = 0; round < rounds; ++round) {
    auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    fb::PlanT plan = samples::samplePlan();
    plan.arenas[1]->bytes = 1 << 12;
    std::vector<fb::BufferT *> added;
    for (size_t i = 0; i < 5; ++i) {
      auto buffer = std::make_unique<fb::BufferT>();
      buffer->arena = 1;
      buffer->program = 1;
      buffer->offset = 64 * below(16);
      buffer->bytes = below(300);
      buffer->first = below(4);
      buffer->last = buffer->first + below(4 - buffer->first);
      added.push_back(buffer.get());
      plan.buffers.push_back(std::move(buffer));
    }
    bool expected = true;
    uint64_t bound = 0;
    for (uint32_t i = 0; i < 4; ++i) {
      uint64_t live = 0;
      for (fb::BufferT *buffer : added)
        if (buffer->first <= i && i <= buffer->last)
          live += buffer->bytes;
      bound = std::max(bound, live);
    }
    plan.programs[1]->lower_bound = bound;
    for (size_t i = 0; i < added.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        expected &= added[i]->last < added[j]->first || added[j]->last < added[i]->first ||
                    added[i]->offset + added[i]->bytes <= added[j]->offset ||
                    added[j]->offset + added[j]->bytes <= added[i]->offset ||
                    added[i]->bytes == 0 || added[j]->bytes == 0;
    disjoint += expected;
    ASSERT_EQ(validate(plan).empty(), expected) << "round " << round << "\n" << print(plan);
  }
  EXPECT_GT(disjoint, rounds / 50);
  EXPECT_LT(disjoint, rounds - rounds / 50);
}
