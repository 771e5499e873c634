//===- global_norm.cpp - The exact global norm beside ATen's ---------------===//
//
//     ninja -C build bench-global-norm && build/bin/bench-global-norm
//
// Nanoseconds a thousand elements of SumOfSquares and of at::linalg_vector_norm over one flat
// gradient, on one thread. The two take turns; the medians are shown, in CPU time, which other
// programs disturb less than wall time.
//
//===----------------------------------------------------------------------===//

#include "runtime/kernels/GlobalNorm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <vector>

using namespace regimen::runtime;

namespace {

constexpr int kRounds = 41;

double cpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename Work> double seconds(Work work) {
  double begin = cpuSeconds();
  work();
  return cpuSeconds() - begin;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const char *what, const at::Tensor &gradient) {
  std::vector<double> ours, atens, ratios;
  volatile float sink = 0; // keeps what is computed
  for (int round = 0; round < kRounds; ++round) {
    ours.push_back(seconds([&] {
      SumOfSquares sum;
      sum.add(gradient);
      sink = sum.root();
    }));
    atens.push_back(seconds([&] { sink = at::linalg_vector_norm(gradient, 2).item<float>(); }));
    ratios.push_back(ours.back() / atens.back());
  }
  double scale = 1e12 / static_cast<double>(gradient.numel());
  std::printf("| %-34s | %7.0f | %7.0f | %5.2f |\n", what, median(ours) * scale,
              median(atens) * scale, median(ratios));
}

} // namespace

int main() {
  at::set_num_threads(1);
  std::printf("| ns a thousand elements             |   exact |    ATen | ratio |\n"
              "|------------------------------------|---------|---------|-------|\n");
  at::Tensor small = at::randn({1 << 16}), large = at::randn({1 << 25});
  measure("normal, 256 KiB (in cache)", small);
  measure("normal, 128 MiB (from memory)", large);
  // Magnitudes over fourteen decades, as where most tokens of a vocabulary have next to no
  // gradient.
  measure("10^-14 to 1, 128 MiB", large.mul(at::randn({1 << 25}).mul(4).sub(8).exp2()));
  return 0;
}
