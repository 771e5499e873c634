#include "formats/WriteAllAt.h"

#include "formats/Error.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

void regimen::writeAllAt(int fd, const std::filesystem::path &path, uint64_t position,
                         std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      throw Error("'" + path.string() +
                  "': cannot write: " + std::strerror(written == 0 ? ENOSPC : errno));
    bytes = bytes.subspan(static_cast<size_t>(written));
    position += static_cast<uint64_t>(written);
  }
}
