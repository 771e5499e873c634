//===- WriteAllAt.h - All bytes to a position of a file ---------*- C++ -*-===//
#ifndef REGIMEN_FORMATS_WRITEALLAT_H
#define REGIMEN_FORMATS_WRITEALLAT_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace regimen {

/// Writes on through short writes and interruptions. Throws Error that names `path`.
void writeAllAt(int fd, const std::filesystem::path &path, uint64_t position,
                std::span<const std::byte> bytes);

} // namespace regimen

#endif // REGIMEN_FORMATS_WRITEALLAT_H
