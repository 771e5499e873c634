//===- Simd.h - One loop, compiled for several instruction sets -----------===//
#ifndef REGIMEN_RUNTIME_KERNELS_SIMD_H
#define REGIMEN_RUNTIME_KERNELS_SIMD_H

namespace regimen::runtime {

#ifdef __clang__ // knows no preference of width
#define REGIMEN_SIMD_WIDE "avx512f,avx512dq,avx512bw"
#else
#define REGIMEN_SIMD_WIDE "avx512f,avx512dq,avx512bw,prefer-vector-width=512"
#endif

/// Calls `Loop::run(args...)`, which must be always_inline, in a version compiled for the machine's
/// widest vectors. The translation unit is compiled without contraction of products and sums (or
/// its products are exact), so every version gives the same bits.
template <typename Loop> struct Simd {
  template <typename... Args> static auto run(Args... args) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw"))
      return wide(args...);
    if (__builtin_cpu_supports("avx2"))
      return middle(args...);
#endif
    return Loop::run(args...);
  }

private:
#if defined(__x86_64__)
  template <typename... Args>
  __attribute__((target(REGIMEN_SIMD_WIDE), noinline)) static auto wide(Args... args) {
    return Loop::run(args...);
  }
  template <typename... Args>
  __attribute__((target("avx2"), noinline)) static auto middle(Args... args) {
    return Loop::run(args...);
  }
#endif
};

} // namespace regimen::runtime

#undef REGIMEN_SIMD_WIDE
#define REGIMEN_SIMD_LOOP __attribute__((always_inline)) static inline

#endif // REGIMEN_RUNTIME_KERNELS_SIMD_H
