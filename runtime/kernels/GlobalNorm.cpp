//===- GlobalNorm.cpp -----------------------------------------------------===//
#include "runtime/kernels/GlobalNorm.h"

#include "runtime/kernels/OwnKernels.h"
#include "runtime/kernels/Simd.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

namespace regimen::runtime {
namespace {

/// Elements that one thread takes at least.
constexpr int64_t kGrain = 1 << 16;
/// Independent sums and maxima, so that loops vectorise without reordering a sum.
constexpr int kLanes = 32;

struct Squares {
  /// Writes the squares, exact in double, and returns the largest; NaN or infinity give one of
  /// both.
  REGIMEN_SIMD_LOOP double run(const float *values, double *squares, int64_t count) {
    double largest[kLanes] = {}, check[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
      for (int lane = 0; lane < kLanes; ++lane) {
        double value = values[i + lane], square = value * value;
        squares[i + lane] = square;
        largest[lane] = square > largest[lane] ? square : largest[lane];
        check[lane] += square; // NaN passes no comparison, but sticks to a sum
      }
    for (; i < count; ++i) {
      double value = values[i], square = value * value;
      squares[i] = square;
      largest[0] = square > largest[0] ? square : largest[0];
      check[0] += square;
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      if (std::isnan(check[lane]))
        return check[lane];
      largest[0] = largest[lane] > largest[0] ? largest[lane] : largest[0];
    }
    return largest[0];
  }
};

struct Extract {
  /// Takes from each value its multiple of the unit (nearest), where `shifter` is 1.5 * 2^52 units;
  /// returns the sum of what was taken, exact, and in `rest` the largest magnitude that is left.
  REGIMEN_SIMD_LOOP double run(double *values, int64_t count, double shifter, double *rest) {
    double sums[kLanes] = {}, left[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
      for (int lane = 0; lane < kLanes; ++lane) {
        double part = (shifter + values[i + lane]) - shifter;
        double remainder = values[i + lane] - part, size = remainder < 0 ? -remainder : remainder;
        values[i + lane] = remainder;
        sums[lane] += part;
        left[lane] = size > left[lane] ? size : left[lane];
      }
    for (; i < count; ++i) {
      double part = (shifter + values[i]) - shifter;
      double remainder = values[i] - part, size = remainder < 0 ? -remainder : remainder;
      values[i] = remainder;
      sums[0] += part;
      left[0] = size > left[0] ? size : left[0];
    }
    for (int lane = 1; lane < kLanes; ++lane) {
      sums[0] += sums[lane];
      left[0] = left[lane] > left[0] ? left[lane] : left[0];
    }
    *rest = left[0];
    return sums[0];
  }
};

} // namespace

void SumOfSquares::addBlock(const float *values, int64_t count) {
  alignas(64) double squares[kBlock];
  double largest = Simd<Squares>::run(values, static_cast<double *>(squares), count);
  if (std::isnan(largest)) {
    notANumber = true;
    return;
  }
  if (std::isinf(largest)) {
    infinite = true;
    return;
  }
  while (largest > 0.0) {
    // The limb whose range [unit, 2^40 units) holds the largest value. Values are below 2^40 units,
    // 2048 of them below 2^51, so their sum is exact; what is left is at most half a unit and
    // belongs to lower limbs.
    int limb = std::clamp((std::ilogb(largest) - kLowest) / kLimbBits, 0, kLimbs - 1);
    int unit = kLowest + limb * kLimbBits;
    double sum = Simd<Extract>::run(static_cast<double *>(squares), count,
                                    std::ldexp(1.5, unit + 52), &largest);
    limbs[static_cast<size_t>(limb)] += static_cast<int64_t>(std::ldexp(sum, -unit));
  }
}

void SumOfSquares::add(const float *values, int64_t count) {
  for (int64_t begin = 0; begin < count; begin += kBlock)
    addBlock(values + begin, std::min(kBlock, count - begin));
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

std::unique_ptr<BoundCall> bindGlobalNorm(const OwnOperands &operands) {
  operands.expectCounts(1, 1);
  std::vector<at::Tensor> gradients = operands.tensorList(0);
  at::Tensor norm = operands.result(0);
  if (norm.scalar_type() != at::kFloat || norm.numel() != 1)
    operands.fail("has one f32 element as result");
  for (const at::Tensor &gradient : gradients)
    if (!gradient.is_floating_point() || gradient.scalar_type() == at::kDouble)
      operands.fail("has no code for this data type");
  return makeCall([gradients = std::move(gradients), norm](Registers) {
    SumOfSquares sum;
    for (const at::Tensor &gradient : gradients)
      sum.add(gradient);
    *norm.mutable_data_ptr<float>() = sum.root();
  });
}

} // namespace regimen::runtime
