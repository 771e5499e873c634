//===- GlobalNorm.cpp -----------------------------------------------------===//
#include "runtime/kernels/GlobalNorm.h"

#include "runtime/kernels/OwnKernels.h"
#include "runtime/kernels/Simd.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>

namespace regimen::runtime {
namespace {

/// Elements that one thread takes at least.
constexpr int64_t kGrain = 1 << 16;

/// Elements of a block, 2^7 of them to each of kLanes accumulators.
constexpr int64_t kBlock = 2048;
constexpr int kLanes = 16, kVectors = 2, kPerVector = 8;
/// The first split takes from each square its multiple of a unit u; squares are below 2^kHead u, so
/// that a sum which starts at 2^52 u stays below 2^53 u, where a double counts units exactly.
constexpr int kHead = 45;
/// What a split leaves is at most half its unit, which is 2^(kStep - 1) units of the next split.
constexpr int kStep = 45;
/// What the last split leaves is summed as it is: exact, as long as it consists of multiples of
/// 2^-kTail units.
constexpr int kTail = 47;
/// Numbers of splits to choose from. Twelve hold whatever an fp32 number can be.
constexpr std::array<int, 4> kSplits = {1, 2, 4, 12};
/// So many blocks after a block needed more splits, fewer are tried again.
constexpr int64_t kPatience = 32;

using Floats = float __attribute__((vector_size(32)));
using Doubles = double __attribute__((vector_size(64)));
using Words = uint32_t __attribute__((vector_size(32)));

constexpr uint32_t kMagnitude = 0x7fffffff;

struct Largest {
  /// The bits of the largest magnitude among a multiple of kLanes elements. They are ordered as
  /// the magnitudes, infinity and then NaN above all others.
  REGIMEN_SIMD_LOOP uint32_t run(const float *values, int64_t count) {
    Words largest{};
    for (int64_t i = 0; i < count; i += kPerVector) {
      Words bits;
      std::memcpy(&bits, values + i, sizeof(bits));
      bits &= kMagnitude;
      largest = bits > largest ? bits : largest;
    }
    uint32_t result = 0;
    for (int lane = 0; lane < kPerVector; ++lane)
      result = std::max(result, largest[lane]);
    return result;
  }
};

/// What became of a block.
enum class Fit { Exact, TooLarge, TooFine };

/// The sums of a block: what each split took, in units of 2^exponent, 2^(exponent - kStep) and so
/// on, and what was left, in units of 2^(exponent - kStep * (splits - 1) - kTail).
using Units = std::array<int64_t, kSplits.back() + 1>;

/// The bits of the smallest magnitude whose square is a multiple of 2^exponent whatever its
/// mantissa.
uint32_t smallestMultiple(int exponent) {
  int own = static_cast<int>(std::ceil(exponent / 2.0)) + 23;
  return own < -126 ? 1 : std::bit_cast<uint32_t>(std::ldexp(1.0f, own));
}

template <int Splits> struct Sum {
  /// Adds the squares of a multiple of kLanes elements. Unless the result is Exact, `units` means
  /// nothing. The square of an fp32 number is exact in double, so that it does not matter whether
  /// it is contracted with the operation that follows.
  REGIMEN_SIMD_LOOP Fit run(const float *values, int64_t count, int exponent, Units *units) {
    std::array<std::array<Doubles, kVectors>, Splits> sums;
    std::array<double, Splits> start;
    for (int i = 0; i < Splits; ++i) {
      // Squares are positive, what a split leaves has either sign.
      start[i] = std::ldexp(i == 0 ? 1.0 : 1.5, 52 + exponent - i * kStep);
      for (Doubles &sum : sums[i])
        sum = Doubles{} + start[i];
    }
    const int tail = exponent - (Splits - 1) * kStep - kTail;
    std::array<Doubles, kVectors> left{};
    // One below the smallest magnitude that is not zero; zeros wrap around.
    Words smallest = ~Words{};
    for (int64_t i = 0; i < count; i += kLanes)
      for (size_t v = 0; v < kVectors; ++v) {
        const float *source = values + i + static_cast<int64_t>(kPerVector * v);
        Words bits;
        Floats loaded;
        std::memcpy(&bits, source, sizeof(bits));
        std::memcpy(&loaded, source, sizeof(loaded));
        bits = (bits & kMagnitude) - 1;
        smallest = bits < smallest ? bits : smallest;
        Doubles x = __builtin_convertvector(loaded, Doubles);
        // Dekker's fast two-sum: what is taken and what is left are both exact.
        Doubles sum = sums[0][v] + x * x;
        Doubles rest = x * x - (sum - sums[0][v]);
        sums[0][v] = sum;
        for (int split = 1; split < Splits; ++split) {
          sum = sums[split][v] + rest;
          rest -= sum - sums[split][v];
          sums[split][v] = sum;
        }
        left[v] += rest;
      }
    // Sums only grow, so one that ever left its range is outside now. NaN is not below anything.
    for (const Doubles &sum : sums[0])
      for (int lane = 0; lane < kPerVector; ++lane)
        if (!(sum[lane] < 2 * start[0]))
          return Fit::TooLarge;
    uint32_t least = smallestMultiple(tail) - 1;
    for (int lane = 0; lane < kPerVector; ++lane)
      if (smallest[lane] < least)
        return Fit::TooFine;
    // The sums of a split have one exponent, so their bits differ by the units that were added.
    for (int split = 0; split < Splits; ++split) {
      (*units)[split] = 0;
      for (const Doubles &sum : sums[split])
        for (int lane = 0; lane < kPerVector; ++lane)
          (*units)[split] += std::bit_cast<int64_t>(static_cast<double>(sum[lane])) -
                             std::bit_cast<int64_t>(start[split]);
    }
    (*units)[Splits] = 0;
    for (const Doubles &sum : left)
      for (int lane = 0; lane < kPerVector; ++lane)
        (*units)[Splits] += static_cast<int64_t>(std::ldexp(sum[lane], -tail));
    return Fit::Exact;
  }
};

Fit sumBlock(size_t width, const float *values, int64_t count, int exponent, Units *units) {
  switch (width) {
  case 0:
    return Simd<Sum<kSplits[0]>>::run(values, count, exponent, units);
  case 1:
    return Simd<Sum<kSplits[1]>>::run(values, count, exponent, units);
  case 2:
    return Simd<Sum<kSplits[2]>>::run(values, count, exponent, units);
  default:
    return Simd<Sum<kSplits[3]>>::run(values, count, exponent, units);
  }
}

} // namespace

void SumOfSquares::addUnits(int64_t count, int exponent) {
  // Squares are multiples of 2^-298: what a finer unit counts is a multiple of the lowest limb's.
  int shift = exponent - kLowest;
  if (count == 0)
    return;
  if (shift < 0) {
    count >>= -shift;
    shift = 0;
  }
  limbs[static_cast<size_t>(shift / kLimbBits)] += static_cast<__int128>(count)
                                                   << (shift % kLimbBits);
}

void SumOfSquares::addBlock(const float *values, int64_t count, Guess &guess) {
  Units units;
  Fit fit = guess.exponent ? sumBlock(guess.width, values, count, *guess.exponent, &units)
                           : Fit::TooLarge;
  while (fit != Fit::Exact) {
    uint32_t largest = Simd<Largest>::run(values, count);
    constexpr uint32_t kInfinity = 0x7f800000;
    if (largest >= kInfinity) {
      (largest == kInfinity ? infinite : notANumber) = true;
      return;
    }
    // Twice the largest, so that the next block's largest may be a bit larger.
    int exponent = 2 * (std::ilogb(std::bit_cast<float>(std::max(largest, 1u))) + 2) - kHead;
    if (fit == Fit::TooFine && guess.exponent == exponent)
      ++guess.width;
    guess.exponent = exponent;
    fit = sumBlock(guess.width, values, count, exponent, &units);
  }
  const int splits = kSplits[guess.width];
  int exponent = *guess.exponent;
  for (int split = 0; split < splits; ++split)
    addUnits(units[static_cast<size_t>(split)], exponent - split * kStep);
  addUnits(units[static_cast<size_t>(splits)], exponent - (splits - 1) * kStep - kTail);
}

void SumOfSquares::add(const float *values, int64_t count) {
  Guess guess;
  int64_t blocks = 0, whole = count / kLanes * kLanes;
  for (int64_t begin = 0; begin < whole; begin += kBlock) {
    addBlock(values + begin, std::min(kBlock, whole - begin), guess);
    if (++blocks % kPatience == 0 && guess.width > 0)
      --guess.width;
  }
  if (whole == count)
    return;
  std::array<float, kLanes> tail{};
  std::copy(values + whole, values + count, tail.begin());
  addBlock(tail.data(), kLanes, guess);
}

void SumOfSquares::add(const at::Tensor &tensor) {
  if (tensor.scalar_type() != at::kFloat || !tensor.is_non_overlapping_and_dense()) {
    at::Tensor plain = tensor.to(at::kFloat).contiguous();
    add(plain.const_data_ptr<float>(), plain.numel());
    return;
  }
  const float *values = tensor.const_data_ptr<float>();
  std::mutex merging;
  at::parallel_for(0, tensor.numel(), kGrain, [&](int64_t begin, int64_t end) {
    SumOfSquares part;
    part.add(values + begin, end - begin);
    std::lock_guard lock(merging);
    merge(part);
  });
}

void SumOfSquares::merge(const SumOfSquares &other) {
  for (size_t limb = 0; limb < limbs.size(); ++limb)
    limbs[limb] += other.limbs[limb];
  infinite |= other.infinite;
  notANumber |= other.notANumber;
}

float SumOfSquares::root() const {
  if (notANumber)
    return std::numeric_limits<float>::quiet_NaN();
  if (infinite)
    return std::numeric_limits<float>::infinity();
  // Carries make every limb but the highest a digit of [0, 2^40).
  std::array<__int128, kLimbs> digits = limbs;
  for (size_t limb = 0; limb + 1 < digits.size(); ++limb) {
    __int128 carry = digits[limb] >> kLimbBits;
    digits[limb] -= carry << kLimbBits;
    digits[limb + 1] += carry;
  }
  size_t top = digits.size();
  while (top > 0 && digits[top - 1] == 0)
    --top;
  if (top == 0)
    return 0.0f;
  // The leading limbs hold more bits than a long double; one sticky bit stands for the rest.
  long double sum = 0.0L;
  __int128 head = digits[top - 1];
  size_t below = top - 1;
  while (below > 0 && head < (static_cast<__int128>(1) << 80))
    head = (head << kLimbBits) + digits[--below];
  bool rest = false;
  for (size_t limb = 0; limb < below; ++limb)
    rest |= digits[limb] != 0;
  int shift = 0;
  while (head >> 62 != 0) {
    rest |= (head & 1) != 0;
    head >>= 1;
    ++shift;
  }
  sum = static_cast<long double>(static_cast<int64_t>((head << 1) | (rest ? 1 : 0)));
  int exponent = kLowest + static_cast<int>(below) * kLimbBits + shift - 1;
  if (exponent % 2 != 0) {
    sum *= 2.0L;
    exponent -= 1;
  }
  return static_cast<float>(std::ldexp(std::sqrt(sum), exponent / 2));
}

std::array<int64_t, SumOfSquares::kWords> SumOfSquares::words() const {
  static_assert(kWords == 2 * kLimbs + 1);
  std::array<int64_t, kWords> words{};
  for (size_t i = 0; i < limbs.size(); ++i) {
    words[2 * i] = static_cast<int64_t>(limbs[i]);
    words[2 * i + 1] = static_cast<int64_t>(limbs[i] >> 64);
  }
  words.back() = int64_t{infinite} | int64_t{notANumber} << 1;
  return words;
}

SumOfSquares SumOfSquares::fromWords(const int64_t *words) {
  SumOfSquares sum;
  for (size_t i = 0; i < sum.limbs.size(); ++i)
    sum.limbs[i] =
        (static_cast<__int128>(words[2 * i + 1]) << 64) | static_cast<uint64_t>(words[2 * i]);
  sum.infinite = (words[kWords - 1] & 1) != 0;
  sum.notANumber = (words[kWords - 1] & 2) != 0;
  return sum;
}

/// The tensors of which squares are summed.
static std::vector<at::Tensor> squaredTensors(const OwnOperands &operands) {
  std::vector<at::Tensor> tensors = operands.tensorList(0);
  for (const at::Tensor &tensor : tensors)
    if (!tensor.is_floating_point() || tensor.scalar_type() == at::kDouble)
      operands.fail("has no code for this data type");
  return tensors;
}

std::unique_ptr<BoundCall> bindSumOfSquares(const OwnOperands &operands) {
  operands.expectCounts(1, 1);
  std::vector<at::Tensor> tensors = squaredTensors(operands);
  at::Tensor result = operands.result(0);
  if (result.scalar_type() != at::kLong || result.numel() != SumOfSquares::kWords ||
      !result.is_contiguous())
    operands.fail("has the words of one number as result");
  return makeCall([tensors = std::move(tensors), result](Registers) {
    SumOfSquares sum;
    for (const at::Tensor &tensor : tensors)
      sum.add(tensor);
    auto words = sum.words();
    std::copy(words.begin(), words.end(), result.mutable_data_ptr<int64_t>());
  });
}

std::unique_ptr<BoundCall> bindNormOfSquares(const OwnOperands &operands) {
  operands.expectCounts(1, 1);
  at::Tensor sums = operands.tensor(0), norm = operands.result(0);
  if (sums.scalar_type() != at::kLong || sums.dim() != 2 || sums.size(1) != SumOfSquares::kWords ||
      !sums.is_contiguous() || norm.scalar_type() != at::kFloat || norm.numel() != 1)
    operands.fail("takes rows of sums of squares and gives one f32 element");
  return makeCall([sums, norm](Registers) {
    SumOfSquares total;
    for (int64_t row = 0; row < sums.size(0); ++row)
      total.merge(
          SumOfSquares::fromWords(sums.const_data_ptr<int64_t>() + row * SumOfSquares::kWords));
    *norm.mutable_data_ptr<float>() = total.root();
  });
}

std::unique_ptr<BoundCall> bindGlobalNorm(const OwnOperands &operands) {
  operands.expectCounts(1, 1);
  std::vector<at::Tensor> gradients = squaredTensors(operands);
  at::Tensor norm = operands.result(0);
  if (norm.scalar_type() != at::kFloat || norm.numel() != 1)
    operands.fail("has one f32 element as result");
  return makeCall([gradients = std::move(gradients), norm](Registers) {
    SumOfSquares sum;
    for (const at::Tensor &gradient : gradients)
      sum.add(gradient);
    *norm.mutable_data_ptr<float>() = sum.root();
  });
}

} // namespace regimen::runtime
