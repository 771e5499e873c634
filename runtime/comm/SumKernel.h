//===- SumKernel.h - Sums of several ranks' values ------------------------===//
#ifndef REGIMEN_RUNTIME_COMM_SUMKERNEL_H
#define REGIMEN_RUNTIME_COMM_SUMKERNEL_H

#include <c10/core/ScalarType.h>

#include <cstddef>
#include <span>

namespace regimen::runtime {

/// What becomes of a sum over ranks.
struct Reduction {
  c10::ScalarType type = c10::ScalarType::Float;
  /// Factor applied after the sum; 1 for integers.
  double scale = 1;
  /// Add the result to what the output holds, instead of replacing it.
  bool accumulate = false;
};

/// Throws Error for a type that cannot be summed, or a factor on integers.
void checkReduction(const Reduction &reduction);

/// output[i] = scale * (sources[0][i] + sources[1][i] + ...), summed in this order: in fp32 for
/// fp32 and narrower floating types, rounded once to the type; in the type itself else.
/// Accumulated, this result is added to output[i] and rounded again, as a separate addition would.
/// The output may be one of the sources.
void sumInOrder(const Reduction &reduction, std::span<const std::byte *const> sources,
                std::byte *output, size_t elements);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_SUMKERNEL_H
