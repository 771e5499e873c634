//===- ExportedProgram.h - What torch.export.save wrote ---------*- C++ -*-===//
//
// models/model.json and the weight directories of a .pt2 archive as plain structs. Unknown JSON
// keys are ignored and missing optional ones take their defaults, so any minor version of schema 8
// reads.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_FORMATS_PT2_EXPORTEDPROGRAM_H
#define REGIMEN_FORMATS_PT2_EXPORTEDPROGRAM_H

#include "formats/pt2/Archive.h"
#include "formats/pt2/Expr.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace regimen::pt2 {

/// The serializer's scalar types, by its own numbers.
enum class DType : uint8_t {
  Unknown = 0,
  UInt8 = 1,
  Int8 = 2,
  Int16 = 3,
  Int32 = 4,
  Int64 = 5,
  Float16 = 6,
  Float32 = 7,
  Float64 = 8,
  ComplexHalf = 9,
  ComplexFloat = 10,
  ComplexDouble = 11,
  Bool = 12,
  BFloat16 = 13,
  UInt16 = 28,
  Float8E4M3FN = 29,
  Float8E5M2 = 30,
  Float8E4M3FNUZ = 31,
  Float8E5M2FNUZ = 32,
  Float8E8M0FNU = 33,
  UInt32 = 34,
  UInt64 = 35,
};
/// As PyTorch prints it without "torch.", e.g. "float32".
std::string_view name(DType dtype);
/// Bytes of an element; 0 for Unknown.
unsigned elementBytes(DType dtype);

/// The serializer's layouts and memory formats that occur; other numbers pass through.
enum class Layout : uint8_t { Unknown = 0, SparseCoo = 1, Strided = 7 };
enum class MemoryFormat : uint8_t {
  Unknown = 0,
  Contiguous = 1,
  ChannelsLast = 2,
  ChannelsLast3d = 3,
  Preserve = 4
};

struct Device {
  std::string type; // "cpu", "cuda", "meta"
  std::optional<int64_t> index;
};

/// Type of a tensor value. Sizes, strides and offset are in elements; constants in a static export.
struct TensorMeta {
  DType dtype = DType::Unknown;
  std::vector<Expr> sizes;
  std::vector<Expr> strides;
  Expr storageOffset;
  bool requiresGrad = false; // true only for parameters, whatever autograd would say
  Device device;
  Layout layout = Layout::Strided;
};

struct Graph;
struct Argument;

// The kinds of arguments. A symbolic int, float or bool that is in fact a number reads as the plain
// kind, and a list of symbolic ints that are all numbers as IntsArg; optional tensors read as
// TensorArg or NoneArg.
struct NoneArg {};
struct TensorArg {
  std::string name;
};
struct TensorsArg {
  std::vector<std::string> names;
};
struct OptionalTensorsArg {
  std::vector<std::optional<std::string>> names;
};
struct NestedTensorsArg {
  std::vector<std::vector<std::string>> names;
};
struct IntArg {
  int64_t value;
};
struct IntsArg {
  std::vector<int64_t> values;
};
struct IntListsArg {
  std::vector<std::vector<int64_t>> values;
};
struct FloatArg {
  double value;
};
struct FloatsArg {
  std::vector<double> values;
};
struct BoolArg {
  bool value;
};
struct BoolsArg {
  std::vector<bool> values;
};
struct StringArg {
  std::string value;
};
struct StringsArg {
  std::vector<std::string> values;
};
struct ComplexArg {
  double real, imaginary;
};
/// Name of a node whose result is a symbolic int, float or bool.
struct SymIntArg {
  std::string name;
};
struct SymFloatArg {
  std::string name;
};
struct SymBoolArg {
  std::string name;
};
/// Numbers and names mixed, e.g. a view's shape.
struct SymIntsArg {
  std::vector<std::variant<int64_t, std::string>> values;
};
struct SymFloatsArg {
  std::vector<std::variant<double, std::string>> values;
};
struct SymBoolsArg {
  std::vector<std::variant<bool, std::string>> values;
};
struct DTypeArg {
  DType value;
};
struct LayoutArg {
  Layout value;
};
struct MemoryFormatArg {
  MemoryFormat value;
};
struct DeviceArg {
  Device value;
};
/// The body of a higher-order operator.
struct GraphArg {
  std::string name;
  std::shared_ptr<const Graph> graph;
};
struct OperatorArg {
  std::string target;
};
struct CustomObjArg {
  std::string name;
  std::string classFqn;
};
struct DictArg {
  std::vector<std::pair<std::string, std::shared_ptr<const Argument>>> items;
};
/// A kind that this reader does not know; refuse it where it is used.
struct UnknownArg {
  std::string kind;
};

using ArgumentValue =
    std::variant<NoneArg, TensorArg, TensorsArg, OptionalTensorsArg, NestedTensorsArg, IntArg,
                 IntsArg, IntListsArg, FloatArg, FloatsArg, BoolArg, BoolsArg, StringArg,
                 StringsArg, ComplexArg, SymIntArg, SymFloatArg, SymBoolArg, SymIntsArg,
                 SymFloatsArg, SymBoolsArg, DTypeArg, LayoutArg, MemoryFormatArg, DeviceArg,
                 GraphArg, OperatorArg, CustomObjArg, DictArg, UnknownArg>;

