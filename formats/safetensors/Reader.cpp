#include "formats/safetensors/Safetensors.h"

#include "formats/Error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <set>

using namespace regimen;
using namespace regimen::safetensors;
using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "tensors are little-endian");

/// The format's own limit.
static constexpr uint64_t kMaxHeader = 100'000'000;

namespace {
struct DTypeInfo {
  std::string_view name;
  unsigned bytes;
};
} // namespace

/// By DType's order.
static constexpr DTypeInfo kDTypes[] = {{"BOOL", 1},    {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1},
                                        {"F8_E5M2", 1}, {"U16", 2}, {"I16", 2}, {"F16", 2},
                                        {"BF16", 2},    {"U32", 4}, {"I32", 4}, {"F32", 4},
                                        {"U64", 8},     {"I64", 8}, {"F64", 8}};

std::string_view regimen::safetensors::name(DType dtype) {
  return kDTypes[static_cast<size_t>(dtype)].name;
}

unsigned regimen::safetensors::elementBytes(DType dtype) {
  return kDTypes[static_cast<size_t>(dtype)].bytes;
}

static std::optional<DType> parseDType(const std::string &text) {
  for (size_t i = 0; i < std::size(kDTypes); ++i)
    if (kDTypes[i].name == text)
      return static_cast<DType>(i);
  return std::nullopt;
}

File File::open(const std::filesystem::path &path) {
  File file;
  file.fileName = path.string();
  file.mapping = MappedFile::open(path);
  file.file = file.mapping.bytes();
  file.readHeader();
  return file;
}

File File::fromBytes(std::span<const std::byte> bytes, std::string name) {
  File file;
  file.fileName = std::move(name);
  file.file = bytes;
  file.readHeader();
  return file;
}

const TensorView *File::find(std::string_view tensor) const {
  auto it = views.find(tensor);
  return it == views.end() ? nullptr : &it->second;
}

namespace {
/// Name that occurs twice in one object of the header, which a parsed map no longer shows; "" if
/// none does.
class DuplicateKeys : public nlohmann::json_sax<Json> {
public:
  std::string duplicate;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t &) override { return true; }
  bool string(string_t &) override { return true; }
  bool binary(binary_t &) override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool start_object(size_t) override {
    keys.emplace_back();
    return true;
  }
  bool end_object() override {
    keys.pop_back();
    return true;
  }
  bool key(string_t &text) override {
    if (keys.back().insert(text).second)
      return true;
    duplicate = text;
    return false;
  }
  bool parse_error(size_t, const std::string &, const Json::exception &) override { return false; }

private:
  std::vector<std::set<std::string>> keys;
};
} // namespace

/// An array of non-negative integers.
static std::vector<int64_t> toInts(const Json &json, const char *key) {
  auto it = json.find(key);
  if (it == json.end() || !it->is_array())
    throw Error(std::string("'") + key + "' is missing or no array");
  std::vector<int64_t> values;
  for (const Json &item : *it) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() > INT64_MAX)
      throw Error(std::string("'") + key + "' holds something else than sizes");
    values.push_back(item.get<int64_t>());
  }
  return values;
}

static TensorView toView(const Json &json, std::span<const std::byte> data) {
  if (!json.is_object())
    throw Error("its entry is no object");
  TensorView view;
  auto dtype = json.find("dtype");
  if (dtype == json.end() || !dtype->is_string())
    throw Error("'dtype' is missing or no string");
  std::optional<DType> parsed = parseDType(dtype->get<std::string>());
  if (!parsed)
    throw Error("unknown dtype '" + dtype->get<std::string>() + "'");
  view.dtype = *parsed;
  view.shape = toInts(json, "shape");
  std::vector<int64_t> offsets = toInts(json, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1] ||
      static_cast<uint64_t>(offsets[1]) > data.size())
    throw Error("'data_offsets' lie outside the file");
  int64_t bytes = elementBytes(view.dtype);
  bool empty = std::find(view.shape.begin(), view.shape.end(), 0) != view.shape.end();
  if (empty)
    bytes = 0;
  for (int64_t size : view.shape)
    if (!empty && __builtin_mul_overflow(bytes, size, &bytes))
      throw Error("its shape overflows");
  if (offsets[1] - offsets[0] != bytes)
    throw Error("has " + std::to_string(offsets[1] - offsets[0]) +
                " bytes, but its shape and dtype need " + std::to_string(bytes));
  view.bytes = data.subspan(static_cast<size_t>(offsets[0]), static_cast<size_t>(bytes));
  return view;
}

void File::readHeader() {
  auto fail = [&](const std::string &what) { throw Error("'" + fileName + "': " + what); };
  uint64_t headerBytes = 0;
  if (file.size() < sizeof(headerBytes))
    fail("not a safetensors file: shorter than its first field");
  std::memcpy(&headerBytes, file.data(), sizeof(headerBytes));
  if (headerBytes > kMaxHeader)
    fail("not a safetensors file: its header would be larger than 100 MB");
  if (headerBytes > file.size() - sizeof(headerBytes))
    fail("safetensors file is cut short within its header");
  std::string_view header(reinterpret_cast<const char *>(file.data()) + sizeof(headerBytes),
                          headerBytes);
  std::span<const std::byte> data = file.subspan(sizeof(headerBytes) + headerBytes);

  Json json;
  try {
    json = Json::parse(header);
  } catch (const Json::exception &error) {
    fail(std::string("safetensors header is not JSON: ") + error.what());
  }
  if (!json.is_object())
    fail("safetensors header is no JSON object");
  DuplicateKeys duplicates;
  Json::sax_parse(header, &duplicates);
  if (!duplicates.duplicate.empty())
    fail("safetensors header has the key '" + duplicates.duplicate + "' twice");

  for (const auto &[key, value] : json.items()) {
    if (key == "__metadata__") {
      if (!value.is_object())
        fail("'__metadata__' is no object");
      for (const auto &[name, text] : value.items()) {
        if (!text.is_string())
          fail("'__metadata__' holds something else than strings");
        meta.emplace(name, text.get<std::string>());
      }
      continue;
    }
    try {
      views.emplace(key, toView(value, data));
    } catch (const Error &error) {
      fail("tensor '" + key + "': " + error.what());
    }
  }

  // The tensors must fill the data exactly: an overlap or a hole means that something else was
  // meant.
  std::vector<std::pair<std::span<const std::byte>, std::string_view>> ranges;
  for (const auto &[tensor, view] : views)
    if (!view.bytes.empty())
      ranges.emplace_back(view.bytes, tensor);
  std::sort(ranges.begin(), ranges.end(),
            [](const auto &a, const auto &b) { return a.first.data() < b.first.data(); });
  const std::byte *end = data.data();
  for (const auto &[bytes, tensor] : ranges) {
    if (bytes.data() < end)
      fail("tensor '" + std::string(tensor) + "' overlaps another one");
    if (bytes.data() > end)
      fail("there are unused bytes before tensor '" + std::string(tensor) + "'");
    end = bytes.data() + bytes.size();
  }
  if (end != data.data() + data.size())
    fail("there are unused bytes behind the last tensor");
}
