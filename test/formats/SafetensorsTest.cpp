#include "formats/safetensors/Safetensors.h"
#include "formats/Error.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <sys/resource.h>

using namespace regimen;
using namespace regimen::safetensors;
using samples::TemporaryFolder;
using samples::toBytes;
using samples::toText;

static std::string errorOf(const samples::Bytes &bytes) {
  try {
    File::fromBytes(bytes, "test.safetensors");
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

TEST(Safetensors, Reads) {
  samples::Bytes bytes = samples::safetensorsBytes();
  File file = File::fromBytes(bytes, "x");
  EXPECT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  const TensorView *a = file.find("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->dtype, DType::F32);
  EXPECT_EQ(a->shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(toText(a->bytes), "0123456789abcdef");
  EXPECT_TRUE(file.find("b")->shape.empty());
  EXPECT_TRUE(file.find("c")->bytes.empty());
  EXPECT_FALSE(file.find("d"));
}

TEST(Safetensors, RefusesHostileHeaders) {
  auto expect = [](const char *header, const char *data, const char *message) {
    std::string error = errorOf(samples::safetensorsBytes(header, data));
    EXPECT_NE(error.find(message), std::string::npos) << header << ": " << error;
  };
  expect(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
      "0123", "overlaps");
  expect(
      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
      "0123", "unused bytes before tensor 'b'");
  expect(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "0123", "behind the last");
  expect(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "012", "outside the file");
  expect(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", "0123", "outside the file");
  expect(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "0123", "need 8");
  expect(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}})", "0123",
         "overflows");
  expect(R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", "0123", "unknown dtype");
  expect(R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", "0123", "'shape'");
  expect(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
      "0123", "twice");
  expect(R"({"__metadata__":{"x":1}})", "", "__metadata__");
  expect("[]", "", "no JSON object");
  expect("{", "", "not JSON");
  EXPECT_NE(errorOf(toBytes("1234")).find("shorter"), std::string::npos);
  samples::Bytes huge = samples::safetensorsBytes();
  huge[5] = std::byte{1};
  EXPECT_NE(errorOf(huge).find("100 MB"), std::string::npos);
  huge[5] = std::byte{0};
  huge[2] = std::byte{1};
  EXPECT_NE(errorOf(huge).find("cut short"), std::string::npos);
}

TEST(Safetensors, WritesAlignedAndDeterministically) {
  TemporaryFolder folder;
  std::vector<TensorInfo> infos = {{"small", DType::U8, {3}},
                                   {"z", DType::F32, {2}},
                                   {"half", DType::BF16, {}},
                                   {"a", DType::F32, {1, 1}},
                                   {"none", DType::I64, {0}}};
  auto writeTo = [&](const std::filesystem::path &path) {
    Writer writer(path, infos, {{"format", "pt"}});
    writer.write("small", toBytes("abc"));
    writer.write("z", toBytes("0123"));
    writer.write("a", toBytes("WXYZ"));
    writer.write("z", toBytes("4567"));
    writer.write("half", toBytes("hh"));
    EXPECT_FALSE(std::filesystem::exists(path));
    writer.finish();
  };
  writeTo(folder / "1");
  std::reverse(infos.begin(), infos.end());
  writeTo(folder / "2");
  EXPECT_EQ(samples::readFile(folder / "1"), samples::readFile(folder / "2"));
  File file = File::open(folder / "1");
  EXPECT_EQ(file.tensors().size(), 5u);
  EXPECT_EQ(toText(file.find("z")->bytes), "01234567");
  EXPECT_EQ(toText(file.find("small")->bytes), "abc");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  for (const auto &[name, view] : file.tensors())
    EXPECT_TRUE(view.bytes.empty() ||
                reinterpret_cast<uintptr_t>(view.bytes.data()) % elementBytes(view.dtype) == 0)
        << name;
}

TEST(Safetensors, WriterRefusesMisuse) {
  TemporaryFolder folder;
  using Infos = std::vector<TensorInfo>;
  EXPECT_THROW(Writer(folder / "f", Infos{{"a", DType::U8, {1}}, {"a", DType::U8, {1}}}), Error);
  EXPECT_THROW(Writer(folder / "f", Infos{{"a", DType::U8, {-1}}}), Error);
  EXPECT_THROW(Writer(folder / "f", Infos{{"__metadata__", DType::U8, {1}}}), Error);
  {
    Writer writer(folder / "f", {{"a", DType::U8, {2}}});
    EXPECT_THROW(writer.write("b", toBytes("x")), Error);
    EXPECT_THROW(writer.write("a", toBytes("xyz")), Error);
    writer.write("a", toBytes("x"));
    EXPECT_THROW(writer.finish(), Error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path));
}

TEST(Safetensors, AFullDiskLeavesNothingBehind) {
  TemporaryFolder folder;
  samples::writeFile(folder / "f", toBytes("old"));
  // A file size limit stands for the full disk: writes come back short, then fail.
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit limited = before;
  limited.rlim_cur = 1000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
  std::string message;
  try {
    Writer writer(folder / "f", {{"a", DType::U8, {5000}}});
    writer.write("a", toBytes(std::string(5000, 'x')));
    writer.finish();
  } catch (const Error &error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(message.find("cannot write"), std::string::npos) << message;
  EXPECT_EQ(toText(samples::readFile(folder / "f")), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path), {}), 1);
}

TEST(Safetensors, ReadsHuggingFaceFolders) {
  TemporaryFolder folder;
  auto writeOne = [&](const char *file, const char *tensor, const char *bytes) {
    samples::Bytes data = toBytes(bytes);
    write(folder / file, {{tensor, {DType::U8, {static_cast<int64_t>(data.size())}, data}}});
  };
  writeOne("model-00001-of-00002.safetensors", "a", "AA");
  EXPECT_EQ(Collection::open(folder.path).tensors().size(), 1u); // the only file
  writeOne("model-00002-of-00002.safetensors", "b", "BBB");
  EXPECT_THROW(Collection::open(folder.path), Error);
  auto index = [&](const char *text) {
    samples::writeFile(folder / "model.safetensors.index.json", toBytes(text));
  };
  index(
      R"({"metadata":{"total_size":5},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}})");
  Collection collection = Collection::open(folder.path);
  EXPECT_EQ(collection.files().size(), 2u);
  EXPECT_EQ(toText(collection.find("b")->bytes), "BBB");
  EXPECT_FALSE(collection.find("c"));
  index(R"({"weight_map":{"c":"model-00001-of-00002.safetensors"}})");
  EXPECT_THROW(Collection::open(folder.path), Error);
  index(R"({"weight_map":{"c":"../outside.safetensors"}})");
  EXPECT_THROW(Collection::open(folder.path), Error);
  index(R"({"weights":1})");
  EXPECT_THROW(Collection::open(folder.path), Error);
  EXPECT_EQ(Collection::open(folder / "model-00001-of-00002.safetensors").tensors().size(), 1u);
  EXPECT_THROW(Collection::open(folder / "missing"), Error);
}
