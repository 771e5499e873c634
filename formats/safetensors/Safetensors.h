//===- Safetensors.h - Reader and writer of safetensors files ---*- C++ -*-===//
#ifndef REGIMEN_FORMATS_SAFETENSORS_SAFETENSORS_H
#define REGIMEN_FORMATS_SAFETENSORS_SAFETENSORS_H

#include "formats/AtomicFile.h"
#include "formats/MappedFile.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace regimen::safetensors {

enum class DType : uint8_t {
  Bool,
  U8,
  I8,
  F8E4M3,
  F8E5M2,
  U16,
  I16,
  F16,
  BF16,
  U32,
  I32,
  F32,
  U64,
  I64,
  F64
};
/// As the format spells it, e.g. "F32".
std::string_view name(DType dtype);
unsigned elementBytes(DType dtype);

/// A contiguous little-endian tensor in a file's mapping. Not necessarily aligned.
struct TensorView {
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

/// A mapped safetensors file. Views live as long as the object.
class File {
public:
  /// Throws Error on a header above 100 MB, malformed or duplicate entries, ranges that overlap,
  /// leave gaps or run past the end, and byte counts that differ from shape and dtype.
  static File open(const std::filesystem::path &path);
  static File fromBytes(std::span<const std::byte> bytes, std::string name);

  const std::string &name() const { return fileName; }
  const std::map<std::string, TensorView, std::less<>> &tensors() const { return views; }
  /// Null if there is none of this name.
  const TensorView *find(std::string_view tensor) const;
  const std::map<std::string, std::string> &metadata() const { return meta; }

private:
  void readHeader();

  std::string fileName;
  MappedFile mapping;
  std::span<const std::byte> file;
  std::map<std::string, TensorView, std::less<>> views;
  std::map<std::string, std::string> meta;
};

/// Tensors of one file, or of a Hugging Face folder: model.safetensors.index.json with its files,
/// else model.safetensors, else the folder's only .safetensors file.
class Collection {
public:
  static Collection open(const std::filesystem::path &fileOrFolder);

  const TensorView *find(std::string_view tensor) const;
  const std::map<std::string, const TensorView *, std::less<>> &tensors() const { return views; }
  const std::vector<File> &files() const { return parts; }

private:
  std::vector<File> parts;
  std::map<std::string, const TensorView *, std::less<>> views;
};

/// Name and type of a tensor to be written.
struct TensorInfo {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
};

/// Where things stand in a file of these tensors: by falling element size, then name, so equal
/// contents give equal bytes and every tensor is aligned.
class Layout {
public:
  struct Range {
    uint64_t begin, end; // file positions
  };

  /// Throws Error, with `file` for a name, where such tensors cannot be in one file.
  Layout(const std::string &file, const std::vector<TensorInfo> &tensors,
         const std::map<std::string, std::string> &metadata = {});

  /// What the file begins with.
  std::span<const std::byte> header() const { return std::as_bytes(std::span(start)); }
  uint64_t fileBytes() const { return end; }
  /// By tensor.
  const std::map<std::string, Range, std::less<>> &ranges() const { return places; }

private:
  std::string start;
  std::map<std::string, Range, std::less<>> places;
  uint64_t end = 0;
};

/// Writes one file without holding its tensors: declare all, write each once (in any order, in
/// pieces), finish. The file appears at `path` only when finish() returns.
class Writer {
public:
  Writer(const std::filesystem::path &path, const std::vector<TensorInfo> &tensors,
         const std::map<std::string, std::string> &metadata = {});

  /// Appends bytes to a tensor. Throws Error for an unknown name or more bytes than it has.
  void write(std::string_view tensor, std::span<const std::byte> bytes);
  /// Throws Error if a tensor is incomplete or the disk refuses.
  void finish();

private:
  std::string fileName;
  AtomicFile file;
  /// What is still to be written of each tensor.
  std::map<std::string, Layout::Range, std::less<>> missing;
};

/// Writes all tensors at once.
void write(const std::filesystem::path &path,
           const std::map<std::string, TensorView, std::less<>> &tensors,
           const std::map<std::string, std::string> &metadata = {});

} // namespace regimen::safetensors

#endif // REGIMEN_FORMATS_SAFETENSORS_SAFETENSORS_H
