#include "test/formats/Samples.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <unistd.h>
#include <zlib.h>

using namespace regimen;
using namespace regimen::samples;

Bytes regimen::samples::toBytes(std::string_view text) {
  const std::byte *data = reinterpret_cast<const std::byte *>(text.data());
  return {data, data + text.size()};
}

std::string_view regimen::samples::toText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

namespace {
/// Little-endian fields one after the other.
struct Fields {
  std::string text;
  Fields &u16(uint64_t value) { return put(value, 2); }
  Fields &u32(uint64_t value) { return put(value, 4); }
  Fields &u64(uint64_t value) { return put(value, 8); }
  Fields &add(std::string_view more) {
    text += more;
    return *this;
  }

private:
  Fields &put(uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
      text += static_cast<char>(value >> (8 * i));
    return *this;
  }
};
} // namespace

Bytes regimen::samples::zip(const std::vector<std::pair<std::string, std::string>> &entries,
                            const ZipOptions &options) {
  constexpr uint64_t overflow = 0xffffffff;
  uint64_t flags = options.dataDescriptor ? 0x0808 : 0x0800;
  Fields file, directory;
  for (const auto &[name, payload] : entries) {
    uint64_t local = file.text.size();
    uint64_t crc = crc32_z(0, reinterpret_cast<const Bytef *>(payload.data()), payload.size());
    bool inLocal = !options.dataDescriptor;
    uint64_t size = payload.size();
    // PyTorch fills an extra field "FB" so that the payload is aligned.
    uint64_t start = local + 30 + name.size() + 4;
    uint64_t padding = (64 - start % 64) % 64;
    file.u32(0x04034b50).u16(20).u16(flags).u16(0).u16(0).u16(0);
    file.u32(inLocal ? crc : 0).u32(inLocal ? size : 0).u32(inLocal ? size : 0);
    file.u16(name.size()).u16(4 + padding).add(name);
    file.u16(0x4246).u16(padding).add(std::string(padding, 'Z')).add(payload);
    if (options.dataDescriptor)
      file.u32(0x08074b50).u32(crc).u32(size).u32(size);

    directory.u32(0x02014b50).u16(20).u16(20).u16(flags).u16(0).u16(0).u16(0).u32(crc);
    directory.u32(options.zip64 ? overflow : size).u32(options.zip64 ? overflow : size);
    directory.u16(name.size()).u16(options.zip64 ? 28 : 0).u16(0).u16(0).u16(0).u32(0);
    directory.u32(options.zip64 ? overflow : local).add(name);
    if (options.zip64)
      directory.u16(1).u16(24).u64(size).u64(size).u64(local);
  }
  uint64_t offset = file.text.size(), size = directory.text.size(), count = entries.size();
  file.add(directory.text);
  if (options.zip64) {
    uint64_t end64 = file.text.size();
    file.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0).u64(count).u64(count).u64(size);
    file.u64(offset).u32(0x07064b50).u32(0).u64(end64).u32(1);
    offset = size = overflow;
    count = 0xffff;
  }
  file.u32(0x06054b50).u16(0).u16(0).u16(count).u16(count).u32(size).u32(offset);
  file.u16(options.comment.size()).add(options.comment);
  return toBytes(file.text);
}

