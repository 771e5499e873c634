//===- PlanReductionsTest.cpp - What backwards of several ranks reduce ----===//
//
// The sample of suspended programs on two ranks: w and b share a bucket, at offsets 0 and 64.
//
//===----------------------------------------------------------------------===//

#include "formats/plan/Plan.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

#include <functional>

using namespace regimen;
using namespace regimen::plan;
using fb::Contribution;

namespace {
constexpr uint64_t kShard = 256, kElements = 2 * kShard;
/// Programs, and buffers of the sample that all share.
enum : size_t { kForward, kInference, kBackward };
enum : uint32_t { kGradW = 2, kGradB = 3 };
constexpr uint16_t kGrads = 1, kFrame = 2, kWork = 3;

class Sample {
public:
  fb::PlanT plan;

  explicit Sample(uint8_t stage, Contribution contribution = Contribution::First)
      : plan(samples::suspendedPlan({{.contribution = Contribution::First}})) {
    plan.mesh[0]->size = 2;
    plan.arenas[kGrads]->bytes = 2 * kElements * 4;
    plan.arenas[kWork]->bytes = 256 + kElements * 4 + kShard * 4;
    plan.buckets.push_back(std::make_unique<fb::BucketT>());
    plan.buckets[0]->name = "bucket0";
    plan.buckets[0]->elements = kElements;
    plan.buckets[0]->zero = stage;
    plan.buckets[0]->gradients = true;
    plan.buckets[0]->parameters = {0, 1};
    program().contribution = contribution;

    bool sharded = stage >= 2;
    plan.buffers[kGradW]->bytes = (sharded ? kShard : kElements) * 4;
    plan.buffers[kGradB]->offset = kElements * 4; // nothing lies there any more
    uint32_t whole = kGradW;
    if (sharded) {
      whole = buffer(kWork, 256, kElements * 4);
      program().lower_bound += kElements * 4;
    }
    uint32_t received = buffer(kWork, 256 + kElements * 4, kShard * 4);
    program().lower_bound += kShard * 4;
    // Kernels write to whole gradients.
    plan.tensors[kGradW]->buffer = plan.tensors[kGradB]->buffer = whole;
    plan.tensors[kGradB]->byte_offset = 64 * 4;
    if (stage >= 1) {
      segment(0, 0, 6, sharded);
      segment(1, 64, 2, sharded);
    }
    fb::CollectiveT reduction;
    reduction.kind = stage == 0 ? fb::CollectiveKind::AllReduce : fb::CollectiveKind::ReduceScatter;
    reduction.bucket = 0;
    reduction.accumulate = sharded && contribution == Contribution::Later;
    reduction.whole = tensor(whole, kElements);
    if (sharded)
      reduction.part = static_cast<int32_t>(tensor(kGradW, kShard));
    reduction.members = {kGradW, kGradB};
    reduction.scratch = static_cast<int32_t>(received);
    program().events = 2;
    add(fb::Lane::Compute, event<fb::RecordT>(0));
    add(fb::Lane::Comm, event<fb::WaitT>(0));
    reductionAt = program().instructions.size();
    add(fb::Lane::Comm, std::move(reduction));
    add(fb::Lane::Comm, event<fb::RecordT>(1));
    add(fb::Lane::Compute, event<fb::WaitT>(1));
    live();
  }

  fb::ProgramT &program() { return *plan.programs[kBackward]; }
  fb::CollectiveT &reduction() { return *program().instructions[reductionAt]->body.AsCollective(); }
  void removeReduction() {
    program().instructions.erase(program().instructions.begin() +
                                 static_cast<std::ptrdiff_t>(reductionAt));
    live();
  }
  /// A second instruction like number `index`, at the end.
  void repeat(size_t index) {
    program().instructions.push_back(
        std::make_unique<fb::InstructionT>(*program().instructions[index]));
    live();
  }
  size_t reductionAt = 0;

