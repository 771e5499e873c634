//===- FuzzSafetensors.cpp - Any bytes as a safetensors file ---------------===//

#include "formats/Error.h"
#include "formats/safetensors/Safetensors.h"

using namespace regimen;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try {
    safetensors::File file =
        safetensors::File::fromBytes(std::as_bytes(std::span(data, size)), "input");
    unsigned sum = 0;
    for (const auto &[name, view] : file.tensors())
      for (std::byte byte : view.bytes)
        sum += static_cast<unsigned>(byte);
    // Keeps the reads: AddressSanitizer sees those that leave the input.
    asm volatile("" : : "r"(sum));
  } catch (const Error &) {
  }
  return 0;
}
