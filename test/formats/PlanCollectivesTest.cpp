//===- PlanCollectivesTest.cpp - Plans for several ranks -------------------===//
//
// A valid program of two ranks, and what the validator must refuse of changed ones.
//
//===----------------------------------------------------------------------===//

#include "formats/plan/Plan.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

#include <functional>

using namespace regimen;
using namespace regimen::plan;

namespace {
constexpr uint64_t kShard = 256, kElements = 2 * kShard;

// Tensors of the sample.
enum : uint32_t { kParameter, kPart, kWhole, kW, kGradients, kG, kReduced, kTensors };

/// w of 300 elements in a bucket of two shards: gathered, touched, and its gradient reduced.
class Sample {
public:
  fb::PlanT plan = samples::samplePlan();

  Sample() {
    plan.programs.clear();
    plan.parameters.clear();
    plan.constants.clear();
    plan.buffers.clear();
    plan.tensors.clear();
    plan.mesh[0]->size = 2;
    plan.arenas[0]->bytes = 2 * kShard * 4;
    plan.arenas[1]->bytes = 2 * kElements * 4 + kShard * 4;
    plan.buckets.push_back(std::make_unique<fb::BucketT>());
    plan.buckets[0]->name = "bucket0";
    plan.buckets[0]->elements = kElements;
    plan.buckets[0]->zero = 3;
    plan.buckets[0]->gathers = 1;
    uint32_t params = buffer(0, 0, kShard * 4, -1, 0, 0);
    uint32_t grads = buffer(0, kShard * 4, kShard * 4, -1, 0, 0);
    uint32_t window = buffer(1, 0, kElements * 4, 0, 2, 5);
    uint32_t gradients = buffer(1, kElements * 4, kElements * 4, 0, 5, 10);
    uint32_t received = buffer(1, 2 * kElements * 4, kShard * 4, 0, 8, 8);
    tensor(params, 256);
    plan.tensors[kParameter]->segment = std::make_unique<fb::ShardPartT>();
    plan.tensors[kParameter]->segment->elements = 300;
    plan.tensors[kParameter]->segment->shard = kShard;
    plan.tensors[kParameter]->segment->place = fb::ShardPlace::Shard;
    tensor(params, kShard);
    tensor(window, kElements);
    tensor(window, 300);
    tensor(gradients, kElements);
    tensor(gradients, 300);
    tensor(grads, kShard);
    plan.parameters.push_back(std::make_unique<fb::ParameterT>());
    plan.parameters[0]->name = "w";
    plan.parameters[0]->tensor = kParameter;
    plan.parameters[0]->sizes = {30, 10};
    plan.kernels[0]->name = "regimen::touch";
    plan.kernels[0]->mode = fb::KernelMode::Own;

    plan.programs.push_back(std::make_unique<fb::ProgramT>());
    program().name = "step";
    program().role = fb::Role::Update;
    program().events = 4;
    program().lower_bound = 2 * kElements * 4;
    add(fb::Lane::Compute, event<fb::RecordT>(0));
    add(fb::Lane::Comm, event<fb::WaitT>(0));
    add(fb::Lane::Comm, collective(fb::CollectiveKind::AllGather, kWhole, kPart));
    add(fb::Lane::Comm, event<fb::RecordT>(1));
    add(fb::Lane::Compute, event<fb::WaitT>(1));
    fb::CallT call;
    call.args.push_back(std::make_unique<fb::ArgT>());
    call.args[0]->kind = fb::ArgKind::Tensor;
    call.args[0]->tensor = kW;
    call.results = {kG};
    add(fb::Lane::Compute, std::move(call));
    add(fb::Lane::Compute, event<fb::RecordT>(2));
    add(fb::Lane::Comm, event<fb::WaitT>(2));
    fb::CollectiveT reduce = collective(fb::CollectiveKind::ReduceScatter, kGradients, kReduced);
    reduce.members = {kG};
    reduce.scratch = static_cast<int32_t>(received);
    add(fb::Lane::Comm, std::move(reduce));
    add(fb::Lane::Comm, event<fb::RecordT>(3));
    add(fb::Lane::Compute, event<fb::WaitT>(3));
  }