  uint32_t tensor(uint32_t buffer, uint64_t elements) {
    auto made = std::make_unique<fb::TensorT>();
    made->buffer = buffer;
    made->sizes = {static_cast<int64_t>(elements)};
    made->strides = {1};
    plan.tensors.push_back(std::move(made));
    return static_cast<uint32_t>(plan.tensors.size() - 1);
  }

private:
  /// The gradient of a parameter as a segment of the bucket's buffer.
  void segment(size_t parameter, uint64_t begin, uint64_t elements, bool sharded) {
    uint32_t made = tensor(kGradW, elements);
    plan.tensors[made]->byte_offset = sharded ? 0 : begin * 4;
    plan.tensors[made]->segment = std::make_unique<fb::ShardPartT>();
    plan.tensors[made]->segment->begin = begin;
    plan.tensors[made]->segment->elements = elements;
    plan.tensors[made]->segment->shard = kShard;
    plan.tensors[made]->segment->place = sharded ? fb::ShardPlace::Shard : fb::ShardPlace::Whole;
    plan.parameters[parameter]->gradient = static_cast<int32_t>(made);
  }
  uint32_t buffer(uint16_t arena, uint64_t offset, uint64_t bytes) {
    auto made = std::make_unique<fb::BufferT>();
    made->arena = arena;
    made->offset = offset;
    made->bytes = bytes;
    made->category = fb::Category::Comm;
    made->program = kBackward;
    plan.buffers.push_back(std::move(made));
    return static_cast<uint32_t>(plan.buffers.size() - 1);
  }
  template <typename Event> static Event event(uint32_t index) {
    Event made;
    made.event = index;
    return made;
  }
  template <typename T> void add(fb::Lane lane, T body) {
    auto instruction = std::make_unique<fb::InstructionT>();
    instruction->lane = lane;
    instruction->body.Set(std::move(body));
    program().instructions.push_back(std::move(instruction));
  }
  /// Every buffer of the program lives throughout.
  void live() {
    for (const auto &buffer : plan.buffers)
      if (buffer->program == kBackward)
        buffer->last = static_cast<uint32_t>(program().instructions.size() - 1);
  }
};

std::string violationsOf(const Sample &sample) {
  std::string all;
  for (const std::string &violation : validate(sample.plan))
    all += violation + "\n";
  return all;
}

struct Mutation {
  const char *name;
  uint8_t stage;
  Contribution contribution;
  std::function<void(Sample &)> apply;
  const char *message;
};

constexpr Contribution kFirst = Contribution::First, kLater = Contribution::Later;

// One mutation a line, whatever its length.
// clang-format off
const Mutation kMutations[] = {
    {"not_reduced", 0, kFirst, [](Sample &s) { s.removeReduction(); }, "does not reduce the gradient of 'w'"},
    {"not_reduced_from_window", 2, kFirst, [](Sample &s) { s.removeReduction(); }, "does not reduce the gradient of 'w'"},
    {"local_not_reduced_from_window", 2, kFirst, [](Sample &s) { s.removeReduction(); s.program().local = true; }, "does not reduce the gradient of 'w'"},
    {"local_reduces", 1, kLater, [](Sample &s) { s.program().local = true; }, "is local, and reduces the gradient of 'w'"},
    {"reduced_twice", 1, kFirst, [](Sample &s) { s.repeat(s.reductionAt); }, "reduces gradients a second time"},
    {"reduced_to_one", 0, kFirst, [](Sample &s) { s.reduction().kind = fb::CollectiveKind::ReduceScatter; }, "reduces the gradient of 'w' to one rank, but all have it whole"},
    {"reduced_to_all", 1, kFirst, [](Sample &s) { s.reduction().kind = fb::CollectiveKind::AllReduce; }, "reduces the gradient of 'w' to all ranks, of which each has a shard"},
    {"first_adds", 2, kFirst, [](Sample &s) { s.reduction().accumulate = true; }, "adds to the gradient of 'w' as First contribution"},
    {"later_overwrites", 3, kLater, [](Sample &s) { s.reduction().accumulate = false; }, "overwrites the gradient of 'w' as Later contribution"},
    {"member_missing", 0, kFirst, [](Sample &s) { s.reduction().members = {kGradW}; }, "leaves the gradient of 'b' out of its bucket's reduction"},
    {"member_elsewhere", 2, kFirst, [](Sample &s) { s.plan.tensors[kGradB]->byte_offset = 128 * 4; }, "leaves the gradient of 'b' out of its bucket's reduction"},
    {"adds_to_what_it_leaves_alone", 2, kLater, [](Sample &s) { s.program().gradients = {0}; s.reduction().members = {kGradW}; }, "leaves the gradient of 'b' out of its bucket's reduction"},
    {"reduces_without_contribution", 0, kFirst, [](Sample &s) { s.program().gradients = {}; }, "reduces gradients to which the program does not contribute"},
    {"returned_reduces", 2, Contribution::None, [](Sample &) {}, "reduces gradients to which the program does not contribute"},
    {"reduces_what_is_no_gradient", 2, kFirst, [](Sample &s) { s.reduction().part = -1; }, "reduces gradients to which the program does not contribute"},
    {"written_after_reduction", 0, kFirst, [](Sample &s) { s.repeat(2); }, "writes gradients after they were reduced"},
    {"window_written_after_reduction", 2, kFirst, [](Sample &s) { s.repeat(2); }, "writes gradients after they were reduced"},
    {"later_reduces_what_it_left_out", 0, kLater, [](Sample &s) { s.program().instructions[2]->body.AsCall()->results[0] = kGradB; }, "reads the gradient of 'w' before its first contribution"},
    {"kernel_writes_another", 0, kFirst, [](Sample &s) { s.program().gradients = {0}; s.reduction().members = {kGradW}; }, "writes the gradient of 'b', to which it does not contribute"},
    {"exchanges_the_frame", 2, kFirst, [](Sample &s) { s.plan.buffers[static_cast<size_t>(s.reduction().scratch)]->arena = kFrame; }, "exchanges memory of a frame or of the caller"},
    {"parameter_in_two_buckets", 0, kFirst, [](Sample &s) { s.plan.buckets[0]->parameters = {0, 0}; }, "parameter 0 does not exist, or is in another bucket"},
    {"parameter_of_no_model", 0, kFirst, [](Sample &s) { s.plan.buckets[0]->parameters = {0, 9}; }, "parameter 9 does not exist, or is in another bucket"},
};
// clang-format on

class ReductionMutation : public testing::TestWithParam<Mutation> {};
} // namespace

