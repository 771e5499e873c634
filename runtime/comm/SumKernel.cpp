//===- SumKernel.cpp ------------------------------------------------------===//
#include "runtime/comm/SumKernel.h"

#include "formats/Error.h"
#include "runtime/kernels/Simd.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace regimen::runtime {
namespace {

/// Elements summed at a time, so that the sums stay in the first-level cache.
constexpr size_t kBlock = 1024;
/// Results of at least so many bytes are not kept in caches: by the time someone reads them, they
/// would be gone.
constexpr size_t kStreamed = size_t(256) << 10;

// How elements are stored and what they are summed in. Conversions have no branches, so that they
// become vector instructions.
template <typename T> struct Plain {
  using Stored = T;
  using Sum = T;
  REGIMEN_SIMD_LOOP T load(T value) { return value; }
  REGIMEN_SIMD_LOOP T store(T value) { return value; }
};

struct BFloat16 {
  using Stored = uint16_t;
  using Sum = float;
  REGIMEN_SIMD_LOOP float load(uint16_t value) {
    return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
  }
  /// To nearest, ties to even; any NaN becomes the one that ATen makes.
  REGIMEN_SIMD_LOOP uint16_t store(float value) {
    auto bits = std::bit_cast<uint32_t>(value);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
  }
};

struct Float16 {
  using Stored = uint16_t;
  using Sum = float;
  REGIMEN_SIMD_LOOP float load(uint16_t value) {
    return c10::detail::fp16_ieee_to_fp32_value(value);
  }
  REGIMEN_SIMD_LOOP uint16_t store(float value) {
    return c10::detail::fp16_ieee_from_fp32_value(value);
  }
};

/// How results reach the output. Streamed ones go to memory past the caches, so that the memory
/// that they replace need not be read.
enum class Write { Store, Stream, Add };

constexpr size_t kStreamAlignment = 16;

/// Copies to memory aligned to kStreamAlignment.
REGIMEN_SIMD_LOOP void stream(std::byte *target, const std::byte *source, size_t bytes) {
#if defined(__SSE2__)
  for (size_t i = 0; i < bytes; i += sizeof(__m128i)) {
    __m128i piece = _mm_load_si128(reinterpret_cast<const __m128i *>(source + i));
    _mm_stream_si128(reinterpret_cast<__m128i *>(target + i), piece);
  }
#else
  std::memcpy(target, source, bytes);
#endif
}

/// Lets other threads see what was streamed.
void finishStreams() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

template <typename Type> struct Blocks {
  using Stored = typename Type::Stored;
  using Sum = typename Type::Sum;

  REGIMEN_SIMD_LOOP void run(const std::byte *const *sources, size_t ranks, std::byte *output,
                             size_t elements, Sum scale, Write write) {
    auto *out = reinterpret_cast<Stored *>(output);
    std::array<Sum, kBlock> sum;
    alignas(64) std::array<Stored, kBlock> result;
    for (size_t begin = 0; begin < elements; begin += kBlock) {
      size_t count = std::min(kBlock, elements - begin);
      for (size_t rank = 0; rank < ranks; ++rank) {
        const Stored *source = reinterpret_cast<const Stored *>(sources[rank]) + begin;
        if (rank == 0)
          for (size_t i = 0; i < count; ++i)
            sum[i] = Type::load(source[i]);
        else
          for (size_t i = 0; i < count; ++i)
            sum[i] += Type::load(source[i]);
      }
      if (write == Write::Add)
        for (size_t i = 0; i < count; ++i) {
          Sum reduced = Type::load(Type::store(sum[i] * scale));
          out[begin + i] = Type::store(Type::load(out[begin + i]) + reduced);
        }
      else if (write == Write::Store || count < kBlock)
        for (size_t i = 0; i < count; ++i)
          out[begin + i] = Type::store(sum[i] * scale);
      else {
        for (size_t i = 0; i < kBlock; ++i)
          result[i] = Type::store(sum[i] * scale);
        stream(reinterpret_cast<std::byte *>(out + begin),
               reinterpret_cast<const std::byte *>(result.data()), sizeof(result));
      }
    }
  }
};

template <typename Type>
void sum(const Reduction &reduction, std::span<const std::byte *const> sources, std::byte *output,
         size_t elements) {
  bool aligned = reinterpret_cast<uintptr_t>(output) % kStreamAlignment == 0;
  bool cached = std::find(sources.begin(), sources.end(), output) != sources.end() ||
                elements * sizeof(typename Type::Stored) < kStreamed;
  Write write = reduction.accumulate ? Write::Add
                : aligned && !cached ? Write::Stream
                                     : Write::Store;
  Simd<Blocks<Type>>::run(sources.data(), sources.size(), output, elements,
                          static_cast<typename Type::Sum>(reduction.scale), write);
  if (write == Write::Stream)
    finishStreams();
}

} // namespace

void checkReduction(const Reduction &reduction) {
  switch (reduction.type) {
  case c10::ScalarType::Float:
  case c10::ScalarType::Double:
  case c10::ScalarType::BFloat16:
  case c10::ScalarType::Half:
    return;
  case c10::ScalarType::Int:
  case c10::ScalarType::Long:
    if (reduction.scale == 1)
      return;
    throw Error(std::string("a sum of ") + c10::toString(reduction.type) +
                " values over ranks cannot be scaled; it stays an integer");
  default:
    throw Error(std::string("values of type ") + c10::toString(reduction.type) +
                " cannot be summed over ranks");
  }
}

void sumInOrder(const Reduction &reduction, std::span<const std::byte *const> sources,
                std::byte *output, size_t elements) {
  switch (reduction.type) {
  case c10::ScalarType::Float:
    return sum<Plain<float>>(reduction, sources, output, elements);
  case c10::ScalarType::Double:
    return sum<Plain<double>>(reduction, sources, output, elements);
  case c10::ScalarType::BFloat16:
    return sum<BFloat16>(reduction, sources, output, elements);
  case c10::ScalarType::Half:
    return sum<Float16>(reduction, sources, output, elements);
  case c10::ScalarType::Int:
    // Unsigned, so that an overflow wraps.
    return sum<Plain<uint32_t>>(reduction, sources, output, elements);
  case c10::ScalarType::Long:
    return sum<Plain<uint64_t>>(reduction, sources, output, elements);
  default:
    checkReduction(reduction);
  }
}

} // namespace regimen::runtime
