//===- CallBuilder.cpp - Arguments of kernel calls ------------------------===//
#include "passes/schedule/CallBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using aten::SchemaArg;
using exec::ArgKind;

CallArgs &CallArgs::add(ArgKind kind, Attribute value, ValueRange values) {
  args.push_back(exec::ArgAttr::get(builder.getContext(), kind, value));
  llvm::append_range(operands, values);
  return *this;
}

CallArgs &CallArgs::tensor(Value tensor) { return add(ArgKind::Tensor, {}, tensor); }

CallArgs &CallArgs::tensors(ValueRange tensors) {
  return add(ArgKind::TensorList, builder.getI64IntegerAttr(tensors.size()), tensors);
}

CallArgs &CallArgs::scalarRegister(Value value) { return add(ArgKind::ScalarRegister, {}, value); }

CallArgs &CallArgs::number(TypedAttr value) {
  if (isa<FloatAttr>(value))
    return add(ArgKind::ScalarFloat, value);
  return add(isa<BoolAttr>(value) ? ArgKind::ScalarBool : ArgKind::ScalarInt, value);
}

CallArgs &CallArgs::boolean(bool value) { return add(ArgKind::Bool, builder.getBoolAttr(value)); }

void CallArgs::trim() {
  while (!args.empty() && cast<exec::ArgAttr>(args.back()).getKind() == ArgKind::Default)
    args.pop_back();
}

exec::CallOp CallArgs::create(OpBuilder &at, Location loc, StringRef kernel, exec::KernelMode mode,
                              ValueRange results, Value scratch) const {
  return exec::CallOp::create(at, loc, kernel, mode, ArrayAttr::get(at.getContext(), args),
                              operands, results, scratch);
}

namespace {

/// What an attribute of a schema argument becomes.
ArgKind kindOf(aten::ArgKind kind) {
  switch (kind) {
  case aten::ArgKind::Int:
  case aten::ArgKind::OptionalInt:
  case aten::ArgKind::MemoryFormat:
  case aten::ArgKind::OptionalMemoryFormat:
    return ArgKind::Int;
  case aten::ArgKind::IntList:
  case aten::ArgKind::OptionalIntList:
    return ArgKind::IntList;
  case aten::ArgKind::Float:
  case aten::ArgKind::OptionalFloat:
    return ArgKind::Float;
  case aten::ArgKind::FloatList:
  case aten::ArgKind::OptionalFloatList:
    return ArgKind::FloatList;
  case aten::ArgKind::Bool:
  case aten::ArgKind::OptionalBool:
    return ArgKind::Bool;
  case aten::ArgKind::BoolList:
    return ArgKind::BoolList;
  case aten::ArgKind::DType:
  case aten::ArgKind::OptionalDType:
    return ArgKind::DType;
  case aten::ArgKind::String:
  case aten::ArgKind::OptionalString:
    return ArgKind::String;
  default:
    return ArgKind::Default;
  }
}

bool isOptional(aten::ArgKind kind) {
  switch (kind) {
  case aten::ArgKind::OptionalTensor:
  case aten::ArgKind::OptionalScalar:
  case aten::ArgKind::OptionalInt:
  case aten::ArgKind::OptionalIntList:
  case aten::ArgKind::OptionalFloat:
  case aten::ArgKind::OptionalFloatList:
  case aten::ArgKind::OptionalBool:
  case aten::ArgKind::OptionalDType:
  case aten::ArgKind::OptionalMemoryFormat:
  case aten::ArgKind::OptionalString:
    return true;
  default:
    return false;
  }
}

class ArgsBuilder {
public:
  ArgsBuilder(Operation *op, const OperandMap &map) : op(op), map(map), args(op->getContext()) {}

  void addSchema(const SchemaArg &arg) {
    if (!arg.isOperand())
      return addAttribute(arg);
    OperandRange values = aten::getOperandsOf(op, arg);
    if (arg.kind == aten::ArgKind::OptionalTensorList) {
      Attribute present = op->getInherentAttr((arg.name + "_present").str()).value_or(Attribute());
      args.add(ArgKind::OptionalTensorList, present, mapped(values));
    } else if (arg.isList()) {
      args.tensors(mapped(values));
    } else if (values.empty()) {
      args.add(isOptional(arg.kind) ? ArgKind::None : ArgKind::Default);
    } else if (isa<RankedTensorType>(values.front().getType())) {
      args.tensor(map.tensor(values.front()));
    } else {
      addScalar(values.front());
    }
  }

  /// The name of a schema argument, "default", "none", "[]" or a number.
  void addNamed(StringRef text) {
    Builder builder(op->getContext());
    if (const SchemaArg *arg = cast<aten::AtenOpInterface>(op).getSchema().find(text))
      return addSchema(*arg);
    int64_t integer;
    double number;
    if (text == "default")
      args.add(ArgKind::Default);
    else if (text == "none")
      args.add(ArgKind::None);
    else if (text == "[]")
      args.add(ArgKind::IntList, builder.getDenseI64ArrayAttr({}));
    else if (!text.getAsInteger(10, integer))
      args.number(builder.getI64IntegerAttr(integer));
    else if (!text.getAsDouble(number))
      args.number(builder.getF64FloatAttr(number));
    else
      llvm_unreachable("Kernels.td names an argument that the op does not have");
  }

  CallArgs take() { return std::move(args); }

private:
  SmallVector<Value> mapped(OperandRange values) {
    return llvm::map_to_vector(values, [&](Value value) { return map.tensor(value); });
  }

  void addScalar(Value value) {
    TypedAttr constant;
    if (matchPattern(value, m_Constant(&constant)))
      args.number(constant);
    else
      args.scalarRegister(map.scalar(value));
  }

  void addAttribute(const SchemaArg &arg) {
    Attribute value;
    if (arg.kind != aten::ArgKind::Ignored)
      value = op->getInherentAttr(arg.name).value_or(Attribute());
    if (value)
      args.add(kindOf(arg.kind), value);
    else
      args.add(isOptional(arg.kind) ? ArgKind::None : ArgKind::Default);
  }

  Operation *op;
  const OperandMap &map;
  CallArgs args;
};

} // namespace

CallArgs passes::buildArgs(Operation *op, const KernelRecord &kernel, const OperandMap &map) {
  ArgsBuilder builder(op, map);
  if (!kernel.arguments.empty()) {
    for (StringRef argument : kernel.arguments)
      builder.addNamed(argument);
    return builder.take();
  }
  for (const SchemaArg &arg : cast<aten::AtenOpInterface>(op).getSchema().args)
    builder.addSchema(arg);
  CallArgs args = builder.take();
  if (kernel.mode != exec::KernelMode::Own)
    args.trim();
  return args;
}
