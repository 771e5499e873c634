#include "formats/pt2/Archive.h"
#include "formats/Error.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

using namespace regimen;
using namespace regimen::samples;
using regimen::pt2::Archive;

/// Message of the Error that opening (and reading everything) throws, or "".
static std::string errorOf(const Bytes &bytes) {
  try {
    Archive::fromBytes(bytes, "test.pt2").verify();
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

TEST(Archive, AddressesEntriesWithoutTheRootFolder) {
  Bytes bytes = archiveBytes();
  Archive archive = Archive::fromBytes(bytes, "test.pt2");
  EXPECT_EQ(archive.root(), "tiny");
  EXPECT_EQ(archive.entries().size(), pt2Entries().size());
  EXPECT_EQ(archive.text("data/weights/weight_0"), "0123456789abcdefghijklmn");
  EXPECT_EQ(archive.size("data/constants/tensor_1"), 4u);
  EXPECT_FALSE(archive.contains("tiny/byteorder"));
  EXPECT_EQ(archive.extra("regimen.json"), R"({"version": 1})");
  EXPECT_FALSE(archive.extra("other").has_value());
  EXPECT_THROW(archive.bytes("nothing"), Error);
}

TEST(Archive, ReadsFromAFileWithoutCopying) {
  TemporaryFolder folder;
  writeFile(folder / "a.pt2", archiveBytes());
  Archive archive = Archive::open(folder / "a.pt2");
  EXPECT_EQ(archive.bytes("data/weights/weight_1").data(),
            archive.unverifiedBytes("data/weights/weight_1").data());
  EXPECT_THROW(Archive::open(folder / "missing.pt2"), Error);
  EXPECT_THROW(Archive::open(folder.path), Error);
}

TEST(Archive, ReadsEveryShapeOfZip) {
  for (bool zip64 : {false, true})
    for (bool descriptor : {false, true}) {
      Bytes bytes = zip(pt2Entries(), {zip64, descriptor, "a comment"});
      EXPECT_EQ(errorOf(bytes), "") << zip64 << descriptor;
      Archive archive = Archive::fromBytes(bytes, "test.pt2");
      EXPECT_EQ(archive.text("data/constants/tensor_1"), "wxyz");
    }
}

TEST(Archive, WorksWithoutARootFolder) {
  Bytes bytes = zip({{"archive_format", "pt2"}});
  EXPECT_EQ(Archive::fromBytes(bytes, "test.pt2").root(), "");
}

TEST(Archive, RefusesWhatIsNoArchive) {
  EXPECT_NE(errorOf({}).find("not a zip archive"), std::string::npos);
  EXPECT_NE(errorOf(toBytes(std::string(5000, 'x'))).find("not a zip archive"), std::string::npos);
  EXPECT_NE(errorOf(zip({{"a/b", "c"}})).find("not of torch.export.save"), std::string::npos);
  EXPECT_NE(errorOf(zip({{"a/archive_format", "pt3"}})).find("archive_format"), std::string::npos);
  EXPECT_NE(errorOf(zip({{"a/archive_format", "pt2"}, {"a/archive_version", "1"}}))
                .find("archive_version is '1'"),
            std::string::npos);
  EXPECT_NE(
      errorOf(zip({{"a/archive_format", "pt2"}, {"a/byteorder", "big"}})).find("little-endian"),
      std::string::npos);
  EXPECT_NE(
      errorOf(zip({{"a/archive_format", "pt2"}, {"a/x", "1"}, {"a/x", "2"}})).find("two entries"),
      std::string::npos);
}

TEST(Archive, FindsADamagedPayload) {
  Bytes bytes = archiveBytes();
  size_t at = toText(bytes).find("ABCDEFGHIJKLMNOP");
  bytes[at + 3] ^= std::byte{1};
  Archive archive = Archive::fromBytes(bytes, "test.pt2");
  EXPECT_NO_THROW(archive.bytes("data/weights/weight_0"));
  EXPECT_NO_THROW(archive.unverifiedBytes("data/weights/weight_1"));
  EXPECT_THROW(archive.bytes("data/weights/weight_1"), Error);
  EXPECT_NE(errorOf(bytes).find("'data/weights/weight_1' is damaged"), std::string::npos);
}

TEST(Archive, RefusesCompressedEntriesByName) {
  Bytes bytes = zip({{"a/archive_format", "pt2"}, {"a/x", "payload"}});
  // The compression method of the second directory entry.
  size_t at = toText(bytes).rfind("PK\x01\x02");
  bytes[at + 10] = std::byte{8};
  EXPECT_NE(errorOf(bytes).find("'x' is compressed"), std::string::npos);
}

static std::string digestOf(const Bytes &bytes) {
  return Archive::fromBytes(bytes, "test.pt2").directoryDigest();
}

TEST(Archive, DigestFollowsContents) {
  auto entries = pt2Entries();
  std::string digest = digestOf(zip(entries));
  EXPECT_EQ(digest, digestOf(zip(entries)));
  EXPECT_EQ(digest.size(), 64u);
  entries[0].second[0] = '!';
  EXPECT_NE(digest, digestOf(zip(entries)));
}
