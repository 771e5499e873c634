//===- NodeImporter.cpp - Nodes of an exported graph as aten ops ----------===//
#include "passes/import/NodeImporter.h"

#include "dialects/aten/AtenDialect.h"
#include "formats/Error.h"
#include "passes/import/GraphChecks.h"
#include "passes/import/Literals.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include <cmath>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using aten::ArgKind;
using aten::SchemaArg;

Value NodeImporter::lookup(const std::string &name) const {
  auto it = values.find(name);
  if (it == values.end())
    throw Error("the graph has no tensor '" + name + "' at this point");
  return it->second;
}

RankedTensorType NodeImporter::typeOf(const std::string &name) const {
  auto it = graph.tensors.find(name);
  if (it == graph.tensors.end())
    throw Error("the graph has no type for tensor '" + name + "'");
  const pt2::TensorMeta &meta = it->second;
  if (meta.layout != pt2::Layout::Strided)
    throw Error("tensor '" + name + "' is not strided; export the model with dense tensors");
  SmallVector<int64_t> sizes;
  for (const pt2::Expr &size : meta.sizes)
    sizes.push_back(size.evaluate(bindings));
  return tensorType(meta.dtype, sizes, *builder.getContext());
}

void NodeImporter::import(const pt2::Node &node) {
  if (isAssertion(node))
    return;
  try {
    if (isScalarMath(node))
      importNumbers(node);
    else
      importOp(node);
  } catch (const Error &error) {
    std::string name = atenName(node.target);
    throw Error((name.empty() ? node.target : name) + placeOf(node) + ": " + error.what());
  }
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

static double toDouble(const std::variant<int64_t, double, bool> &number) {
  return std::visit([](auto value) { return double(value); }, number);
}

/// Python's functions of numbers that exports use beside sizes, which carry their own expressions.
/// Integer results come from those expressions; what is left are floats and comparisons.
static std::optional<std::variant<int64_t, double, bool>> applyPython(StringRef function,
                                                                      ArrayRef<double> x) {
  using Result = std::optional<std::variant<int64_t, double, bool>>;
  using Apply = Result (*)(ArrayRef<double>);
  struct Rule {
    StringLiteral name;
    size_t arity;
    Apply apply;
  };
  static constexpr Rule rules[] = {
      {"_operator.add", 2, [](ArrayRef<double> x) { return Result(x[0] + x[1]); }},
      {"_operator.sub", 2, [](ArrayRef<double> x) { return Result(x[0] - x[1]); }},
      {"_operator.mul", 2, [](ArrayRef<double> x) { return Result(x[0] * x[1]); }},
      {"_operator.truediv", 2, [](ArrayRef<double> x) { return Result(x[0] / x[1]); }},
      {"_operator.neg", 1, [](ArrayRef<double> x) { return Result(-x[0]); }},
      {"_operator.pow", 2, [](ArrayRef<double> x) { return Result(std::pow(x[0], x[1])); }},
      {"torch.sym_float", 1, [](ArrayRef<double> x) { return Result(x[0]); }},
      {"torch._sym_sqrt", 1, [](ArrayRef<double> x) { return Result(std::sqrt(x[0])); }},
      {"math.sqrt", 1, [](ArrayRef<double> x) { return Result(std::sqrt(x[0])); }},
      {"_operator.eq", 2, [](ArrayRef<double> x) { return Result(x[0] == x[1]); }},
      {"_operator.ne", 2, [](ArrayRef<double> x) { return Result(x[0] != x[1]); }},
      {"_operator.le", 2, [](ArrayRef<double> x) { return Result(x[0] <= x[1]); }},
      {"_operator.lt", 2, [](ArrayRef<double> x) { return Result(x[0] < x[1]); }},
      {"_operator.ge", 2, [](ArrayRef<double> x) { return Result(x[0] >= x[1]); }},
      {"_operator.gt", 2, [](ArrayRef<double> x) { return Result(x[0] > x[1]); }},
  };
  for (const Rule &rule : rules)
    if (rule.name == function && rule.arity == x.size())
      return rule.apply(x);
  return std::nullopt;
}

std::optional<NodeImporter::Number> NodeImporter::compute(const pt2::Node &node) const {
  SmallVector<double> arguments;
  for (const pt2::NamedArgument &input : node.inputs) {
    std::optional<Number> value = number(input.value);
    if (!value)
      return std::nullopt;
    arguments.push_back(toDouble(*value));
  }
  return applyPython(node.target, arguments);
}

void NodeImporter::importNumbers(const pt2::Node &node) {
  for (const pt2::Argument &output : node.outputs) {
    // A number that cannot be known (it depends on data) is an error only where it is used.
    if (const auto *size = output.getIf<pt2::SymIntArg>()) {
      auto it = graph.symInts.find(size->name);
      if (it == graph.symInts.end())
        continue;
      std::set<std::string> symbols = it->second.symbols();
      if (llvm::all_of(symbols, [&](const std::string &name) { return bindings.contains(name); }))
        numbers[size->name] = it->second.evaluate(bindings);
      continue;
    }
    std::string name;
    if (const auto *real = output.getIf<pt2::SymFloatArg>())
      name = real->name;
    else if (const auto *flag = output.getIf<pt2::SymBoolArg>())
      name = flag->name;
    if (std::optional<Number> value = name.empty() ? std::nullopt : compute(node))
      numbers[name] = *value;
  }
}

NodeImporter::Number NodeImporter::lookupNumber(const std::string &name) const {
  if (auto it = numbers.find(name); it != numbers.end())
    return it->second;
  // A size that is an argument of the model has an expression, but no node.
  if (auto it = graph.symInts.find(name); it != graph.symInts.end()) {
    std::set<std::string> symbols = it->second.symbols();
    if (llvm::all_of(symbols, [&](const std::string &symbol) { return bindings.contains(symbol); }))
      return it->second.evaluate(bindings);
  }
  throw Error("the number '" + name +
              "' depends on data, or on a size that no tensor input has; plans have static shapes");
}

std::optional<NodeImporter::Number> NodeImporter::number(const pt2::Argument &value) const {
  if (const auto *x = value.getIf<pt2::IntArg>())
    return x->value;
  if (const auto *x = value.getIf<pt2::FloatArg>())
    return x->value;
  if (const auto *x = value.getIf<pt2::BoolArg>())
    return x->value;
  if (const auto *x = value.getIf<pt2::SymIntArg>())
    return lookupNumber(x->name);
  if (const auto *x = value.getIf<pt2::SymFloatArg>())
    return lookupNumber(x->name);
  if (const auto *x = value.getIf<pt2::SymBoolArg>())
    return lookupNumber(x->name);
  return std::nullopt;
}

std::optional<int64_t> NodeImporter::integer(const pt2::Argument &value) const {
  std::optional<Number> x = number(value);
  if (!x || !std::holds_alternative<int64_t>(*x))
    return std::nullopt;
  return std::get<int64_t>(*x);
}

std::optional<SmallVector<int64_t>> NodeImporter::integers(const pt2::Argument &value) const {
  SmallVector<int64_t> list;
  if (const auto *ints = value.getIf<pt2::IntsArg>()) {
    list.assign(ints->values.begin(), ints->values.end());
  } else if (const auto *mixed = value.getIf<pt2::SymIntsArg>()) {
    for (const auto &item : mixed->values) {
      const auto *name = std::get_if<std::string>(&item);
      Number x = name ? lookupNumber(*name) : Number(std::get<int64_t>(item));
      if (!std::holds_alternative<int64_t>(x))
        return std::nullopt;
      list.push_back(std::get<int64_t>(x));
    }
  } else if (std::optional<int64_t> one = integer(value)) {
    list.push_back(*one);
  } else {
    return std::nullopt;
  }
  return list;
}

Value NodeImporter::scalar(Number number, Location loc) {
  TypedAttr attr;
  if (const auto *x = std::get_if<int64_t>(&number))
    attr = builder.getI64IntegerAttr(*x);
  else if (const auto *x = std::get_if<double>(&number))
    attr = builder.getF64FloatAttr(*x);
  else
    attr = builder.getBoolAttr(std::get<bool>(number));
  Value &value = scalars[attr];
  if (!value)
    value = arith::ConstantOp::create(builder, loc, attr);
  return value;
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

/// The dispatcher's number of a memory format (c10::MemoryFormat).
static std::optional<int64_t> memoryFormat(pt2::MemoryFormat format) {
  switch (format) {
  case pt2::MemoryFormat::Contiguous:
    return 0;
  case pt2::MemoryFormat::Preserve:
    return 1;
  case pt2::MemoryFormat::ChannelsLast:
    return 2;
  case pt2::MemoryFormat::ChannelsLast3d:
    return 3;
  case pt2::MemoryFormat::Unknown:
    break;
  }
  return std::nullopt;
}

Attribute NodeImporter::attribute(const SchemaArg &arg, const pt2::Argument &value) {
  switch (arg.kind) {
  case ArgKind::Int:
  case ArgKind::OptionalInt:
    if (std::optional<int64_t> x = integer(value))
      return builder.getI64IntegerAttr(*x);
    return nullptr;
  case ArgKind::IntList:
  case ArgKind::OptionalIntList:
    if (std::optional<SmallVector<int64_t>> list = integers(value))
      return builder.getDenseI64ArrayAttr(*list);
    return nullptr;
  case ArgKind::Float:
  case ArgKind::OptionalFloat:
    if (std::optional<Number> x = number(value))
      return builder.getF64FloatAttr(toDouble(*x));
    return nullptr;
  case ArgKind::FloatList:
  case ArgKind::OptionalFloatList:
    if (const auto *list = value.getIf<pt2::FloatsArg>())
      return builder.getDenseF64ArrayAttr(list->values);
    return nullptr;
  case ArgKind::Bool:
  case ArgKind::OptionalBool:
    if (std::optional<Number> x = number(value); x && std::holds_alternative<bool>(*x))
      return builder.getBoolAttr(std::get<bool>(*x));
    return nullptr;
  case ArgKind::BoolList:
    if (const auto *list = value.getIf<pt2::BoolsArg>())
      return builder.getDenseBoolArrayAttr(
          SmallVector<bool>(list->values.begin(), list->values.end()));
    return nullptr;
  case ArgKind::DType:
  case ArgKind::OptionalDType:
    if (const auto *dtype = value.getIf<pt2::DTypeArg>())
      return TypeAttr::get(elementType(dtype->value, *builder.getContext()));
    return nullptr;
  case ArgKind::MemoryFormat:
  case ArgKind::OptionalMemoryFormat:
    if (const auto *format = value.getIf<pt2::MemoryFormatArg>())
      if (std::optional<int64_t> x = memoryFormat(format->value))
        return builder.getI64IntegerAttr(*x);
    return nullptr;
  case ArgKind::String:
  case ArgKind::OptionalString:
    if (const auto *text = value.getIf<pt2::StringArg>())
      return builder.getStringAttr(text->value);
    return nullptr;
  default:
    return nullptr;
  }
}

SmallVector<Value> NodeImporter::operands(const SchemaArg &arg, const pt2::Argument &value,
                                          Call &call, Location loc) {
  Error mismatch("argument '" + arg.name.str() + "' is of kind " + value.kindName() +
                 ", which its schema does not take");
  SmallVector<Value> list;
  if (arg.kind == ArgKind::Scalar || arg.kind == ArgKind::OptionalScalar) {
    std::optional<Number> x = number(value);
    if (!x)
      throw mismatch;
    list.push_back(scalar(*x, loc));
  } else if (arg.kind == ArgKind::TensorList) {
    const auto *tensors = value.getIf<pt2::TensorsArg>();
    if (!tensors)
      throw mismatch;
    for (const std::string &name : tensors->names)
      list.push_back(lookup(name));
  } else if (arg.kind == ArgKind::OptionalTensorList) {
    SmallVector<bool> present;
    auto add = [&](const std::string *name) {
      present.push_back(name);
      if (name)
        list.push_back(lookup(*name));
    };
    if (const auto *tensors = value.getIf<pt2::TensorsArg>())
      for (const std::string &name : tensors->names)
        add(&name);
    else if (const auto *optionals = value.getIf<pt2::OptionalTensorsArg>())
      for (const std::optional<std::string> &name : optionals->names)
        add(name ? &*name : nullptr);
    else
      throw mismatch;
    call.attributes.emplace_back(builder.getStringAttr(arg.name + "_present"),
                                 builder.getDenseBoolArrayAttr(present));
  } else {
    const auto *tensor = value.getIf<pt2::TensorArg>();
    if (!tensor)
      throw mismatch;
    list.push_back(lookup(tensor->name));
  }
  return list;
}

void NodeImporter::addArgument(const SchemaArg &arg, const pt2::Argument &value, Call &call,
                               Location loc) {
  if (arg.kind == ArgKind::Ignored) {
    if (const auto *layout = value.getIf<pt2::LayoutArg>();
        layout && layout->value != pt2::Layout::Strided)
      throw Error("makes a tensor that is not strided; export the model with dense tensors");
    return;
  }
  if (value.getIf<pt2::NoneArg>())
    return;
  if (arg.isOperand()) {
    call.groups[arg.operandGroup] = operands(arg, value, call, loc);
    return;
  }
  Attribute attr = attribute(arg, value);
  if (!attr)
    throw Error("argument '" + arg.name.str() + "' is of kind " + value.kindName() +
                ", which its schema does not take");
  call.attributes.emplace_back(builder.getStringAttr(arg.name), attr);
}

/// The exporter names results that no node reads NODE_unused_I.
static bool isRead(const std::string &result) {
  return result.find("_unused_") == std::string::npos;
}

void NodeImporter::importOp(const pt2::Node &node) {
  std::string name = overloadFor(node);
  const aten::OpSchema *schema = aten::lookupSchema(name);
  if (!schema)
    throw Error("the aten dialect has no such operator");
  Location loc = locationOf(node, *builder.getContext());
  Call call;
  call.groups.resize(schema->numOperandGroups);
  for (auto [position, input] : llvm::enumerate(node.inputs)) {
    const SchemaArg *arg = schema->find(input.name);
    if (!arg && input.name.empty() && position < schema->args.size())
      arg = &schema->args[position];
    if (!arg)
      throw Error("its schema has no argument '" + input.name + "'");
    addArgument(*arg, input.value, call, loc);
  }

  SmallVector<std::string> names;
  for (const pt2::Argument &output : node.outputs) {
    if (const auto *tensor = output.getIf<pt2::TensorArg>())
      names.push_back(tensor->name);
    else if (const auto *tensors = output.getIf<pt2::TensorsArg>())
      names.append(tensors->names.begin(), tensors->names.end());
    else
      throw Error("gives a result of kind " + output.kindName() + ", which plans cannot hold");
  }
  SmallVector<Type> types;
  for (const std::string &result : names)
    types.push_back(typeOf(result));
  // PyTorch traces the last states of an LSTM with an axis too many.
  if (!llvm::all_of(names, isRead))
    if (Operation *inferred =
            aten::buildAtenOp(builder, loc, schema->name, call.groups, call.attributes)) {
      for (auto [name, type, result] : llvm::zip_equal(names, types, inferred->getResults()))
        if (!isRead(name))
          type = result.getType();
      inferred->erase();
    }
  Operation *op =
      aten::buildAtenOp(builder, loc, schema->name, call.groups, call.attributes, types);
  for (auto [result, value] : llvm::zip_equal(names, op->getResults()))
    values[result] = value;
}
