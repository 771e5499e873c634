#include "formats/AtomicFile.h"
#include "formats/Digest.h"
#include "formats/Error.h"
#include "formats/MappedFile.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

#include <iterator>

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

TEST(AtomicFile, FailsWhereItCannotWrite) {
  EXPECT_THROW(AtomicFile("/nonexistent/folder/file"), Error);
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "taken");
  writeFile((folder / "taken") / "child", {});
  AtomicFile file(folder / "taken");
  EXPECT_THROW(file.commit(), Error);
}

TEST(MappedFile, MapsEmptyFiles) {
  TemporaryFolder folder;
  writeFile(folder / "empty", {});
  EXPECT_TRUE(MappedFile::open(folder / "empty").bytes().empty());
  EXPECT_THROW(MappedFile::open("/dev/null"), Error);
}

TEST(Digest, IsSha256) {
  EXPECT_EQ(sha256(toBytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
