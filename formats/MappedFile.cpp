#include "formats/MappedFile.h"

#include "formats/Error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using namespace regimen;

static Error systemError(const std::filesystem::path &path, const char *what) {
  return Error("'" + path.string() + "': cannot " + what + ": " + std::strerror(errno));
}

MappedFile MappedFile::open(const std::filesystem::path &path) {
  // Without waiting: opening a pipe would block until somebody writes into it.
  int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    throw systemError(path, "open");
  struct stat status;
  if (::fstat(fd, &status) != 0) {
    Error error = systemError(path, "stat");
    ::close(fd);
    throw error;
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(fd);
    throw Error("'" + path.string() + "': not a regular file");
  }
  MappedFile file;
  file.size = static_cast<size_t>(status.st_size);
  if (file.size != 0) {
    void *address = ::mmap(nullptr, file.size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) {
      Error error = systemError(path, "map");
      file.size = 0;
      ::close(fd);
      throw error;
    }
    file.data = static_cast<const std::byte *>(address);
  }
  ::close(fd);
  return file;
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : data(std::exchange(other.data, nullptr)), size(std::exchange(other.size, 0)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(data, other.data);
  std::swap(size, other.size);
  return *this;
}

MappedFile::~MappedFile() {
  if (data)
    ::munmap(const_cast<std::byte *>(data), size);
}
