#include "formats/SharedFile.h"

#include "formats/Error.h"
#include "formats/WriteAllAt.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace regimen;

static Error systemError(const std::filesystem::path &path, const char *what) {
  return Error("'" + path.string() + "': cannot " + what + ": " + std::strerror(errno));
}

SharedFile::SharedFile(std::filesystem::path target, int flags)
    : path(std::move(target)), fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0666)) {
  if (fd < 0)
    throw systemError(path, "open");
}

SharedFile::SharedFile(std::filesystem::path path) : SharedFile(std::move(path), 0) {}

SharedFile::~SharedFile() { ::close(fd); }

void SharedFile::create(const std::filesystem::path &path, uint64_t bytes,
                        std::span<const std::byte> start) {
  SharedFile file(path, O_CREAT | O_EXCL);
  if (::ftruncate(file.fd, static_cast<off_t>(bytes)) != 0)
    throw systemError(path, "write");
  file.writeAt(0, start);
}

void SharedFile::writeAt(uint64_t position, std::span<const std::byte> bytes) {
  writeAllAt(fd, path, position, bytes);
}

void SharedFile::sync() {
  if (::fsync(fd) != 0)
    throw systemError(path, "write");
}
