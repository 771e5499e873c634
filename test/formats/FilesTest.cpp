#include "formats/AtomicFile.h"
#include "formats/Digest.h"
#include "formats/Error.h"
#include "formats/MappedFile.h"
#include "formats/SharedFile.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

using namespace regimen;
using namespace regimen::samples;

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
  TemporaryFolder folder;
  writeFile(folder / "f", toBytes("old"));
  {
    AtomicFile file(folder / "f");
    file.write(toBytes("new"));
    EXPECT_EQ(toText(readFile(folder / "f")), "old");
  }
  EXPECT_EQ(toText(readFile(folder / "f")), "old");
  AtomicFile file(folder / "f");
  file.write(toBytes("0123"));
  file.writeAt(1, toBytes("ab"));
  file.write(toBytes("45"));
  file.commit();
  EXPECT_EQ(toText(readFile(folder / "f")), "0ab345");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path), {}), 1);
}

TEST(AtomicFile, HasNoNameBeforeItIsWhole) {
  TemporaryFolder folder;
  int fd = ::open(folder.path.c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (fd < 0)
    GTEST_SKIP() << folder.path << " is on a file system without unnamed files";
  ::close(fd);
  AtomicFile file(folder / "f");
  file.write(toBytes("half"));
  // A process that is killed now leaves nothing.
  EXPECT_TRUE(std::filesystem::is_empty(folder.path));
}

TEST(AtomicFile, FailsWhereItCannotWrite) {
  EXPECT_THROW(AtomicFile("/nonexistent/folder/file"), Error);
  EXPECT_THROW(AtomicFile(""), Error);
  TemporaryFolder folder;
  writeFile(folder / "file", {});
  EXPECT_THROW(AtomicFile(folder / "file" / "below"), Error);
  std::filesystem::create_directory(folder / "taken");
  EXPECT_THROW(AtomicFile(folder / "taken"), Error);
  EXPECT_THROW(AtomicFile(folder / "taken/"), Error);
}

TEST(SharedFile, IsWrittenFromSeveralSides) {
  TemporaryFolder folder;
  SharedFile::create(folder / "f", 7, toBytes("ab"));
  SharedFile one(folder / "f"), other(folder / "f");
  one.writeAt(5, toBytes("fg"));
  other.writeAt(2, toBytes("cde"));
  one.sync();
  other.sync();
  EXPECT_EQ(toText(readFile(folder / "f")), "abcdefg");
}

TEST(SharedFile, FailsWhereItCannotWrite) {
  TemporaryFolder folder;
  EXPECT_THROW(SharedFile(folder / "absent"), Error);
  SharedFile::create(folder / "f", 1, {});
  EXPECT_THROW(SharedFile::create(folder / "f", 1, {}), Error);
  EXPECT_THROW(SharedFile::create(folder / "g", uint64_t(INT64_MAX) + 1, {}), Error);
}

TEST(AtomicFile, ReplacesNoPipesAndDevices) {
  TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", folder / "link");
  EXPECT_THROW(AtomicFile(folder / "pipe"), Error);
  EXPECT_THROW(AtomicFile(folder / "link"), Error);
  EXPECT_TRUE(std::filesystem::is_fifo(folder / "pipe"));
}

TEST(AtomicFile, WritesWhereALinkLeads) {
  TemporaryFolder folder;
  writeFile(folder / "f", toBytes("old"));
  std::filesystem::create_symlink("f", folder / "link");
  AtomicFile file(folder / "link");
  file.write(toBytes("new"));
  file.commit();
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(toText(readFile(folder / "f")), "new");
}

TEST(MappedFile, MapsEmptyFiles) {
  TemporaryFolder folder;
  writeFile(folder / "empty", {});
  EXPECT_TRUE(MappedFile::open(folder / "empty").bytes().empty());
  EXPECT_THROW(MappedFile::open("/dev/null"), Error);
}

TEST(MappedFile, DoesNotWaitForAPipesWriter) {
  TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(MappedFile::open(folder / "pipe"), Error);
}

TEST(Digest, IsSha256) {
  EXPECT_EQ(sha256(toBytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
