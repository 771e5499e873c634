//===- Digest.h - SHA-256 ---------------------------------------*- C++ -*-===//
#ifndef REGIMEN_FORMATS_DIGEST_H
#define REGIMEN_FORMATS_DIGEST_H

#include <cstddef>
#include <span>
#include <string>

namespace regimen {

/// SHA-256 of the bytes as 64 lower-case hexadecimal digits.
std::string sha256(std::span<const std::byte> bytes);

} // namespace regimen

#endif // REGIMEN_FORMATS_DIGEST_H
