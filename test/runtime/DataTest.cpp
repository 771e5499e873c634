//===- DataTest.cpp -------------------------------------------------------===//
#include "ToyPlan.h"

#include "formats/Error.h"
#include "formats/safetensors/Safetensors.h"
#include "runtime/data/DataSource.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <set>

namespace regimen::runtime {
namespace {

using namespace regimen::test;
using safetensors::DType;

class DataTest : public testing::Test {
protected:
  std::filesystem::path write(const std::map<std::string, at::Tensor> &tensors,
                              const std::string &constant = "") {
    std::map<std::string, safetensors::TensorView, std::less<>> views;
    for (const auto &[name, tensor] : tensors)
      views[name] = {tensor.scalar_type() == at::kFloat ? DType::F32 : DType::I64,
                     tensor.sizes().vec(), bytesOf(tensor)};
    std::filesystem::path path = folder.path / "data.safetensors";
    safetensors::write(path, views,
                       constant.empty()
                           ? std::map<std::string, std::string>{}
                           : std::map<std::string, std::string>{{"constant", constant}});
    return path;
  }
  template <typename Word> std::filesystem::path writeTokens(const std::vector<Word> &words) {
    std::filesystem::path path = folder.path / "tokens.bin";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char *>(words.data()),
               static_cast<std::streamsize>(words.size() * sizeof(Word)));
    return path;
  }
  static std::vector<int64_t> integers(const DataSource &source, uint64_t block, size_t input,
                                       size_t count) {
    std::vector<int64_t> values(count);
    source.load(block, input, std::as_writable_bytes(std::span(values)));
    return values;
  }
  static std::string messageOf(const std::function<void()> &action) {
    try {
      action();
    } catch (const Error &error) {
      return error.what();
    }
    return "";
  }
  void expectRefused(const std::map<std::string, at::Tensor> &tensors,
                     std::vector<InputSpec> inputs, const std::string &part,
                     const std::string &constant = "") {
    std::filesystem::path path = write(tensors, constant);
    std::string message = messageOf([&] { openSafetensorsData(path, inputs); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  }

  TemporaryFolder folder;
  const InputSpec ids{"ids", fb::DType::I64, {2, 3}};
};

TEST_F(DataTest, BlocksAreWholeGroupsOfRows) {
  InputSpec number{"k", fb::DType::I64, {}}, table{"table", fb::DType::I64, {2}};
  auto path =
      write({{"ids",
              at::arange(7 * 3, at::kLong).view({7, 3})}, // three blocks, the last row is left over
             {"k", at::arange(3, at::kLong) + 10},
             {"table", at::tensor({5, 6}, at::kLong)}},
            "table");
  auto source = openSafetensorsData(path, {ids, number, table});
  EXPECT_EQ(source->blocks(), 3u);
  EXPECT_EQ(integers(*source, 1, 0, 6), (std::vector<int64_t>{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(integers(*source, 2, 1, 1), (std::vector<int64_t>{12}));
  EXPECT_EQ(integers(*source, 2, 2, 2), (std::vector<int64_t>{5, 6}));
}

TEST_F(DataTest, WhatDoesNotFitIsRefused) {
  at::Tensor good = at::zeros({4, 3}, at::kLong);
  expectRefused({}, {ids}, "no tensor for input 'ids' (i64[2, 3])");
  expectRefused({{"ids", good}, {"idz", good}}, {ids},
                "'idz' is not an input of the model; its inputs are ids");
  expectRefused({{"ids", at::zeros({4, 3})}}, {ids}, "is F32, the model takes I64");
  expectRefused({{"ids", at::zeros({4, 5}, at::kLong)}}, {ids},
                "shape [4, 5], the model takes [rows, 3]");
  expectRefused({{"ids", at::zeros({4}, at::kLong)}}, {ids},
                "shape [4], the model takes [rows, 3]");
  expectRefused({{"ids", at::zeros({1, 3}, at::kLong)}}, {ids},
                "has 1 rows, one micro-batch needs 2");
  expectRefused({{"ids", good}}, {ids}, "shape [4, 3], the model takes [2, 3]", "ids");
  expectRefused({{"ids", good}}, {ids}, "'constant' names 'nothing'", "nothing");
  InputSpec other{"other", fb::DType::I64, {2}};
  expectRefused({{"ids", good}, {"other", at::zeros({6}, at::kLong)}}, {ids, other},
                "has 3 micro-batches");
}

TEST_F(DataTest, TokensComeInWindows) {
  std::vector<uint16_t> words(20);
  for (size_t i = 0; i < words.size(); ++i)
    words[i] = static_cast<uint16_t>(100 + i);
  InputSpec labels{"labels", fb::DType::I64, {2, 3}},
      mask{"attention_mask", fb::DType::I64, {2, 3}},
      positions{"position_ids", fb::DType::I64, {1, 3}};
  auto path = writeTokens(words);
  auto shifted = openTokenData(path, {ids, labels, mask, positions}, Labels::Shifted, 0);
  EXPECT_EQ(shifted->blocks(), 3u); // 19 usable tokens
  EXPECT_EQ(integers(*shifted, 1, 0, 6), (std::vector<int64_t>{106, 107, 108, 109, 110, 111}));
  EXPECT_EQ(integers(*shifted, 1, 1, 6), (std::vector<int64_t>{107, 108, 109, 110, 111, 112}));
  EXPECT_EQ(integers(*shifted, 1, 2, 6), std::vector<int64_t>(6, 1));
  EXPECT_EQ(integers(*shifted, 1, 3, 3), (std::vector<int64_t>{0, 1, 2}));
  auto same = openTokenData(path, {ids, labels}, Labels::Same, 0);
  EXPECT_EQ(integers(*same, 2, 1, 6), integers(*same, 2, 0, 6));
}

TEST_F(DataTest, TokenWidthIsGuessedOrGiven) {
  std::vector<uint32_t> words{70000, 5, 70001, 6, 7, 8, 9, 10};
  auto path = writeTokens(words);
  EXPECT_EQ(integers(*openTokenData(path, {ids}, Labels::Same, 0), 0, 0, 6),
            (std::vector<int64_t>{70000, 5, 70001, 6, 7, 8}));
  EXPECT_EQ(openTokenData(path, {ids}, Labels::Same, 16)->blocks(), 2u);
}

TEST_F(DataTest, TokensThatDoNotDoAreRefused) {
  auto path = writeTokens(std::vector<uint16_t>{300, 301, 302, 303, 304});
  EXPECT_NE(messageOf([&] { openTokenData(path, {ids}, Labels::Same, 0); }).find("needs 6"),
            std::string::npos);
  InputSpec pixels{"pixels", fb::DType::F32, {2, 3}};
  EXPECT_NE(messageOf([&] { openTokenData(path, {pixels}, Labels::Same, 0); }).find("--data"),
            std::string::npos);
  EXPECT_NE(messageOf([&] { openTokenData(path, {ids}, Labels::Same, 32); }).find("whole number"),
            std::string::npos);
}

TEST_F(DataTest, OrderGoesRoundAndRound) {
  BlockOrder order(3, std::nullopt);
  std::vector<uint64_t> blocks;
  for (uint64_t k = 0; k < 7; ++k)
    blocks.push_back(order.at(k));
  EXPECT_EQ(blocks, (std::vector<uint64_t>{0, 1, 2, 0, 1, 2, 0}));
}

TEST_F(DataTest, ShufflingPermutesEachEpochByTheSeed) {
  auto epoch = [](uint64_t seed, uint64_t number) {
    BlockOrder order(50, seed);
    std::vector<uint64_t> blocks;
    for (uint64_t k = 0; k < 50; ++k)
      blocks.push_back(order.at(number * 50 + k));
    return blocks;
  };
  std::vector<uint64_t> first = epoch(1, 0), second = epoch(1, 1);
  EXPECT_EQ(std::set<uint64_t>(first.begin(), first.end()).size(), 50u);
  EXPECT_EQ(std::set<uint64_t>(second.begin(), second.end()).size(), 50u);
  EXPECT_NE(first, second);
  EXPECT_NE(first, epoch(2, 0));
  EXPECT_EQ(second, epoch(1, 1));
}

} // namespace
} // namespace regimen::runtime
