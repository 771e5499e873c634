//===- GlobalNormTest.cpp -------------------------------------------------===//
#include "runtime/kernels/GlobalNorm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace regimen::runtime {
namespace {

/// A sum of squares as one integer, in units of 2^-300: every bit counts, nothing is clever.
class BigSum {
public:
  /// Adds (mantissa * 2^exponent)^2.
  void addSquare(uint64_t mantissa, int exponent) {
    unsigned __int128 square = static_cast<unsigned __int128>(mantissa) * mantissa;
    auto position = static_cast<unsigned>(2 * exponent + 300);
    for (unsigned bit = 0; bit < 64; ++bit)
      if ((square >> bit & 1) != 0)
        addBit(position + bit);
  }
  void addSquare(float value) {
    int exponent = 0;
    float fraction = std::frexp(std::abs(value), &exponent);
    exponent = std::max(exponent - 24, -149);
    if (fraction != 0)
      addSquare(static_cast<uint64_t>(std::ldexp(std::abs(value), -exponent)), exponent);
  }
  auto operator<=>(const BigSum &) const = default;

private:
  void addBit(unsigned bit) {
    // Words from the highest on, so that arrays compare as numbers.
    size_t word = words.size() - 1 - bit / 32;
    for (uint64_t carry = uint64_t(1) << bit % 32; carry != 0; --word) {
      carry += words.at(word);
      words.at(word) = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  std::array<uint32_t, 24> words{};
};

float rootOf(const std::vector<float> &values) {
  SumOfSquares sum;
  sum.add(values.data(), static_cast<int64_t>(values.size()));
  return sum.root();
}

/// Whether `root` is the fp32 number nearest to the root of the sum of squares: the squares of the
/// midpoints to its neighbours enclose the sum.
testing::AssertionResult isNearestRoot(const std::vector<float> &values, float root) {
  BigSum sum, low, high;
  for (float value : values)
    sum.addSquare(value);
  if (!std::isfinite(root))
    return testing::AssertionFailure() << "the root is " << root;
  int exponent = std::max(std::ilogb(root) - 23, -149);
  auto mantissa = static_cast<uint64_t>(std::ldexp(root, -exponent));
  // A power of two is closer to its lower neighbour.
  if (mantissa == uint64_t(1) << 23 && exponent > -149)
    low.addSquare(4 * mantissa - 1, exponent - 2);
  else
    low.addSquare(2 * mantissa - 1, exponent - 1);
  high.addSquare(2 * mantissa + 1, exponent - 1);
  if (low <= sum && sum <= high)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << root << " is not the nearest to the root";
}

TEST(GlobalNorm, IsTheNearestToTheExactSum) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  // From all of one size to all that fp32 has, so that every way of splitting a block is taken.
  for (int spread : {1, 10, 25, 40, 60, 100, 150, 270})
    for (int top : {126, 60, 0, -60, -120, -149}) {
      std::vector<float> values(5003);
      for (float &value : values) {
        int exponent = top - static_cast<int>(random() % static_cast<unsigned>(spread));
        value = std::ldexp(std::clamp(normal(random), -1.0f, 1.0f), std::min(exponent, 118));
      }
      // Blocks differ: a quiet stretch, one loud element, zeros.
      std::fill(values.begin() + 2048, values.begin() + 2100, 0.0f);
      values[4100] = std::ldexp(1.0f, std::min(top, 118));
      EXPECT_TRUE(isNearestRoot(values, rootOf(values))) << spread << " below 2^" << top;
    }
}

TEST(GlobalNorm, IsExactWhereBlocksAlternate) {
  std::vector<float> values;
  for (int block = 0; block < 40; ++block)
    values.insert(values.end(), 2048, std::ldexp(1.1f, block % 3 * 30 - 60));
  EXPECT_TRUE(isNearestRoot(values, rootOf(values)));
  // As large as a block can be: every element at the largest that its units were made for.
  std::vector<float> largest(4096, std::nextafter(std::ldexp(1.0f, 41), 0.0f));
  EXPECT_TRUE(isNearestRoot(largest, rootOf(largest)));
  std::fill(largest.begin() + 2048, largest.end(), std::nextafter(std::ldexp(1.0f, 43), 0.0f));
  EXPECT_TRUE(isNearestRoot(largest, rootOf(largest)));
}

TEST(GlobalNorm, TheReferenceTellsNeighboursApart) {
  std::vector<float> values = {3.0f, 4.0f};
  EXPECT_TRUE(isNearestRoot(values, 5.0f));
  EXPECT_FALSE(isNearestRoot(values, std::nextafter(5.0f, 6.0f)));
  EXPECT_FALSE(isNearestRoot(values, std::nextafter(5.0f, 4.0f)));
}

TEST(GlobalNorm, IsExactInAnyOrderAndAnyParts) {
  std::mt19937 random(1);
  std::vector<float> values(30011);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::ldexp(normal(random), static_cast<int>(random() % 200) - 130);
  auto root = [&](size_t cut) {
    SumOfSquares a, b;
    a.add(values.data(), static_cast<int64_t>(cut));
    b.add(values.data() + cut, static_cast<int64_t>(values.size() - cut));
    b.merge(a);
    return b.root();
  };
  float want = root(0);
  long double sum = 0;
  std::vector<float> sorted = values;
  std::sort(sorted.begin(), sorted.end(),
            [](float a, float b) { return std::abs(a) < std::abs(b); });
  for (float value : sorted)
    sum += static_cast<long double>(value) * value;
  EXPECT_EQ(want, static_cast<float>(std::sqrt(sum)));
  for (int round = 0; round < 20; ++round) {
    std::shuffle(values.begin(), values.end(), random);
    EXPECT_EQ(root(random() % values.size()), want);
  }
}

TEST(GlobalNorm, RoundsOnce) {
  // 1 + 2^-46 and many such: an fp32 or fp64 sum would lose or misround them.
  std::vector<float> values(1, 1.0f);
  values.resize(1 + (1 << 20), std::ldexp(1.0f, -23));
  SumOfSquares sum;
  sum.add(values.data(), static_cast<int64_t>(values.size()));
  EXPECT_EQ(sum.root(), static_cast<float>(std::sqrt(1.0L + std::ldexp(1.0L, -26))));
  SumOfSquares extremes;
  float large[] = {3e38f, 3e38f};
  extremes.add(large, 1);
  EXPECT_EQ(extremes.root(), 3e38f);
  extremes.add(large, 2);
  EXPECT_EQ(extremes.root(), INFINITY);
  float tiny = std::numeric_limits<float>::denorm_min();
  SumOfSquares smallest;
  smallest.add(&tiny, 1);
  EXPECT_EQ(smallest.root(), tiny);
  EXPECT_EQ(SumOfSquares().root(), 0.0f);
}

TEST(GlobalNorm, PropagatesWhatIsNotFinite) {
  std::vector<float> values(5000, 1.0f);
  values[4321] = -INFINITY;
  SumOfSquares sum;
  sum.add(values.data(), 5000);
  EXPECT_EQ(sum.root(), INFINITY);
  values[17] = std::nanf("");
  sum.add(values.data(), 5000);
  EXPECT_TRUE(std::isnan(sum.root()));
}

TEST(GlobalNorm, DoesNotDependOnThreads) {
  at::Tensor gradient = at::randn({1 << 19});
  float roots[2];
  for (int threads : {1, 2}) {
    at::set_num_threads(threads);
    SumOfSquares sum;
    sum.add(gradient);
    sum.add(gradient.to(at::kBFloat16).view({-1, 2}).t());
    roots[threads - 1] = sum.root();
  }
  EXPECT_EQ(roots[0], roots[1]);
}

} // namespace

TEST(SumOfSquares, WordsCarryTheWholeSumToOtherRanks) {
  std::vector<float> values = {1e-20f, 3.0f, -7.5e18f, 1.17549435e-38f, 2.5e-44f};
  for (size_t cut = 0; cut <= values.size(); ++cut) {
    SumOfSquares whole, head, tail;
    whole.add(values.data(), static_cast<int64_t>(values.size()));
    head.add(values.data(), static_cast<int64_t>(cut));
    tail.add(values.data() + cut, static_cast<int64_t>(values.size() - cut));
    SumOfSquares merged = SumOfSquares::fromWords(head.words().data());
    merged.merge(SumOfSquares::fromWords(tail.words().data()));
    EXPECT_EQ(merged.root(), whole.root());
  }
  for (float special : {INFINITY, NAN}) {
    SumOfSquares sum;
    sum.add(&special, 1);
    EXPECT_EQ(SumOfSquares::fromWords(sum.words().data()).words(), sum.words());
    EXPECT_FALSE(std::isfinite(SumOfSquares::fromWords(sum.words().data()).root()));
  }
}

} // namespace regimen::runtime
