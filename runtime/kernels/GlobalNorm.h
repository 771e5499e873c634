//===- GlobalNorm.h - An exact sum of squares -----------------------------===//
#ifndef REGIMEN_RUNTIME_KERNELS_GLOBALNORM_H
#define REGIMEN_RUNTIME_KERNELS_GLOBALNORM_H

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>

namespace regimen::runtime {

/// The sum of squares of fp32 numbers as one wide fixed-point number. It is exact, so its value
/// depends neither on the order of elements nor on how they are spread over calls, threads and
/// ranks.
class SumOfSquares {
public:
  void add(const float *values, int64_t count);
  /// Elements of a tensor of f32, f16 or bf16 with any strides; several threads for large ones.
  void add(const at::Tensor &tensor);
  void merge(const SumOfSquares &other);
  /// The number as words, to be sent to other ranks, and back.
  static constexpr int64_t kWords = 29;
  std::array<int64_t, kWords> words() const;
  static SumOfSquares fromWords(const int64_t *words);
  /// The square root of the sum, rounded to fp32. Infinity and NaN among the elements propagate as
  /// in PyTorch's norm.
  float root() const;

private:
  /// Limb i counts units of 2^(kLowest + i * kLimbBits). Squares of fp32 numbers are multiples of
  /// 2^-298 below 2^256.
  static constexpr int kLowest = -300, kLimbBits = 40, kLimbs = 14;

  /// Adds `count` times 2^exponent.
  void addUnits(int64_t count, int exponent);
  /// What the last block looked like: the next one is first tried with the same units. It changes
  /// the time that a sum takes, not its value.
  struct Guess {
    std::optional<int> exponent;
    size_t width = 0;
  };
  void addBlock(const float *values, int64_t count, Guess &guess);

  std::array<__int128, kLimbs> limbs{};
  bool infinite = false, notANumber = false;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_KERNELS_GLOBALNORM_H
