//===- AtomicFile.h - A file that appears whole or not at all ---*- C++ -*-===//
#ifndef REGIMEN_FORMATS_ATOMICFILE_H
#define REGIMEN_FORMATS_ATOMICFILE_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace regimen {

/// Writes to a file without a name in the folder of `path`; commit() makes it durable and renames
/// it into place. Without a commit it is gone and whatever was at `path` stays, also when the
/// process is killed (where a file system has no unnamed files, a temporary file beside `path`
/// stays then). Every failed or short write throws Error.
class AtomicFile {
public:
  /// Throws Error where `path` is no place for a file: a folder, a device, a pipe.
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

  /// Throws what the constructor would, for who writes later and wants to know now.
  static void check(const std::filesystem::path &path) { AtomicFile probe(path); }

private:
  std::filesystem::path folder() const;
  void giveName();

  std::filesystem::path path;
  std::filesystem::path temporary; // empty: the file has no name
  uint64_t end = 0;
  int fd = -1;
};

} // namespace regimen

#endif // REGIMEN_FORMATS_ATOMICFILE_H