TEST(PlanReductions, AcceptsTheSamples) {
  for (uint8_t stage : {0, 1, 2, 3})
    for (Contribution contribution : {kFirst, kLater}) {
      EXPECT_EQ(violationsOf(Sample(stage, contribution)), "") << unsigned(stage);
      Sample local(stage, contribution);
      local.program().local = true;
      if (stage < 2)
        local.removeReduction();
      EXPECT_EQ(violationsOf(local), "") << unsigned(stage);
    }
}

TEST_P(ReductionMutation, IsRejected) {
  Sample sample(GetParam().stage, GetParam().contribution);
  GetParam().apply(sample);
  std::string violations = violationsOf(sample);
  EXPECT_NE(violations.find(GetParam().message), std::string::npos) << violations;
}

INSTANTIATE_TEST_SUITE_P(All, ReductionMutation, testing::ValuesIn(kMutations),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(PlanReductions, ABucketIsGatheredOnceInASegment) {
  Sample sample(3);
  fb::CollectiveT gather;
  gather.kind = fb::CollectiveKind::AllGather;
  gather.bucket = 0;
  gather.whole = sample.reduction().whole;
  gather.part = sample.reduction().part;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(violationsOf(sample).find("gathers a bucket a second time"), std::string::npos);
    sample.repeat(sample.reductionAt);
    sample.program().instructions.back()->body.Set(gather);
  }
  EXPECT_NE(violationsOf(sample).find("gathers a bucket a second time"), std::string::npos);
}

TEST(PlanReductions, AStepThatNobodyDrivesIsAForwardABackwardAndTheUpdate) {
  constexpr uint64_t kMove = kShard * 4;
  for (uint8_t stage : {0, 1, 2, 3}) {
    Sample sample(stage);
    sample.plan.training->accumulate = 5; // whoever calls decides
    CommReport report = communication(sample.plan);
    EXPECT_EQ(report.total(), stage == 0 ? 2 * kMove : kMove);
    EXPECT_EQ(report.closedForm, report.total());
    EXPECT_EQ(report.collectives, 1u);
    EXPECT_EQ(stepOf(sample.plan).microStep, (std::vector<size_t>{kForward, kBackward}));

    // The update counts where it changes the bucket.
    sample.plan.programs.push_back(std::make_unique<fb::ProgramT>());
    sample.plan.programs.back()->role = fb::Role::Update;
    uint64_t before = report.closedForm;
    EXPECT_EQ(communication(sample.plan).closedForm, before);
    sample.plan.programs.back()->gradients = {1};
    EXPECT_EQ(communication(sample.plan).closedForm,
              before + (stage == 1 || stage == 2 ? kMove : 0));
    sample.plan.buckets[0]->gathers = 2;
    EXPECT_EQ(communication(sample.plan).closedForm, before + (stage == 1 || stage == 2 ? 1
                                                               : stage == 3             ? 2
                                                                                        : 0) *
                                                                  kMove);
  }
}
