//===- MappedFile.h - A file mapped for reading -----------------*- C++ -*-===//
#ifndef REGIMEN_FORMATS_MAPPEDFILE_H
#define REGIMEN_FORMATS_MAPPEDFILE_H

#include <cstddef>
#include <filesystem>
#include <span>

namespace regimen {

/// A read-only, private mapping of a whole regular file. Spans into it live as long as the object;
/// moving it keeps them valid. An empty file maps to an empty span.
class MappedFile {
public:
  /// Throws Error when the file is missing, unreadable or not a regular file.
  static MappedFile open(const std::filesystem::path &path);

  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data, size}; }

private:
  const std::byte *data = nullptr;
  size_t size = 0;
};

} // namespace regimen

#endif // REGIMEN_FORMATS_MAPPEDFILE_H
