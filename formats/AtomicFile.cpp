#include "formats/AtomicFile.h"

#include "formats/Error.h"
#include "formats/WriteAllAt.h"

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

/// A rename would put a file in the place of what `path` leads to, a device as well as a pipe.
static void checkTarget(const std::filesystem::path &path) {
  if (path.filename().empty())
    throw Error("'" + path.string() + "': this names no file to write");
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT)
      return;
    throw systemError(path, "write");
  }
  if (S_ISDIR(status.st_mode))
    throw Error("'" + path.string() + "': cannot write: this is a folder; name a file in it");
  if (!S_ISREG(status.st_mode))
    throw Error("'" + path.string() +
                "': cannot write: not a regular file, and what is written here must appear whole; "
                "name a file");
}

AtomicFile::AtomicFile(std::filesystem::path target) : path(std::move(target)) {
  checkTarget(path);
  // A link stays, and what it leads to is replaced.
  if (std::error_code error; std::filesystem::is_symlink(path, error))
    if (std::filesystem::path real = std::filesystem::canonical(path, error); !error)
      path = real;
  // In the same folder, because a rename does not cross file systems. Without a name as long as it
  // is unfinished, so that nothing stays behind when the process is killed.
  fd = ::open(folder().c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (fd >= 0)
    return;
  if (errno != EOPNOTSUPP && errno != EISDIR)
    throw systemError(path, "create a file beside it");
  // The file system has no such files (NFS).
  std::string pattern = path.string() + ".XXXXXX";
  fd = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (fd < 0)
    throw systemError(path, "create a file beside it");
  temporary = pattern;
  // mkostemp makes the file private; give it what open() would have given.
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd, 0666 & ~mask) != 0)
    throw systemError(path, "create a file beside it");
}

AtomicFile::~AtomicFile() {
  if (fd >= 0)
    ::close(fd);
  if (!temporary.empty())
    ::unlink(temporary.c_str());
}

std::filesystem::path AtomicFile::folder() const {
  return path.has_parent_path() ? path.parent_path() : ".";
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  writeAt(end, bytes);
  end += bytes.size();
}

void AtomicFile::writeAt(uint64_t position, std::span<const std::byte> bytes) {
  writeAllAt(fd, path, position, bytes);
}

void AtomicFile::giveName() {
  std::string source = "/proc/self/fd/" + std::to_string(fd);
  for (unsigned attempt = 0;; ++attempt) {
    std::string name =
        path.string() + "." + std::to_string(::getpid()) + "-" + std::to_string(attempt);
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      temporary = name;
      return;
    }
    if (errno != EEXIST)
      throw systemError(path, "name the finished file");
  }
}

void AtomicFile::commit() {
  if (::fsync(fd) != 0)
    throw systemError(path, "write");
  if (temporary.empty())
    giveName();
  int closing = fd;
  fd = -1;
  if (::close(closing) != 0)
    throw systemError(path, "write");
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    throw systemError(path, "rename the finished file into place");
  temporary.clear();
  int directory = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    throw systemError(folder(), "open");
  int status = ::fsync(directory);
  // Some file systems cannot sync a folder and say EINVAL; the file itself is safe there.
  int error = errno;
  ::close(directory);
  if (status != 0 && error != EINVAL) {
    errno = error;
    throw systemError(folder(), "sync");
  }
}
