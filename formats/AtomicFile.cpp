#include "formats/AtomicFile.h"

#include "formats/Error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

using namespace regimen;

static Error systemError(const std::filesystem::path &path, const char *what) {
  return Error("'" + path.string() + "': cannot " + what + ": " + std::strerror(errno));
}

AtomicFile::AtomicFile(std::filesystem::path target) : path(std::move(target)) {
  // In the same folder, because a rename does not cross file systems.
  std::string pattern = path.string() + ".XXXXXX";
  fd = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (fd < 0)
    throw systemError(path, "create a file beside it");
  temporary = pattern;
}

AtomicFile::~AtomicFile() {
  if (fd >= 0)
    ::close(fd);
  if (!temporary.empty())
    ::unlink(temporary.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  writeAt(end, bytes);
  end += bytes.size();
}

void AtomicFile::writeAt(uint64_t position, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0) {
      if (written == 0)
        errno = ENOSPC;
      throw systemError(path, "write");
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
    position += static_cast<uint64_t>(written);
  }
}

void AtomicFile::commit() {
  // mkostemp makes the file private; give it what open() would have given.
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd, 0666 & ~mask) != 0 || ::fsync(fd) != 0)
    throw systemError(path, "write");
  int closing = fd;
  fd = -1;
  if (::close(closing) != 0)
    throw systemError(path, "write");
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    throw systemError(path, "rename the finished file into place");
  temporary.clear();
  std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    throw systemError(folder, "open");
  int status = ::fsync(directory);
  // Some file systems cannot sync a folder and say EINVAL; the file itself is safe there.
  int error = errno;
  ::close(directory);
  if (status != 0 && error != EINVAL) {
    errno = error;
    throw systemError(folder, "sync");
  }
}
