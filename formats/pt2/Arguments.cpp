//===- Arguments.cpp - Values, types and arguments of the graph ------------===//

#include "formats/pt2/Json.h"

#include <cmath>
#include <limits>

using namespace regimen;
using namespace regimen::pt2;

static Error unexpected(const Json &value, const char *wanted) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 80)
    text = text.substr(0, 77) + "...";
  return Error(std::string("expected ") + wanted + ", found " + text);
}

const Json *regimen::pt2::find(const Json &object, const char *key) {
  if (!object.is_object())
    return nullptr;
  auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

const Json &regimen::pt2::get(const Json &object, const char *key) {
  if (const Json *value = find(object, key))
    return *value;
  throw Error(std::string("key '") + key + "' is missing");
}

std::pair<const std::string &, const Json &> regimen::pt2::unionMember(const Json &object) {
  if (object.is_object())
    for (auto it = object.begin(); it != object.end(); ++it)
      if (!it->is_null())
        return {it.key(), it.value()};
  throw unexpected(object, "an object with one member");
}

int64_t regimen::pt2::toInt(const Json &value) {
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX))
    throw unexpected(value, "an integer");
  return value.get<int64_t>();
}

double regimen::pt2::toDouble(const Json &value) {
  if (value.is_number())
    return value.get<double>();
  if (value == "Infinity")
    return std::numeric_limits<double>::infinity();
  if (value == "-Infinity")
    return -std::numeric_limits<double>::infinity();
  if (value == "NaN")
    return std::numeric_limits<double>::quiet_NaN();
  throw unexpected(value, "a number");
}

bool regimen::pt2::toBool(const Json &value) {
  if (!value.is_boolean())
    throw unexpected(value, "true or false");
  return value.get<bool>();
}

const std::string &regimen::pt2::toString(const Json &value) {
  if (!value.is_string())
    throw unexpected(value, "a string");
  return value.get_ref<const std::string &>();
}

const Json &regimen::pt2::toArray(const Json &value) {
  if (!value.is_array())
    throw unexpected(value, "an array");
  return value;
}

const Json &regimen::pt2::toObject(const Json &value) {
  if (!value.is_object())
    throw unexpected(value, "an object");
  return value;
}

std::string regimen::pt2::stringOr(const Json &object, const char *key,
                                   const std::string &fallback) {
  const Json *value = find(object, key);
  return value ? toString(*value) : fallback;
}

bool regimen::pt2::boolOr(const Json &object, const char *key, bool fallback) {
  const Json *value = find(object, key);
  return value ? toBool(*value) : fallback;
}

std::string_view regimen::pt2::name(DType dtype) {
  switch (dtype) {
  case DType::Unknown:
    break;
  case DType::UInt8:
    return "uint8";
  case DType::Int8:
    return "int8";
  case DType::Int16:
    return "int16";
  case DType::Int32:
    return "int32";
  case DType::Int64:
    return "int64";
  case DType::Float16:
    return "float16";
  case DType::Float32:
    return "float32";
  case DType::Float64:
    return "float64";
  case DType::ComplexHalf:
    return "complex32";
  case DType::ComplexFloat:
    return "complex64";
  case DType::ComplexDouble:
    return "complex128";
  case DType::Bool:
    return "bool";
  case DType::BFloat16:
    return "bfloat16";
  case DType::UInt16:
    return "uint16";
  case DType::Float8E4M3FN:
    return "float8_e4m3fn";
  case DType::Float8E5M2:
    return "float8_e5m2";
  case DType::Float8E4M3FNUZ:
    return "float8_e4m3fnuz";
  case DType::Float8E5M2FNUZ:
    return "float8_e5m2fnuz";
  case DType::Float8E8M0FNU:
    return "float8_e8m0fnu";
  case DType::UInt32:
    return "uint32";
  case DType::UInt64:
    return "uint64";
  }
  return "unknown";
}

unsigned regimen::pt2::elementBytes(DType dtype) {
  switch (dtype) {
  case DType::Unknown:
    break;
  case DType::UInt8:
  case DType::Int8:
  case DType::Bool:
  case DType::Float8E4M3FN:
  case DType::Float8E5M2:
  case DType::Float8E4M3FNUZ:
  case DType::Float8E5M2FNUZ:
  case DType::Float8E8M0FNU:
    return 1;
  case DType::Int16:
  case DType::UInt16:
  case DType::Float16:
  case DType::BFloat16:
    return 2;
  case DType::Int32:
  case DType::UInt32:
  case DType::Float32:
  case DType::ComplexHalf:
    return 4;
  case DType::Int64:
  case DType::UInt64:
  case DType::Float64:
  case DType::ComplexFloat:
    return 8;
  case DType::ComplexDouble:
    return 16;
  }
  return 0;
}

DType regimen::pt2::toDType(const Json &value) {
  int64_t number = toInt(value);
  DType dtype = static_cast<DType>(number);
  if (number < 0 || number > 255 || elementBytes(dtype) == 0)
    throw Error("unknown scalar type " + std::to_string(number));
  return dtype;
}

