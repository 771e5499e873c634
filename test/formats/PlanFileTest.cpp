#include "formats/Error.h"
#include "formats/MappedFile.h"
#include "formats/plan/Plan.h"
#include "test/formats/Samples.h"

#include <filesystem>
#include <gtest/gtest.h>

using namespace regimen;
using namespace regimen::plan;
using samples::TemporaryFolder;

static std::string errorOf(std::span<const std::byte> bytes) {
  try {
    parse(bytes, "test.plan");
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

TEST(PlanFile, ReadsBackWhatItWrote) {
  TemporaryFolder folder;
  fb::PlanT plan = samples::samplePlan();
  write(plan, folder / "a.plan");
  fb::PlanT copy = read(folder / "a.plan");
  EXPECT_EQ(serialize(copy), serialize(plan));
  EXPECT_EQ(serialize(copy), samples::readFile(folder / "a.plan"));
  EXPECT_EQ(print(copy), print(plan));
}

TEST(PlanFile, WritesTheSameBytesForEqualPlans) {
  EXPECT_EQ(serialize(samples::samplePlan()), serialize(samples::samplePlan()));
}

TEST(PlanFile, RefusesToWriteHalfAPlan) {
  fb::PlanT plan = samples::samplePlan();
  plan.archive.reset();
  EXPECT_THROW(serialize(plan), Error);
  plan = samples::samplePlan();
  plan.programs[0]->instructions[0].reset();
  EXPECT_THROW(serialize(plan), Error);
}

TEST(PlanFile, RefusesOtherFilesAndVersions) {
  EXPECT_NE(errorOf({}).find("not a plan file"), std::string::npos);
  EXPECT_NE(errorOf(samples::archiveBytes()).find("not a plan file"), std::string::npos);
  fb::PlanT plan = samples::samplePlan();
  plan.version = kVersion + 1;
  EXPECT_NE(errorOf(serialize(plan)).find("plan version 3, this program reads version 2"),
            std::string::npos);
}

TEST(PlanFile, RefusesEveryTruncation) {
  std::vector<std::byte> bytes = serialize(samples::samplePlan());
  for (size_t size = 0; size < bytes.size(); size += 13)
    EXPECT_NE(errorOf(std::span(bytes).first(size)), "") << size;
}

TEST(PlanFile, QuotesViolations) {
  TemporaryFolder folder;
  fb::PlanT plan = samples::samplePlan();
  plan.buffers[5]->offset = 130;
  write(plan, folder / "a.plan");
  try {
    read(folder / "a.plan");
    FAIL();
  } catch (const Error &error) {
    EXPECT_NE(std::string(error.what()).find("not a multiple of 64"), std::string::npos);
  }
  EXPECT_THROW(read(folder / "missing.plan"), Error);
}

TEST(PlanFile, RefusesFilesWhosePartsOverlap) {
  // Many tensors that all refer to one long vector would unpack to far more than the file has.
  flatbuffers::FlatBufferBuilder builder;
  auto sizes = builder.CreateVector(std::vector<int64_t>(4000, 1));
  std::vector<flatbuffers::Offset<fb::Tensor>> tensors;
  for (int i = 0; i < 4000; ++i)
    tensors.push_back(fb::CreateTensor(builder, 0, 0, fb::DType::F32, sizes, sizes));
  fb::PlanT plan = samples::samplePlan();
  auto tensorVector = builder.CreateVector(tensors);
  auto compiler = builder.CreateString("c"), model = builder.CreateString("m"),
       config = builder.CreateString("{}");
  auto target = fb::CreateTarget(builder, plan.target.get());
  auto archive = fb::CreateArchive(builder, plan.archive.get());
  auto training = fb::CreateTraining(builder, plan.training.get());
  fb::PlanBuilder root(builder);
  root.add_version(kVersion);
  root.add_compiler(compiler);
  root.add_model(model);
  root.add_config(config);
  root.add_target(target);
  root.add_tensors(tensorVector);
  root.add_archive(archive);
  root.add_training(training);
  fb::FinishPlanBuffer(builder, root.Finish());
  std::span bytes(reinterpret_cast<const std::byte *>(builder.GetBufferPointer()),
                  builder.GetSize());
  EXPECT_NE(errorOf(bytes).find("parts overlap"), std::string::npos) << errorOf(bytes);
}

TEST(PlanPrint, ShowsEverything) {
  std::string text = print(samples::samplePlan());
  for (const char *line :
       {"plan \"tiny\" version 2 compiler \"regimen 0.1.0\" target cpu/native threads 1\n",
        "arena 1 \"work\" work device 320 bytes\n",
        "b1 \"grads.0\" arena 0 offset 512 bytes 512 grads\n",
        "parameter \"w\" t0<4x2xf32>@b0 gradient t2<4x2xf32>@b1 group 0 exp_avg t4<4x2xf32>@b2\n",
        "program 0 \"micro_step\" micro_step first events 1 lower_bound 196\n",
        "  output \"loss\" t10<f32>@b6 loss\n",
        "  b5 \"y\" arena 1 offset 128 bytes 64 activations live 3..4\n",
        "  0: copy load_input \"x\" -> t7<8x4xf32>@b4  // aten.linear fc model.py:12\n",
        "  1: copy record e0  // aten.linear fc model.py:12\n",
        "  2: compute wait e0  // aten.linear fc model.py:12\n",
        "  5: compute aten::mm.out(t8<4x8xf32, strides [1, 4]>@b4, t6<8x2xf32>@b3) -> "
        "t2<4x2xf32>@b1 out "
        "scratch b7  // aten.linear fc model.py:12\n",
        "  %0 = hyper lr group 0\n", "  %1 = neg %0\n",
        "  2: compute aten::add_.Tensor(t0<4x2xf32>@b0, t4<4x2xf32>@b2, scalar %1) in_place  // "
        "optimizer"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
}

// Files of every version: read as they are, valid, and with the bytes that they have. Some are
// added with each version (regimen-compile of the MLP of test/e2e), none is ever written anew.
TEST(PlanFile, ReadsGoldenPlans) {
  size_t files = 0;
  for (const auto &entry : std::filesystem::directory_iterator(REGIMEN_GOLDEN)) {
    fb::PlanT plan = read(entry.path());
    EXPECT_EQ(validate(plan), std::vector<std::string>()) << entry.path();
    MappedFile file = MappedFile::open(entry.path());
    std::vector<std::byte> bytes(file.bytes().begin(), file.bytes().end());
    EXPECT_EQ(serialize(plan), bytes) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 2u);
}
