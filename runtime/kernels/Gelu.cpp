//===- Gelu.cpp - tanh-approximated GELU and its gradient -----------------===//
//
// gelu(x) = x/2 (1 + tanh u) = x s(2u) with u = sqrt(2/pi) (x + 0.044715 x^3) and s the logistic
// function. The latter form needs one exponential, loses nothing to cancellation for negative x,
// and vectorises.
//
//===----------------------------------------------------------------------===//
#include "runtime/kernels/OwnKernels.h"

#include "runtime/kernels/Simd.h"

#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>

#include <bit>
#include <cstdint>

namespace regimen::runtime {
namespace {

/// Elements that one thread takes at least.
constexpr int64_t kGrain = 16384;

constexpr float kScale = 0.79788456080286535588f; // sqrt(2 / pi)
constexpr float kCubic = 0.044715f;
/// exp(z) for z above this makes s(-z) smaller than any normal number: zero.
constexpr float kLargest = 87.5f;

/// exp(z) for z <= kLargest, with an error below 1.5 units in the last place; 0 below -87; NaN for
/// NaN.
REGIMEN_SIMD_LOOP float exponential(float z) {
  constexpr float log2e = 1.44269504088896341f, ln2High = 0.693359375f, ln2Low = -2.12194440e-4f;
  constexpr float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer in the low bits
  float low = z < -87.0f ? -87.0f : z;
  float shifted = low * log2e + magic;
  float n = shifted - magic;
  float r = low - n * ln2High - n * ln2Low;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  float power = std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) - 0x4B400000u + 127u) << 23);
  return z < -87.0f ? 0.0f : p * power;
}

/// -2u.
REGIMEN_SIMD_LOOP float exponent(float x) { return -2.0f * kScale * (x + kCubic * (x * x * x)); }

REGIMEN_SIMD_LOOP float geluOf(float x) {
  float z = exponent(x);
  float s = 1.0f / (1.0f + exponential(z > kLargest ? kLargest : z));
  return x * (z > kLargest ? 0.0f : s);
}

REGIMEN_SIMD_LOOP float geluGradient(float grad, float x) {
  float z = exponent(x);
  float e = exponential(z > kLargest ? kLargest : z);
  float s = 1.0f / (1.0f + e);
  // d/dx x s(2u) = s + x s (1 - s) 2u'; 1 - s = e s without cancellation.
  float slope = s + x * (s * (e * s)) * (2.0f * kScale * (1.0f + 3.0f * kCubic * (x * x)));
  return grad * (z > kLargest ? 0.0f : slope);
}

struct Forward {
  template <typename Element>
  REGIMEN_SIMD_LOOP void run(const Element *x, Element *y, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      y[i] = static_cast<Element>(geluOf(static_cast<float>(x[i])));
  }
};

struct Backward {
  template <typename Element>
  REGIMEN_SIMD_LOOP void run(const Element *grad, const Element *x, Element *out, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      out[i] =
          static_cast<Element>(geluGradient(static_cast<float>(grad[i]), static_cast<float>(x[i])));
  }
};

template <typename Element> void forward(const at::Tensor &x, const at::Tensor &y) {
  const auto *in = x.const_data_ptr<Element>();
  auto *out = y.mutable_data_ptr<Element>();
  at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    Simd<Forward>::run(in + begin, out + begin, end - begin);
  });
}

template <typename Element>
void backward(const at::Tensor &grad, const at::Tensor &x, const at::Tensor &dx) {
  const auto *gradIn = grad.const_data_ptr<Element>();
  const auto *in = x.const_data_ptr<Element>();
  auto *out = dx.mutable_data_ptr<Element>();
  at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    Simd<Backward>::run(gradIn + begin, in + begin, out + begin, end - begin);
  });
}

void expectAlike(const OwnOperands &operands, const at::Tensor &a, const at::Tensor &b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type())
    operands.fail("has operands of different types");
  if (a.strides() != b.strides() || !a.is_non_overlapping_and_dense())
    operands.fail("needs dense operands of equal strides");
}

} // namespace

std::unique_ptr<BoundCall> bindGeluTanh(const OwnOperands &operands) {
  operands.expectCounts(1, 1);
  at::Tensor x = operands.tensor(0), y = operands.result(0);
  expectAlike(operands, x, y);
  if (x.scalar_type() == at::kFloat)
    return makeCall([x, y](Registers) { forward<float>(x, y); });
  if (x.scalar_type() == at::kBFloat16)
    return makeCall([x, y](Registers) { forward<c10::BFloat16>(x, y); });
  operands.fail("has no code for this data type");
}

std::unique_ptr<BoundCall> bindGeluTanhBackward(const OwnOperands &operands) {
  operands.expectCounts(2, 1);
  at::Tensor grad = operands.tensor(0), x = operands.tensor(1), dx = operands.result(0);
  expectAlike(operands, grad, x);
  expectAlike(operands, x, dx);
  if (x.scalar_type() == at::kFloat)
    return makeCall([grad, x, dx](Registers) { backward<float>(grad, x, dx); });
  if (x.scalar_type() == at::kBFloat16)
    return makeCall([grad, x, dx](Registers) { backward<c10::BFloat16>(grad, x, dx); });
  operands.fail("has no code for this data type");
}

} // namespace regimen::runtime