Device regimen::pt2::toDevice(const Json &value) {
  Device device;
  device.type = toString(get(value, "type"));
  if (const Json *index = find(value, "index"))
    device.index = toInt(*index);
  return device;
}

Expr regimen::pt2::toSize(const Json &value) {
  if (const Json *constant = find(value, "as_int"))
    return Expr(toInt(*constant));
  if (const Json *expr = find(value, "as_expr"))
    return Expr::parse(toString(get(*expr, "expr_str")));
  throw unexpected(value, "as_int or as_expr");
}

static std::vector<Expr> toSizes(const Json &value) {
  std::vector<Expr> sizes;
  for (const Json &size : toArray(value))
    sizes.push_back(toSize(size));
  return sizes;
}

TensorMeta regimen::pt2::toTensorMeta(const Json &value) {
  TensorMeta meta;
  meta.dtype = toDType(get(value, "dtype"));
  meta.sizes = toSizes(get(value, "sizes"));
  for (const Expr &size : meta.sizes)
    if (size.isConstant() && size.constant() < 0)
      throw Error("a size is " + size.str());
  meta.requiresGrad = boolOr(value, "requires_grad", false);
  if (const Json *device = find(value, "device"))
    meta.device = toDevice(*device);
  if (const Json *strides = find(value, "strides"))
    meta.strides = toSizes(*strides);
  if (meta.strides.size() != meta.sizes.size())
    throw Error("a tensor of " + std::to_string(meta.sizes.size()) + " sizes has " +
                std::to_string(meta.strides.size()) + " strides");
  if (const Json *offset = find(value, "storage_offset"))
    meta.storageOffset = toSize(*offset);
  if (const Json *layout = find(value, "layout"))
    meta.layout = static_cast<Layout>(toInt(*layout));
  return meta;
}

template <typename Result, typename Convert>
static std::vector<Result> toList(const Json &value, Convert convert) {
  std::vector<Result> list;
  for (const Json &item : toArray(value))
    list.push_back(convert(item));
  return list;
}

/// {"as_name": n} or {constantKey: value}.
template <typename T, typename Convert>
static std::variant<T, std::string> toSymbolic(const Json &value, const char *constantKey,
                                               Convert convert) {
  if (const Json *symbol = find(value, "as_name"))
    return toString(*symbol);
  return convert(get(value, constantKey));
}

static std::string toTensorName(const Json &value) { return toString(get(value, "name")); }

static std::optional<std::string> toOptionalTensorName(const Json &value) {
  if (const Json *tensor = find(value, "as_tensor"))
    return toTensorName(*tensor);
  if (find(value, "as_none"))
    return std::nullopt;
  throw unexpected(value, "as_tensor or as_none");
}

template <typename Plain, typename Symbolic, typename T, typename Convert>
static ArgumentValue toSymbolicArg(const Json &value, const char *constantKey, Convert convert) {
  std::variant<T, std::string> symbolic = toSymbolic<T>(value, constantKey, convert);
  if (T *constant = std::get_if<T>(&symbolic))
    return Plain{*constant};
  return Symbolic{std::get<std::string>(std::move(symbolic))};
}

