//===- small_kernels.cpp - What ATen's smallest kernels cost alone ---------===//
//
// Prints the microseconds of a tanh and of a tanh_backward on 16 elements into a given output,
// called through ATen's C++ functions: what executor_overhead.py subtracts.
//
//===----------------------------------------------------------------------===//
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

int main() {
  at::set_num_threads(1);
  at::AutoDispatchBelowADInplaceOrView guard;
  at::Tensor x = at::full({16}, 0.1), y = at::empty_like(x), d = at::ones_like(x),
             g = at::empty_like(x);
  constexpr int kCalls = 20000;
  std::array<double, 15> micros{};
  for (double &each : micros) {
    auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kCalls; ++i) {
      at::tanh_out(y, x);
      at::tanh_backward_out(g, d, y);
    }
    std::chrono::duration<double, std::micro> passed = std::chrono::steady_clock::now() - begin;
    each = passed.count() / (2 * kCalls);
  }
  std::nth_element(micros.begin(), micros.begin() + micros.size() / 2, micros.end());
  std::printf("%.4f\n", micros[micros.size() / 2]);
  return 0;
}