static constexpr const char *kModel = R"json({
"schema_version": {"major": 8, "minor": 17}, "opset_version": {"aten": 10}, "torch_version": "2.11.0",
"verifiers": ["TRAINING"], "guards_code": ["L['x'].size()[0] == 4"], "unknown_key": [1, {"a": null}],
"range_constraints": {"s72": {"min_val": 2, "max_val": 64}, "u0": {"min_val": 0, "max_val": null}},
"graph_module": {
 "graph": {
  "inputs": [{"as_tensor": {"name": "p_w"}}, {"as_tensor": {"name": "p_tied"}}, {"as_tensor": {"name": "b_mean"}},
   {"as_tensor": {"name": "b_freq"}}, {"as_tensor": {"name": "c_0"}}, {"as_tensor": {"name": "x"}},
   {"as_int": 3}],
  "outputs": [{"as_tensor": {"name": "add"}}, {"as_tensor": {"name": "linear"}}],
  "nodes": [
   {"target": "torch.ops.aten.linear.default", "name": "linear",
    "inputs": [{"name": "input", "arg": {"as_tensor": {"name": "x"}}, "kind": 1},
               {"name": "weight", "arg": {"as_tensor": {"name": "p_w"}}, "kind": 1}],
    "outputs": [{"as_tensor": {"name": "linear"}}],
    "metadata": {"stack_trace": "File \"/home/me/model.py\", line 12, in forward\n    return self.fc(x)\n  File \"/usr/lib/python3/site-packages/torch/nn/modules/linear.py\", line 134, in forward\n    return F.linear(input, self.weight, self.bias)",
     "nn_module_stack": "L__self__,,model.Net;L__self__fc,fc,torch.nn.modules.linear.Linear"}},
   {"target": "torch.ops.aten.all_kinds.default", "name": "kinds", "outputs": [{"as_tensors": [{"name": "add"}]}],
    "metadata": {},
    "inputs": [
     {"name": "none", "arg": {"as_none": true}, "kind": 2},
     {"name": "tensors", "arg": {"as_tensors": [{"name": "x"}, {"name": "linear"}]}, "kind": 1},
     {"name": "optional_tensors", "arg": {"as_optional_tensors": [{"as_none": true}, {"as_tensor": {"name": "x"}}]}, "kind": 1},
     {"name": "optional_tensor", "arg": {"as_optional_tensor": {"as_tensor": {"name": "x"}}}, "kind": 1},
     {"name": "nested_tensors", "arg": {"as_nested_tensors": [[{"name": "x"}], []]}, "kind": 1},
     {"name": "int", "arg": {"as_int": -7}, "kind": 1},
     {"name": "ints", "arg": {"as_ints": [1, 2]}, "kind": 1},
     {"name": "int_lists", "arg": {"as_int_lists": [[1], [2, 3]]}, "kind": 1},
     {"name": "float", "arg": {"as_float": "-Infinity"}, "kind": 1},
     {"name": "floats", "arg": {"as_floats": [0.5, 2]}, "kind": 1},
     {"name": "bool", "arg": {"as_bool": true}, "kind": 1},
     {"name": "bools", "arg": {"as_bools": [true, false]}, "kind": 1},
     {"name": "string", "arg": {"as_string": "mean"}, "kind": 1},
     {"name": "strings", "arg": {"as_strings": ["a", "b"]}, "kind": 1},
     {"name": "complex", "arg": {"as_complex": {"real": 1.0, "imag": 2.0}}, "kind": 1},
     {"name": "sym_int", "arg": {"as_sym_int": {"as_name": "sym_size_int"}}, "kind": 1},
     {"name": "sym_int_constant", "arg": {"as_sym_int": {"as_int": 5}}, "kind": 1},
     {"name": "sym_ints", "arg": {"as_sym_ints": [{"as_int": -1}, {"as_name": "sym_size_int"}]}, "kind": 1},
     {"name": "sym_ints_constant", "arg": {"as_sym_ints": [{"as_int": -1}, {"as_int": 4}]}, "kind": 1},
     {"name": "sym_bool", "arg": {"as_sym_bool": {"as_name": "le"}}, "kind": 1},
     {"name": "sym_float", "arg": {"as_sym_float": {"as_float": 1.5}}, "kind": 1},
     {"name": "dtype", "arg": {"as_scalar_type": 7}, "kind": 2},
     {"name": "layout", "arg": {"as_layout": 7}, "kind": 2},
     {"name": "memory_format", "arg": {"as_memory_format": 1}, "kind": 2},
     {"name": "device", "arg": {"as_device": {"type": "cuda", "index": 1}}, "kind": 2},
     {"name": "graph", "arg": {"as_graph": {"name": "body", "graph": {"inputs": [], "outputs": [], "nodes": [], "tensor_values": {}}}}, "kind": 1},
     {"name": "operator", "arg": {"as_operator": "torch.ops.aten.add.Tensor"}, "kind": 1},
     {"name": "custom", "arg": {"as_custom_obj": {"name": "obj", "class_fqn": "a.B"}}, "kind": 1},
     {"name": "dict", "arg": {"as_string_to_argument": {"k": {"as_int": 1}}}, "kind": 1},
     {"name": "future", "arg": {"as_something_new": [1]}, "kind": 1}]}],
  "tensor_values": {
   "x": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "Symbol('s72', positive=True, integer=True)", "hint": {"as_int": 4}}}, {"as_int": 3}],
    "requires_grad": false, "device": {"type": "cpu", "index": null}, "strides": [{"as_int": 3}, {"as_int": 1}],
    "storage_offset": {"as_int": 0}, "layout": 7},
   "p_w": {"dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 3}], "requires_grad": true, "device": {"type": "cpu", "index": null},
    "strides": [{"as_int": 3}, {"as_int": 1}], "storage_offset": {"as_int": 0}, "layout": 7}},
  "sym_int_values": {"sym_size_int": {"as_expr": {"expr_str": "Mul(Integer(2), Symbol('s72', positive=True, integer=True))", "hint": null}}},
  "sym_bool_values": {}, "sym_float_values": {}, "custom_obj_values": {}, "is_single_tensor_return": false},
 "signature": {
  "input_specs": [{"parameter": {"arg": {"name": "p_w"}, "parameter_name": "w"}},
   {"parameter": {"arg": {"name": "p_tied"}, "parameter_name": "tied"}},
   {"buffer": {"arg": {"name": "b_mean"}, "buffer_name": "mean", "persistent": true}},
   {"buffer": {"arg": {"name": "b_freq"}, "buffer_name": "freq", "persistent": false}},
   {"tensor_constant": {"arg": {"name": "c_0"}, "tensor_constant_name": "lifted_0"}},
   {"user_input": {"arg": {"as_tensor": {"name": "x"}}}},
   {"constant_input": {"name": "n", "value": {"as_int": 3}}}],
  "output_specs": [{"buffer_mutation": {"arg": {"name": "add"}, "buffer_name": "mean"}},
   {"user_output": {"arg": {"as_tensor": {"name": "linear"}}}}]},
 "module_call_graph": [{"fqn": "", "signature": {"inputs": [], "outputs": [], "in_spec": "[1, {}]", "out_spec": "[1, null]",
  "forward_arg_names": ["x", "n"]}}, {"fqn": "fc", "signature": null}],
 "metadata": {}, "treespec_namedtuple_fields": {}}})json";

