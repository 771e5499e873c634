//===- TokenData.cpp ------------------------------------------------------===//
#include "formats/Error.h"
#include "formats/MappedFile.h"
#include "runtime/data/DataSource.h"
#include "runtime/data/Types.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace regimen::runtime {
namespace {

/// Tokens that are looked at to tell 16 from 32 bits.
constexpr size_t kProbe = 1 << 16;

class TokenData : public DataSource {
public:
  TokenData(const std::filesystem::path &path, std::vector<InputSpec> inputs, Labels labels,
            unsigned bits)
      : fileName(path.string()), file(MappedFile::open(path)), specs(std::move(inputs)) {
    wordBytes = (bits ? bits : guessBits()) / 8;
    if (wordBytes != 2 && wordBytes != 4)
      fail("tokens have 16 or 32 bits");
    if (file.bytes().size() % wordBytes != 0)
      fail("its size of " + std::to_string(file.bytes().size()) +
           " bytes is not a whole number of " + std::to_string(8 * wordBytes) + "-bit tokens");
    uint64_t tokens = file.bytes().size() / wordBytes, last = 0;
    for (const InputSpec &spec : specs) {
      roles.push_back(roleOf(spec));
      if (roles.back() == Role::Labels && labels == Labels::Shifted) {
        shift = 1;
        last = 1;
      }
    }
    if (std::find(roles.begin(), roles.end(), Role::Tokens) == roles.end())
      fail("the model has no input for tokens: an integer input [batch, length] is needed");
    uint64_t needed = static_cast<uint64_t>(batch * length);
    blockCount = tokens > last ? (tokens - last) / needed : 0;
    if (blockCount == 0)
      fail("it has " + std::to_string(tokens) + " tokens, one micro-batch of " +
           std::to_string(batch) + " windows of " + std::to_string(length) + " needs " +
           std::to_string(needed + last));
  }

  uint64_t blocks() const override { return blockCount; }

  void load(uint64_t block, size_t input, std::span<std::byte> destination) const override {
    if (specs[input].dtype == plan::fb::DType::I64)
      fill(block, input, reinterpret_cast<int64_t *>(destination.data()));
    else
      fill(block, input, reinterpret_cast<int32_t *>(destination.data()));
  }

private:
  enum class Role { Tokens, Labels, Mask, Positions };

  [[noreturn]] void fail(const std::string &what) const {
    throw Error("token file " + fileName + ": " + what);
  }

  /// Vocabularies are below 2^18, so the upper half of a 32-bit token is at most 3; text of 16-bit
  /// tokens has larger ones at odd places.
  unsigned guessBits() const {
    std::span<const std::byte> bytes = file.bytes();
    if (bytes.size() % 4 != 0)
      return 16;
    size_t words = std::min(bytes.size() / 4, kProbe);
    for (size_t i = 0; i < words; ++i) {
      uint16_t upper;
      std::memcpy(&upper, bytes.data() + 4 * i + 2, 2);
      if (upper > 3)
        return 16;
    }
    return 32;
  }

  Role roleOf(const InputSpec &spec) {
    std::string name = spec.name;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    auto has = [&](const char *part) { return name.find(part) != std::string::npos; };
    bool integer = spec.dtype == plan::fb::DType::I64 || spec.dtype == plan::fb::DType::I32;
    if (!integer || spec.sizes.empty() || spec.sizes.size() > 2)
      fail("input '" + spec.name + "' (" + describe(spec.dtype, spec.sizes) +
           ") cannot be made of tokens; give its data with --data");
    if (has("position")) // may lack the batch axis
      return Role::Positions;
    if (spec.sizes.size() != 2)
      fail("input '" + spec.name + "' (" + describe(spec.dtype, spec.sizes) +
           ") is not [batch, length]");
    if (length != 0 && (spec.sizes[0] != batch || spec.sizes[1] != length))
      fail("inputs of the model have different shapes; give their data with --data");
    batch = spec.sizes[0];
    length = spec.sizes[1];
    if (has("label") || has("target"))
      return Role::Labels;
    return has("mask") ? Role::Mask : Role::Tokens;
  }

  template <typename Element> void fill(uint64_t block, size_t input, Element *out) const {
    Role role = roles[input];
    const std::vector<int64_t> &sizes = specs[input].sizes;
    int64_t count = 1;
    for (int64_t size : sizes)
      count *= size;
    if (role == Role::Mask) {
      std::fill_n(out, count, Element(1));
      return;
    }
    if (role == Role::Positions) {
      for (int64_t i = 0; i < count; ++i)
        out[i] = static_cast<Element>(i % sizes.back());
      return;
    }
    uint64_t begin = block * static_cast<uint64_t>(count) + (role == Role::Labels ? shift : 0);
    const std::byte *source = file.bytes().data() + begin * wordBytes;
    for (int64_t i = 0; i < count; ++i) {
      uint32_t token = 0;
      std::memcpy(&token, source + static_cast<uint64_t>(i) * wordBytes, wordBytes);
      out[i] = static_cast<Element>(token);
    }
  }

  std::string fileName;
  MappedFile file;
  std::vector<InputSpec> specs;
  std::vector<Role> roles;
  uint64_t wordBytes = 2, blockCount = 0, shift = 0;
  int64_t batch = 0, length = 0;
};

} // namespace

std::unique_ptr<DataSource> openTokenData(const std::filesystem::path &path,
                                          std::vector<InputSpec> inputs, Labels labels,
                                          unsigned bits) {
  return std::make_unique<TokenData>(path, std::move(inputs), labels, bits);
}

} // namespace regimen::runtime