static ArgumentValue toValue(const std::string &kind, const Json &value, unsigned depth) {
  if (kind == "as_none")
    return NoneArg{};
  if (kind == "as_tensor")
    return TensorArg{toTensorName(value)};
  if (kind == "as_tensors")
    return TensorsArg{toList<std::string>(value, toTensorName)};
  if (kind == "as_optional_tensors")
    return OptionalTensorsArg{toList<std::optional<std::string>>(value, toOptionalTensorName)};
  if (kind == "as_optional_tensor") {
    if (std::optional<std::string> tensor = toOptionalTensorName(value))
      return TensorArg{*tensor};
    return NoneArg{};
  }
  if (kind == "as_nested_tensors")
    return NestedTensorsArg{toList<std::vector<std::string>>(
        value, [](const Json &item) { return toList<std::string>(item, toTensorName); })};
  if (kind == "as_int")
    return IntArg{toInt(value)};
  if (kind == "as_ints")
    return IntsArg{toList<int64_t>(value, toInt)};
  if (kind == "as_int_lists")
    return IntListsArg{toList<std::vector<int64_t>>(
        value, [](const Json &item) { return toList<int64_t>(item, toInt); })};
  if (kind == "as_float")
    return FloatArg{toDouble(value)};
  if (kind == "as_floats")
    return FloatsArg{toList<double>(value, toDouble)};
  if (kind == "as_bool")
    return BoolArg{toBool(value)};
  if (kind == "as_bools")
    return BoolsArg{toList<bool>(value, toBool)};
  if (kind == "as_string")
    return StringArg{toString(value)};
  if (kind == "as_strings")
    return StringsArg{toList<std::string>(value, toString)};
  if (kind == "as_complex")
    return ComplexArg{toDouble(get(value, "real")), toDouble(get(value, "imag"))};
  if (kind == "as_sym_int")
    return toSymbolicArg<IntArg, SymIntArg, int64_t>(value, "as_int", toInt);
  if (kind == "as_sym_float")
    return toSymbolicArg<FloatArg, SymFloatArg, double>(value, "as_float", toDouble);
  if (kind == "as_sym_bool")
    return toSymbolicArg<BoolArg, SymBoolArg, bool>(value, "as_bool", toBool);
  if (kind == "as_sym_ints") {
    SymIntsArg mixed;
    IntsArg plain;
    for (const Json &item : toArray(value)) {
      mixed.values.push_back(toSymbolic<int64_t>(item, "as_int", toInt));
      if (const int64_t *constant = std::get_if<int64_t>(&mixed.values.back()))
        plain.values.push_back(*constant);
    }
    if (plain.values.size() == mixed.values.size())
      return plain;
    return mixed;
  }
  if (kind == "as_sym_floats")
    return SymFloatsArg{toList<std::variant<double, std::string>>(
        value, [](const Json &item) { return toSymbolic<double>(item, "as_float", toDouble); })};
  if (kind == "as_sym_bools")
    return SymBoolsArg{toList<std::variant<bool, std::string>>(
        value, [](const Json &item) { return toSymbolic<bool>(item, "as_bool", toBool); })};
  if (kind == "as_scalar_type")
    return DTypeArg{toDType(value)};
  if (kind == "as_layout")
    return LayoutArg{static_cast<Layout>(toInt(value))};
  if (kind == "as_memory_format")
    return MemoryFormatArg{static_cast<MemoryFormat>(toInt(value))};
  if (kind == "as_device")
    return DeviceArg{toDevice(value)};
  if (kind == "as_graph")
    return GraphArg{toString(get(value, "name")),
                    std::make_shared<const Graph>(toGraph(get(value, "graph"), depth + 1))};
  if (kind == "as_operator")
    return OperatorArg{toString(value)};
  if (kind == "as_custom_obj")
    return CustomObjArg{toString(get(value, "name")), stringOr(value, "class_fqn", "")};
  if (kind == "as_string_to_argument") {
    DictArg dict;
    for (const auto &[key, item] : toObject(value).items())
      dict.items.emplace_back(key, std::make_shared<const Argument>(toArgument(item, depth + 1)));
    return dict;
  }
  return UnknownArg{kind};
}

Argument regimen::pt2::toArgument(const Json &value, unsigned depth) {
  // Graphs of higher-order operators nest a few levels deep; what nests further was made to break
  // readers.
  if (depth > 32)
    throw Error("arguments nest more than 32 levels deep");
  const auto &[kind, member] = unionMember(value);
  return Argument{toValue(kind, member, depth)};
}

std::string Argument::kindName() const {
  struct Namer {
    std::string operator()(const NoneArg &) { return "as_none"; }
    std::string operator()(const TensorArg &) { return "as_tensor"; }
    std::string operator()(const TensorsArg &) { return "as_tensors"; }
    std::string operator()(const OptionalTensorsArg &) { return "as_optional_tensors"; }
    std::string operator()(const NestedTensorsArg &) { return "as_nested_tensors"; }
    std::string operator()(const IntArg &) { return "as_int"; }
    std::string operator()(const IntsArg &) { return "as_ints"; }
    std::string operator()(const IntListsArg &) { return "as_int_lists"; }
    std::string operator()(const FloatArg &) { return "as_float"; }
    std::string operator()(const FloatsArg &) { return "as_floats"; }
    std::string operator()(const BoolArg &) { return "as_bool"; }
    std::string operator()(const BoolsArg &) { return "as_bools"; }
    std::string operator()(const StringArg &) { return "as_string"; }
    std::string operator()(const StringsArg &) { return "as_strings"; }
    std::string operator()(const ComplexArg &) { return "as_complex"; }
    std::string operator()(const SymIntArg &) { return "as_sym_int"; }
    std::string operator()(const SymFloatArg &) { return "as_sym_float"; }
    std::string operator()(const SymBoolArg &) { return "as_sym_bool"; }
    std::string operator()(const SymIntsArg &) { return "as_sym_ints"; }
    std::string operator()(const SymFloatsArg &) { return "as_sym_floats"; }
    std::string operator()(const SymBoolsArg &) { return "as_sym_bools"; }
    std::string operator()(const DTypeArg &) { return "as_scalar_type"; }
    std::string operator()(const LayoutArg &) { return "as_layout"; }
    std::string operator()(const MemoryFormatArg &) { return "as_memory_format"; }
    std::string operator()(const DeviceArg &) { return "as_device"; }
    std::string operator()(const GraphArg &) { return "as_graph"; }
    std::string operator()(const OperatorArg &) { return "as_operator"; }
    std::string operator()(const CustomObjArg &) { return "as_custom_obj"; }
    std::string operator()(const DictArg &) { return "as_string_to_argument"; }
    std::string operator()(const UnknownArg &unknown) { return unknown.kind; }
  };
  return std::visit(Namer(), value);
}
