//===- Archive.h - The zip container of a .pt2 file -------------*- C++ -*-===//
#ifndef REGIMEN_FORMATS_PT2_ARCHIVE_H
#define REGIMEN_FORMATS_PT2_ARCHIVE_H

#include "formats/MappedFile.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace regimen::pt2 {

/// A .pt2 file, mapped. Entries are addressed without the archive's root folder
/// ("models/model.json"). Spans point into the mapping and live as long as the archive.
class Archive {
public:
  /// Reads the central directory and checks every bound in it, then that the container is a PyTorch
  /// 2 archive of a version we read. Throws Error.
  static Archive open(const std::filesystem::path &path);

  /// As open(), over bytes that outlive the archive; `name` stands for the path in messages.
  static Archive fromBytes(std::span<const std::byte> bytes, std::string name);

  const std::string &name() const { return fileName; }
  /// Root folder inside the archive, "" if there is none.
  const std::string &root() const { return rootFolder; }
  uint64_t fileBytes() const { return file.size(); }
  /// Entry names in the order of the central directory.
  const std::vector<std::string> &entries() const { return order; }
  bool contains(std::string_view entry) const { return directory.find(entry) != directory.end(); }
  /// Size of an entry in bytes; throws Error if it is missing.
  uint64_t size(std::string_view entry) const;

  /// Payload of an entry; its CRC-32 is checked on first use. Throws Error if it is missing,
  /// compressed or damaged.
  std::span<const std::byte> bytes(std::string_view entry) const;
  /// Payload without the CRC check, for what is checked otherwise or only sized.
  std::span<const std::byte> unverifiedBytes(std::string_view entry) const;
  /// bytes() as text.
  std::string_view text(std::string_view entry) const;
  /// A file that torch.export.save put in with extra_files ("extra/NAME"), or nothing.
  std::optional<std::string_view> extra(std::string_view name) const;

  /// Checks the CRC-32 of every entry. Throws Error naming the first damaged one.
  void verify() const;

  /// SHA-256 of the central directory: names, sizes and CRCs of all entries, hence of all contents.
  std::string directoryDigest() const;

private:
  struct Entry {
    uint64_t offset; // of the payload
    uint64_t size;
    uint32_t crc;
    uint16_t method;
    mutable bool verified = false;
  };

  void readDirectory();
  void readHeader();
  const Entry &find(std::string_view entry) const;
  [[noreturn]] void fail(const std::string &what) const;

  std::string fileName;
  MappedFile mapping;
  std::span<const std::byte> file;
  std::span<const std::byte> centralDirectory;
  std::string rootFolder;
  std::vector<std::string> order;
  std::map<std::string, Entry, std::less<>> directory;
};

} // namespace regimen::pt2

#endif // REGIMEN_FORMATS_PT2_ARCHIVE_H