struct Argument {
  ArgumentValue value;

  template <typename T> const T *getIf() const { return std::get_if<T>(&value); }
  /// The serializer's name of the kind, e.g. "as_tensor", for messages.
  std::string kindName() const;
};

struct NamedArgument {
  std::string name; // as in the operator's schema
  Argument value;
  bool keyword = false;
};

/// One level of nn_module_stack.
struct ModuleFrame {
  std::string key;
  std::string fqn; // "" for the root module
  std::string className;
};

struct SourceLocation {
  std::string file;
  unsigned line = 0; // 0: unknown
  std::string function;
};

struct Node {
  std::string name;
  std::string target; // "torch.ops.aten.linear.default", "_operator.mul"
  std::vector<NamedArgument> inputs;
  std::vector<Argument> outputs;
  std::vector<ModuleFrame> modules; // outermost first
  /// The innermost frame of the stack trace outside PyTorch itself, else the innermost one.
  SourceLocation location;

  /// FQN of the innermost module, "" at the root.
  const std::string &moduleFqn() const;
};

struct Graph {
  std::vector<Argument> inputs;
  std::vector<Argument> outputs;
  std::vector<Node> nodes;
  std::map<std::string, TensorMeta> tensors;
  std::map<std::string, Expr> symInts;
};

struct InputSpec {
  enum class Kind { UserInput, Parameter, Buffer, TensorConstant, ConstantInput, CustomObj, Token };
  Kind kind = Kind::UserInput;
  /// Name of the graph input; for a user input that is no tensor, see `value`.
  std::string name;
  /// FQN of the parameter, buffer or constant.
  std::string target;
  bool persistent = true; // buffers
  /// UserInput and ConstantInput: the argument itself.
  Argument value;
};

struct OutputSpec {
  enum class Kind {
    UserOutput,
    LossOutput,
    BufferMutation,
    ParameterMutation,
    UserInputMutation,
    GradientToParameter,
    GradientToUserInput,
    Token
  };
  Kind kind = Kind::UserOutput;
  /// Name of the value; see `value` for a user output that is no tensor.
  std::string name;
  /// FQN of the mutated buffer or parameter, or name of the user input.
  std::string target;
  /// UserOutput: the argument itself.
  Argument value;
};

/// Range of a size symbol; absent ends are unbounded.
struct SymbolRange {
  std::optional<int64_t> min;
  std::optional<int64_t> max;
};

/// One entry of a weight directory: a strided window of a record's bytes.
struct Weight {
  std::string fqn;
  std::string record; // archive entry, "data/weights/weight_0"
  DType dtype = DType::Unknown;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
  int64_t storageOffset = 0; // elements
  bool isParam = false;
  bool requiresGrad = false;
  bool usePickle = false; // the record is a torch.save blob; data() refuses it
  /// The record has no bytes: exported on the meta device, or a tensor without elements.
  bool empty = false;

  bool isContiguous() const;
};

/// A parsed export. Owns no bytes of weights: those stay in the archive.
class ExportedProgram {
public:
  /// Reads models/`model`.json and both weight directories. Throws Error that names the file and
  /// the place in it.
  static ExportedProgram load(const Archive &archive, const std::string &model = "model");

  int64_t schemaMajor = 0, schemaMinor = 0;
  std::string torchVersion;
  std::vector<std::string> verifiers; // "TRAINING" for a fresh export
  Graph graph;
  std::vector<InputSpec> inputSpecs;
  std::vector<OutputSpec> outputSpecs;
  std::map<std::string, SymbolRange> rangeConstraints;
  std::vector<std::string> guards;
  /// Pytree specs of the model's call, JSON text as PyTorch wrote it; "" if absent.
  std::string inSpec, outSpec;
  std::vector<std::string> forwardArgNames;

  /// Parameters and persistent buffers, in the signature's order (those it lacks last, by name).
  std::vector<Weight> weights;
  /// Non-persistent buffers and lifted constants.
  std::vector<Weight> constants;
  /// Groups of FQNs that are one tensor (same record, dtype and window), in order of first
  /// appearance. Empty records tie nothing.
  std::vector<std::vector<std::string>> ties;
  /// Contents of extra/regimen.json, which regimen.export writes; null for a plain torch.export.
  std::shared_ptr<const nlohmann::json> marks;

  /// Entry of an FQN in weights, then constants, or null.
  const Weight *findWeight(const std::string &fqn) const;
  /// True if records hold values: false for a meta-device export.
  bool hasWeights() const;

  /// The whole record of a weight (its window is checked to lie inside); CRC checked. Empty for an
  /// empty record. Throws Error for a pickled one.
  static std::span<const std::byte> record(const Archive &archive, const Weight &weight);
  /// The values alone when the weight is contiguous: the bytes of its window. Throws Error
  /// otherwise.
  static std::span<const std::byte> data(const Archive &archive, const Weight &weight);

private:
  std::map<std::string, size_t> weightIndex; // constants follow weights
};

} // namespace regimen::pt2

#endif // REGIMEN_FORMATS_PT2_EXPORTEDPROGRAM_H
