//===- AtomicFile.h - A file that appears whole or not at all ---*- C++ -*-===//
#ifndef REGIMEN_FORMATS_ATOMICFILE_H
#define REGIMEN_FORMATS_ATOMICFILE_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace regimen {

/// Writes to a temporary file beside `path`; commit() makes it durable and renames it into place.
/// Without a commit the destructor removes it and whatever was at `path` stays. Every failed or
/// short write throws Error.
class AtomicFile {
public:
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;
  ~AtomicFile();

  /// Appends.
  void write(std::span<const std::byte> bytes);
  /// Writes at a position, leaving the append position alone.
  void writeAt(uint64_t position, std::span<const std::byte> bytes);
  /// fsync, rename, fsync of the folder. Throws and leaves `path` as it was when any of them fails.
  void commit();

private:
  std::filesystem::path path;
  std::filesystem::path temporary;
  uint64_t end = 0;
  int fd = -1;
};

} // namespace regimen

#endif // REGIMEN_FORMATS_ATOMICFILE_H
