#include "formats/pt2/Archive.h"

#include "formats/Digest.h"
#include "formats/Error.h"

#include <atomic>
#include <bit>
#include <cstring>
#include <zlib.h>

using namespace regimen;
using namespace regimen::pt2;

static_assert(std::endian::native == std::endian::little, "zip and tensors are little-endian");

// Record signatures and fixed sizes of the zip format (APPNOTE 6.3).
static constexpr uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50;
static constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
static constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                        kLocatorBytes = 20, kMaxComment = 65535;

template <typename T> static T load(std::span<const std::byte> bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// True if [offset, offset + size) lies in `total` bytes; safe against overflow.
static bool fits(uint64_t offset, uint64_t size, uint64_t total) {
  return offset <= total && size <= total - offset;
}

void Archive::fail(const std::string &what) const { throw Error("'" + fileName + "': " + what); }

Archive Archive::open(const std::filesystem::path &path) {
  Archive archive;
  archive.fileName = path.string();
  archive.mapping = MappedFile::open(path);
  archive.file = archive.mapping.bytes();
  archive.readDirectory();
  archive.readHeader();
  return archive;
}

Archive Archive::fromBytes(std::span<const std::byte> bytes, std::string name) {
  Archive archive;
  archive.fileName = std::move(name);
  archive.file = bytes;
  archive.readDirectory();
  archive.readHeader();
  return archive;
}

namespace {
/// Position, size and entry count of the central directory.
struct DirectoryInfo {
  uint64_t offset, size, count;
};
} // namespace

/// Finds the end record (behind which only a comment may follow) and, if it overflows, the zip64
/// one. Nothing if the bytes are no zip file.
static std::optional<DirectoryInfo> locateDirectory(std::span<const std::byte> file) {
  if (file.size() < kEndBytes)
    return std::nullopt;
  uint64_t last = file.size() - kEndBytes;
  uint64_t lowest = last > kMaxComment ? last - kMaxComment : 0;
  uint64_t end = last;
  for (;; --end) {
    if (load<uint32_t>(file, end) == kEnd && load<uint16_t>(file, end + 20) == last - end)
      break;
    if (end == lowest)
      return std::nullopt;
  }
  DirectoryInfo info{load<uint32_t>(file, end + 16), load<uint32_t>(file, end + 12),
                     load<uint16_t>(file, end + 10)};
  if (info.offset != 0xffffffff && info.size != 0xffffffff && info.count != 0xffff)
    return info;
  if (end < kLocatorBytes || load<uint32_t>(file, end - kLocatorBytes) != kEnd64Locator)
    return info;
  uint64_t end64 = load<uint64_t>(file, end - kLocatorBytes + 8);
  if (!fits(end64, kEnd64Bytes, file.size()) || load<uint32_t>(file, end64) != kEnd64)
    return std::nullopt;
  return DirectoryInfo{load<uint64_t>(file, end64 + 48), load<uint64_t>(file, end64 + 40),
                       load<uint64_t>(file, end64 + 32)};
}

void Archive::readDirectory() {
  std::optional<DirectoryInfo> info = locateDirectory(file);
  if (!info)
    fail("not a zip archive, or cut short; expected a .pt2 file that torch.export.save wrote");
  if (!fits(info->offset, info->size, file.size()) || info->count > info->size / kCentralBytes)
    fail("damaged zip archive: its central directory runs past the end of the file");
  centralDirectory = file.subspan(info->offset, info->size);

  struct Raw {
    std::string name;
    Entry entry;
  };
  std::vector<Raw> raws;
  uint64_t at = 0;
  for (uint64_t i = 0; i < info->count; ++i) {
    std::span<const std::byte> dir = centralDirectory;
    if (!fits(at, kCentralBytes, dir.size()) || load<uint32_t>(dir, at) != kCentralHeader)
      fail("damaged zip archive: bad central directory entry " + std::to_string(i));
    uint16_t flags = load<uint16_t>(dir, at + 8), method = load<uint16_t>(dir, at + 10);
    uint32_t crc = load<uint32_t>(dir, at + 16);
    uint64_t packed = load<uint32_t>(dir, at + 20), size = load<uint32_t>(dir, at + 24);
    uint64_t nameBytes = load<uint16_t>(dir, at + 28), extraBytes = load<uint16_t>(dir, at + 30),
             commentBytes = load<uint16_t>(dir, at + 32);
    uint64_t local = load<uint32_t>(dir, at + 42);
    if (!fits(at + kCentralBytes, nameBytes + extraBytes + commentBytes, dir.size()))
      fail("damaged zip archive: bad central directory entry " + std::to_string(i));
    std::string name(reinterpret_cast<const char *>(dir.data()) + at + kCentralBytes, nameBytes);

    // The zip64 extra field holds, in this order, those of the three values that overflow their 32
    // bits.
    uint64_t extra = at + kCentralBytes + nameBytes, extraEnd = extra + extraBytes;
    while (extraEnd - extra >= 4) {
      uint16_t id = load<uint16_t>(dir, extra), bytes = load<uint16_t>(dir, extra + 2);
      extra += 4;
      if (bytes > extraEnd - extra)
        fail("damaged zip archive: bad extra field of entry '" + name + "'");
      if (id == 1) {
        uint64_t value = extra, valueEnd = extra + bytes;
        for (uint64_t *field : {&size, &packed, &local}) {
          if (*field != 0xffffffff)
            continue;
          if (valueEnd - value < 8)
            fail("damaged zip archive: bad zip64 field of entry '" + name + "'");
          *field = load<uint64_t>(dir, value);
          value += 8;
        }
      }
      extra += bytes;
    }
    at += kCentralBytes + nameBytes + extraBytes + commentBytes;

    if (flags & 1)
      fail("entry '" + name + "' is encrypted");
    if (!fits(local, kLocalBytes, file.size()) || load<uint32_t>(file, local) != kLocalHeader)
      fail("damaged zip archive: entry '" + name + "' has no local header");
    uint64_t skip =
        kLocalBytes + load<uint16_t>(file, local + 26) + load<uint16_t>(file, local + 28);
    // A directory's order of payloads is free, so only the file's end bounds an entry.
    if (!fits(local, skip, file.size()) || !fits(local + skip, packed, file.size()) ||
        (method == 0 && packed != size))
      fail("damaged zip archive: entry '" + name + "' runs past the end of the file");
    raws.push_back({std::move(name), Entry{local + skip, size, crc, method}});
  }

  // The root folder is the one that holds the format marker.
  bool found = false;
  for (const Raw &raw : raws) {
    static constexpr std::string_view marker = "archive_format";
    if (!raw.name.ends_with(marker))
      continue;
    std::string prefix = raw.name.substr(0, raw.name.size() - marker.size());
    if (prefix.empty() || prefix.find('/') == prefix.size() - 1) {
      rootFolder = prefix;
      found = true;
      break;
    }
  }
  if (!found)
    fail("a zip archive, but not of torch.export.save in PyTorch 2.8 or later (no 'archive_format' "
         "entry); export the model again");
  for (Raw &raw : raws) {
    if (!raw.name.starts_with(rootFolder) || raw.name.ends_with('/'))
      continue;
    std::string name = raw.name.substr(rootFolder.size());
    order.push_back(name);
    if (!directory.emplace(name, raw.entry).second)
      fail("damaged zip archive: two entries named '" + raw.name + "'");
  }
  if (!rootFolder.empty())
    rootFolder.pop_back();
}

void Archive::readHeader() {
  auto trimmed = [&](std::string_view entry) {
    std::string_view value = text(entry);
    while (!value.empty() && (value.back() == '\n' || value.back() == '\r' || value.back() == ' '))
      value.remove_suffix(1);
    return std::string(value.substr(0, 64));
  };
  if (std::string format = trimmed("archive_format"); format != "pt2")
    fail("archive_format is '" + format + "', expected 'pt2'");
  if (contains("archive_version"))
    if (std::string version = trimmed("archive_version"); version != "0")
      fail("archive_version is '" + version + "', this program reads version '0'");
  if (contains("byteorder"))
    if (std::string order = trimmed("byteorder"); order != "little")
      fail("byteorder is '" + order + "', only little-endian archives are read");
}

const Archive::Entry &Archive::find(std::string_view entry) const {
  auto it = directory.find(entry);
  if (it == directory.end())
    fail("has no entry '" + std::string(entry) + "'");
  return it->second;
}

uint64_t Archive::size(std::string_view entry) const { return find(entry).size; }

std::span<const std::byte> Archive::unverifiedBytes(std::string_view name) const {
  const Entry &entry = find(name);
  if (entry.method != 0)
    fail("entry '" + std::string(name) +
         "' is compressed; torch.export.save stores entries uncompressed, so save the model again "
         "instead of re-zipping it");
  return file.subspan(entry.offset, entry.size);
}

std::span<const std::byte> Archive::bytes(std::string_view name) const {
  std::span<const std::byte> payload = unverifiedBytes(name);
  const Entry &entry = find(name);
  // Concurrent readers may both check; the flag only saves time.
  std::atomic_ref<bool> verified(entry.verified);
  if (verified.load(std::memory_order_relaxed))
    return payload;
  uint32_t crc = crc32_z(0, reinterpret_cast<const Bytef *>(payload.data()), payload.size());
  if (crc != entry.crc)
    fail("entry '" + std::string(name) + "' is damaged (its CRC-32 differs from the directory's)");
  verified.store(true, std::memory_order_relaxed);
  return payload;
}

std::string_view Archive::text(std::string_view entry) const {
  std::span<const std::byte> payload = bytes(entry);
  return {reinterpret_cast<const char *>(payload.data()), payload.size()};
}

std::optional<std::string_view> Archive::extra(std::string_view name) const {
  std::string entry = "extra/" + std::string(name);
  if (!contains(entry))
    return std::nullopt;
  return text(entry);
}

void Archive::verify() const {
  for (const std::string &entry : order)
    bytes(entry);
}

std::string Archive::directoryDigest() const { return sha256(centralDirectory); }