static std::string weightEntry(const char *path, bool isParam, const char *sizes,
                               const char *strides) {
  std::string text = R"({"path_name": ")";
  text.append(path).append(R"(", "is_param": )").append(isParam ? "true" : "false");
  text.append(R"(, "use_pickle": false, "tensor_meta": {"dtype": 7, "sizes": [)").append(sizes);
  text.append(R"(], "requires_grad": )").append(isParam ? "true" : "false");
  text.append(R"(, "device": {"type": "cpu", "index": null}, "strides": [)").append(strides);
  return text.append(R"(], "storage_offset": {"as_int": 0}, "layout": 7}})");
}

std::vector<std::pair<std::string, std::string>> regimen::samples::pt2Entries() {
  std::string matrix = R"({"as_int": 2}, {"as_int": 3})", rows = R"({"as_int": 3}, {"as_int": 1})";
  std::string vector = R"({"as_int": 4})", dense = R"({"as_int": 1})";
  std::string weights =
      R"({"config": {"w": )" + weightEntry("weight_0", true, matrix.c_str(), rows.c_str()) +
      R"(, "tied": )" + weightEntry("weight_0", true, matrix.c_str(), rows.c_str()) +
      R"(, "mean": )" + weightEntry("weight_1", false, vector.c_str(), dense.c_str()) + "}}";
  std::string constants = R"({"config": {"freq": )" +
                          weightEntry("tensor_0", false, vector.c_str(), dense.c_str()) +
                          R"(, "lifted_0": )" + weightEntry("tensor_1", false, "", "") + "}}";
  return {{"tiny/data/weights/weight_0", "0123456789abcdefghijklmn"},
          {"tiny/data/weights/weight_1", "ABCDEFGHIJKLMNOP"},
          {"tiny/data/weights/model_weights_config.json", weights},
          {"tiny/data/constants/tensor_0", "abcdefghijklmnop"},
          {"tiny/data/constants/tensor_1", "wxyz"},
          {"tiny/data/constants/model_constants_config.json", constants},
          {"tiny/models/model.json", kModel},
          {"tiny/extra/regimen.json", R"({"version": 1})"},
          {"tiny/archive_format", "pt2"},
          {"tiny/archive_version", "0"},
          {"tiny/byteorder", "little"}};
}

Bytes regimen::samples::archiveBytes() { return zip(pt2Entries()); }

Bytes regimen::samples::safetensorsBytes(std::string_view header, std::string_view data) {
  return toBytes(Fields().u64(header.size()).add(header).add(data).text);
}

Bytes regimen::samples::safetensorsBytes() {
  return safetensorsBytes(R"({"__metadata__":{"format":"pt"},)"
                          R"("a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
                          R"("b":{"dtype":"BF16","shape":[],"data_offsets":[16,18]},)"
                          R"("c":{"dtype":"I64","shape":[0,3],"data_offsets":[18,18]}})",
                          "0123456789abcdefXY");
}

static std::filesystem::path makeFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "regimen-XXXXXX").string();
  if (!::mkdtemp(pattern.data()))
    throw std::runtime_error("no temporary folder");
  return pattern;
}

TemporaryFolder::TemporaryFolder() : path(makeFolder()) {}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path, error);
}

void regimen::samples::writeFile(const std::filesystem::path &path,
                                 std::span<const std::byte> bytes) {
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char *>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

Bytes regimen::samples::readFile(const std::filesystem::path &path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  return toBytes(text);
}
