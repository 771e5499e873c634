//===- FuzzPt2.cpp - Any bytes as a .pt2 archive ---------------------------===//
//
// A CRC guards every entry, which random changes never get past. So the first byte chooses: the
// bytes are an archive, or a model.json inside of a good one.
//
//===----------------------------------------------------------------------===//

#include "formats/Error.h"
#include "formats/pt2/ExportedProgram.h"

#include <zlib.h>

using namespace regimen;
using namespace regimen::pt2;

/// A stored zip file of a single payload beside the archive's marker.
static std::string wrap(std::string_view model) {
  auto field = [](std::string &to, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
      to += static_cast<char>(value >> (8 * i));
  };
  std::string file, directory;
  for (auto [name, payload] :
       {std::pair<std::string_view, std::string_view>{"m/archive_format", "pt2"},
        {"m/models/model.json", model}}) {
    uint64_t local = file.size();
    uint64_t crc = crc32_z(0, reinterpret_cast<const Bytef *>(payload.data()), payload.size());
    field(file, 0x04034b50, 4);
    file.append(22, '\0');
    field(file, name.size(), 2);
    field(file, 0, 2);
    file.append(name).append(payload);
    field(directory, 0x02014b50, 4);
    directory.append(12, '\0');
    field(directory, crc, 4);
    field(directory, payload.size(), 4);
    field(directory, payload.size(), 4);
    field(directory, name.size(), 2);
    directory.append(12, '\0');
    field(directory, local, 4);
    directory.append(name);
  }
  uint64_t offset = file.size();
  file += directory;
  field(file, 0x06054b50, 4);
  field(file, 0, 4);
  field(file, 2, 2);
  field(file, 2, 2);
  field(file, directory.size(), 4);
  field(file, offset, 4);
  field(file, 0, 2);
  return file;
}

static void load(std::span<const std::byte> bytes) {
  try {
    Archive archive = Archive::fromBytes(bytes, "input");
    archive.directoryDigest();
    ExportedProgram program = ExportedProgram::load(archive);
    for (const Weight &weight : program.weights)
      if (!weight.usePickle && weight.isContiguous())
        ExportedProgram::data(archive, weight);
    archive.verify();
  } catch (const Error &) {
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  if (data[0] == '{') {
    std::string file = wrap({reinterpret_cast<const char *>(data), size});
    load(std::as_bytes(std::span(file)));
  } else {
    load(std::as_bytes(std::span(data, size)));
  }
  return 0;
}