  fb::ProgramT &program() { return *plan.programs[0]; }
  fb::InstructionT &at(size_t index) { return *program().instructions[index]; }
  fb::CollectiveT &gather() { return *at(2).body.AsCollective(); }
  fb::CollectiveT &reduce() { return *at(8).body.AsCollective(); }

private:
  uint32_t buffer(uint16_t arena, uint64_t offset, uint64_t bytes, int32_t owner, uint32_t first,
                  uint32_t last) {
    auto made = std::make_unique<fb::BufferT>();
    made->arena = arena;
    made->offset = offset;
    made->bytes = bytes;
    made->program = owner;
    made->first = first;
    made->last = last;
    plan.buffers.push_back(std::move(made));
    return static_cast<uint32_t>(plan.buffers.size() - 1);
  }
  void tensor(uint32_t buffer, uint64_t elements) {
    auto made = std::make_unique<fb::TensorT>();
    made->buffer = buffer;
    made->sizes = {static_cast<int64_t>(elements)};
    made->strides = {1};
    plan.tensors.push_back(std::move(made));
  }
  template <typename Event> static Event event(uint32_t index) {
    Event made;
    made.event = index;
    return made;
  }
  static fb::CollectiveT collective(fb::CollectiveKind kind, uint32_t whole, uint32_t part) {
    fb::CollectiveT made;
    made.kind = kind;
    made.bucket = 0;
    made.whole = whole;
    made.part = static_cast<int32_t>(part);
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
  std::string all;
  for (const std::string &violation : validate(sample.plan))
    all += violation + "\n";
  EXPECT_NE(all.find(expected), std::string::npos) << expected << "\nnot in\n" << all;
}

TEST(PlanCollectives, TheSampleIsValidAndReadsBack) {
  Sample sample;
  EXPECT_EQ(validate(sample.plan), std::vector<std::string>());
  std::vector<std::byte> bytes = serialize(sample.plan);
  EXPECT_EQ(serialize(parse(bytes, "sample")), bytes);
  std::string text = print(sample.plan);
  EXPECT_NE(text.find("all_gather \"bucket0\""), std::string::npos) << text;
  EXPECT_NE(text.find("segment 0+300 of shards of 256"), std::string::npos) << text;
}

TEST(PlanCollectives, LanesMustBeOrdered) {
  auto waitFor = [](size_t instruction, uint32_t event) {
    return [=](Sample &s) { s.at(instruction).body.AsWait()->event = event; };
  };
  expectRefusal(waitFor(4, 0), "reads buffer 2 without waiting for Comm-lane instruction 2");
  expectRefusal(waitFor(7, 0), "reads buffer 3 without waiting for Compute-lane instruction 5");
  expectRefusal([](Sample &s) { s.at(2).lane = fb::Lane::Compute; }, "ranks meet on the comm lane");
}

TEST(PlanCollectives, PartsMustFit) {
  expectRefusal([](Sample &s) { s.plan.mesh[0]->size = 3; }, "is not a part for each of 3 ranks");
  expectRefusal([](Sample &s) { s.plan.mesh[0]->size = 1; }, "is not a part for each of 1 ranks");
  expectRefusal([](Sample &s) { s.plan.mesh[0]->size = 1 << 20; }, "mesh: more than 65536 ranks");
  expectRefusal([](Sample &s) { s.gather().part = kW; }, "its part is not one of 2 of the whole");
  expectRefusal([](Sample &s) { s.gather().part = kGradients; }, "its part is not one of 2");
  expectRefusal([](Sample &s) { s.plan.tensors[kPart]->buffer = 2; },
                "its part and its whole are in one buffer");
  expectRefusal([](Sample &s) { s.gather().whole = kTensors; }, "does not exist");
  expectRefusal([](Sample &s) { s.gather().bucket = 7; }, "does not exist");
  expectRefusal([](Sample &s) { s.gather().kind = static_cast<fb::CollectiveKind>(9); },
                "unknown kind of collective");
  expectRefusal([](Sample &s) { s.plan.buckets[0]->elements = 1024; },
                "moves another number of elements than its bucket 'bucket0' has");
  expectRefusal([](Sample &s) { s.plan.buckets[0]->zero = 4; },
                "bucket 'bucket0': unknown type or stage");
}

TEST(PlanCollectives, ReductionsSayWhatTheyReduce) {
  expectRefusal([](Sample &s) { s.reduce().members.clear(); }, "reduces nothing");
  expectRefusal([](Sample &s) { s.gather().members = {kW}; }, "gathers, but names what it reduces");
  expectRefusal([](Sample &s) { s.reduce().members = {kW}; }, "is not in the whole");
  expectRefusal([](Sample &s) { s.reduce().scratch = -1; }, "receives in 0 bytes, needs 1024");
  expectRefusal([](Sample &s) { s.plan.buffers[4]->bytes = 512; },
                "receives in 512 bytes, needs 1024");
  expectRefusal(
      [](Sample &s) {
        s.reduce().part = -1;
        s.reduce().accumulate = true;
      },
      "accumulates without a part to add to");
  expectRefusal([](Sample &s) { s.reduce().kind = fb::CollectiveKind::AllReduce; },
                "reduces to all ranks, but has a part");
  // What is reduced was written before.
  expectRefusal([](Sample &s) { s.at(5).body.AsCall()->results.clear(); },
                "reads buffer 3 from byte 0 before anything wrote there");
}

TEST(PlanCollectives, SegmentsLieInTheirBucket) {
  auto segment = [](Sample &s) -> fb::ShardPartT & { return *s.plan.tensors[kParameter]->segment; };
  expectRefusal([&](Sample &s) { segment(s).elements = 200; }, "do not fit into buffer 0");
  expectRefusal([&](Sample &s) { segment(s).shard = 512; }, "do not fit into buffer 0");
  expectRefusal([&](Sample &s) { segment(s).begin = UINT64_MAX - 100; }, "do not fit");
  expectRefusal([&](Sample &s) { segment(s).place = fb::ShardPlace::Whole; }, "do not fit");
  expectRefusal([&](Sample &s) { s.plan.tensors[kParameter]->byte_offset = 4; }, "do not fit");
  expectRefusal([](Sample &s) { s.plan.parameters[0]->sizes = {30, 11}; },
                "its sizes are not those of its tensor");
  expectRefusal(
      [&](Sample &s) {
        auto other = std::make_unique<fb::ParameterT>(*s.plan.parameters[0]);
        other->name = "v";
        auto tensor = std::make_unique<fb::TensorT>(*s.plan.tensors[kParameter]);
        tensor->segment->begin = 299;
        other->tensor = static_cast<uint32_t>(s.plan.tensors.size());
        s.plan.tensors.push_back(std::move(tensor));
        s.plan.parameters.push_back(std::move(other));
      },
      "parameter 'w' and parameter 'v' share bytes");
}

TEST(PlanCollectives, SegmentsOfAllRanksMakeTheWhole) {
  for (auto place : {fb::ShardPlace::Whole, fb::ShardPlace::Shard, fb::ShardPlace::Own})
    for (uint64_t begin : {uint64_t{0}, uint64_t{100}, uint64_t{256}, uint64_t{700}})
      for (uint64_t elements : {uint64_t{0}, uint64_t{1}, uint64_t{156}, uint64_t{324}}) {
        fb::ShardPartT segment;
        segment.begin = begin;
        segment.elements = elements;
        segment.shard = 256;
        segment.place = place;
        uint64_t covered = 0;
        for (uint64_t rank = 0; rank < 4; ++rank) {
          SegmentRange range = segmentOf(segment, rank);
          if (range.size == 0)
            continue;
          EXPECT_EQ(range.skipped, covered);
          uint64_t first = begin + range.skipped;
          EXPECT_EQ(first / 256, rank);
          EXPECT_EQ(range.begin, place == fb::ShardPlace::Own     ? 0
                                 : place == fb::ShardPlace::Shard ? first - rank * 256
                                                                  : first);
          covered += range.size;
        }
        EXPECT_EQ(covered, elements);
      }
}

TEST(PlanCollectives, TrafficIsCountedByStep) {
  Sample sample;
  CommReport report = communication(sample.plan);
  EXPECT_EQ(report.depth, 1u);
  EXPECT_EQ(report.allGather, kShard * 4);
  EXPECT_EQ(report.reduceScatter, kShard * 4);
  EXPECT_EQ(report.collectives, 2u);
  sample.gather().bucket = -1; // a few numbers do not count
  EXPECT_EQ(communication(sample.plan).total(), kShard * 4);
  sample.plan.buckets[0]->gradients = true;
  sample.plan.training->accumulate = 3;
  sample.plan.programs.push_back(std::make_unique<fb::ProgramT>());
  sample.plan.programs.back()->contribution = fb::Contribution::First;
  auto closed = [&](uint8_t stage) {
    sample.plan.buckets[0]->zero = stage;
    return communication(sample.plan).closedForm / (kShard * 4);
  };
  EXPECT_EQ(closed(0), 2u);
  EXPECT_EQ(closed(1), 2u);
  EXPECT_EQ(closed(2), 4u);
  EXPECT_EQ(closed(3), 6u);
}
} // namespace

TEST(PlanCollectives, WindowsOfAKindCountAtOneTime) {
  Sample sample;
  // A second bucket is gathered, first when the window of the first is free again, then before.
  auto window = std::make_unique<fb::BufferT>(*sample.plan.buffers[2]);
  window->first = 6;
  window->last = 7;
  sample.plan.buffers.push_back(std::move(window));
  sample.plan.tensors.push_back(std::make_unique<fb::TensorT>(*sample.plan.tensors[kWhole]));
  sample.plan.tensors.back()->buffer = static_cast<uint32_t>(sample.plan.buffers.size() - 1);
  auto again = std::make_unique<fb::InstructionT>(sample.at(2));
  again->body.AsCollective()->whole = static_cast<uint32_t>(sample.plan.tensors.size() - 1);
  sample.program().instructions.push_back(std::move(again));
  EXPECT_EQ(windowDepth(sample.plan), 1u);
  sample.plan.buffers.back()->first = 5;
  EXPECT_EQ(windowDepth(sample.plan), 2u);
  // What the plan keeps for good is no window.
  sample.plan.buffers.back()->program = -1;
  EXPECT_EQ(windowDepth(sample.plan), 1u);
}
