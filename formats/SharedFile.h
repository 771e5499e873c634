//===- SharedFile.h - A file that several processes write -------*- C++ -*-===//
#ifndef REGIMEN_FORMATS_SHAREDFILE_H
#define REGIMEN_FORMATS_SHAREDFILE_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace regimen {

/// A file of known size to which several processes write bytes of their own at once. It has its
/// name from the beginning, so it belongs in a folder that is renamed when the file is whole. Every
/// failed or short write throws Error.
class SharedFile {
public:
  /// Makes a file of `bytes` bytes that begins with `start`; the rest are zeros.
  static void create(const std::filesystem::path &path, uint64_t bytes,
                     std::span<const std::byte> start);

  /// Opens what create() made. Throws Error, too, where there is no such file.
  explicit SharedFile(std::filesystem::path path);
  SharedFile(const SharedFile &) = delete;
  SharedFile &operator=(const SharedFile &) = delete;
  ~SharedFile();

  void writeAt(uint64_t position, std::span<const std::byte> bytes);
  /// Returns when what was written is on the disk.
  void sync();

private:
  SharedFile(std::filesystem::path path, int flags);

  std::filesystem::path path;
  int fd = -1;
};

} // namespace regimen

#endif // REGIMEN_FORMATS_SHAREDFILE_H
