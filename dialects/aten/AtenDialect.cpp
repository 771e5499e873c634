//===- AtenDialect.cpp - The aten dialect and its common assembly ---------===//
#include "dialects/aten/AtenDialect.h"

#include "dialects/aten/AtenOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace regimen::aten;

#include "dialects/aten/AtenDialect.cpp.inc"
#include "dialects/aten/AtenInterfaces.cpp.inc"

void AtenDialect::initialize() { registerAtenDialectOperations(this); }

Operation *AtenDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type,
                                            Location loc) {
  if (auto elements = dyn_cast<ElementsAttr>(value))
    return ConstantOp::create(builder, loc, elements);
  return nullptr;
}

const SchemaArg *OpSchema::find(StringRef name) const {
  const auto *it = llvm::find_if(args, [&](const SchemaArg &arg) { return arg.name == name; });
  return it == args.end() ? nullptr : it;
}

/// First operand and length of operand group `group`: explicit with segments, else from the one
/// group that may vary.
static std::pair<unsigned, unsigned> groupRange(const OpSchema &schema, unsigned numOperands,
                                                DenseI32ArrayAttr segments, int group) {
  unsigned begin = 0;
  unsigned varying = numOperands + 1 - schema.numOperandGroups;
  for (const SchemaArg &arg : schema.args) {
    if (!arg.isOperand())
      continue;
    unsigned size = segments                       ? segments.asArrayRef()[arg.operandGroup]
                    : arg.optional || arg.isList() ? varying
                                                   : 1;
    if (arg.operandGroup == group)
      return {begin, size};
    begin += size;
  }
  llvm_unreachable("a group of another schema");
}

OperandRange regimen::aten::getOperandsOf(Operation *op, const SchemaArg &arg) {
  if (!arg.isOperand())
    return op->getOperands().slice(0, 0);
  const OpSchema &schema = cast<AtenOpInterface>(op).getSchema();
  DenseI32ArrayAttr segments;
  if (schema.hasSegments)
    segments = cast<DenseI32ArrayAttr>(*op->getInherentAttr("operandSegmentSizes"));
  auto [begin, size] = groupRange(schema, op->getNumOperands(), segments, arg.operandGroup);
  return op->getOperands().slice(begin, size);
}

ValueRange InferArgs::values(StringRef name) const {
  const SchemaArg *arg = schema.find(name);
  if (!arg || !arg->isOperand())
    return {};
  auto [begin, size] = groupRange(
      schema, operands.size(), attr<DenseI32ArrayAttr>("operandSegmentSizes"), arg->operandGroup);
  return operands.slice(begin, size);
}

RankedTensorType InferArgs::tensor(StringRef name) const {
  ValueRange range = values(name);
  return range.empty() ? RankedTensorType() : dyn_cast<RankedTensorType>(range.front().getType());
}

int64_t InferArgs::integer(StringRef name, int64_t fallback) const {
  auto value = attr<IntegerAttr>(name);
  return value ? value.getInt() : fallback;
}

ArrayRef<int64_t> InferArgs::integers(StringRef name) const {
  auto value = attr<DenseI64ArrayAttr>(name);
  return value ? value.asArrayRef() : ArrayRef<int64_t>();
}

LogicalResult InferArgs::fail(const Twine &message) const {
  return emitOptionalError(loc, schema.name, ": ", message);
}

/// Operands are as many and of the kinds that the schema says, so that type rules may take them for
/// granted.
static LogicalResult checkOperands(const InferArgs &args) {
  if (args.schema.hasSegments) {
    auto segments = args.attr<DenseI32ArrayAttr>("operandSegmentSizes");
    if (!segments || segments.size() != args.schema.numOperandGroups)
      return args.fail("needs " + Twine(args.schema.numOperandGroups) + " operand groups");
  } else if (args.operands.size() + 1 < args.schema.numOperandGroups) {
    return args.fail("has too few operands");
  }
  for (const SchemaArg &arg : args.schema.args) {
    if (!arg.isOperand())
      continue;
    bool scalar = arg.kind == ArgKind::Scalar || arg.kind == ArgKind::OptionalScalar;
    ValueRange values = args.values(arg.name);
    if (values.empty() && !arg.optional && !arg.isList())
      return args.fail("argument '" + arg.name + "' is missing");
    for (Value value : values) {
      auto tensor = dyn_cast<RankedTensorType>(value.getType());
      if (scalar == bool(tensor) || (tensor && !tensor.hasStaticShape()))
        return args.fail(
            "argument '" + arg.name + "' must be " +
            (scalar ? "a Scalar (f64, i64 or i1)" : "a ranked tensor of static shape"));
    }
  }
  return success();
}

LogicalResult regimen::aten::inferTypes(const OpSchema &schema, MLIRContext *context,
                                        std::optional<Location> loc, ValueRange operands,
                                        DictionaryAttr attributes, SmallVectorImpl<Type> &types) {
  InferArgs args{schema, context, loc, operands, attributes};
  if (failed(checkOperands(args)))
    return failure();
  return schema.infer(args, types);
}

ParseResult regimen::aten::parseAtenOp(OpAsmParser &parser, OperationState &state,
                                       const OpSchema &schema) {
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SmallVector<int32_t> segments;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLParen())
    return failure();
  bool closed = succeeded(parser.parseOptionalRParen());
  for (const SchemaArg &arg : schema.args) {
    if (!arg.isOperand())
      continue;
    if (closed) {
      if (!arg.optional)
        return parser.emitError(parser.getCurrentLocation())
               << "expected argument '" << arg.name << "' of " << schema.name;
      segments.push_back(0);
      continue;
    }
    if (!segments.empty() && parser.parseComma())
      return failure();
    size_t before = operands.size();
    if (arg.isList()) {
      if (parser.parseOperandList(operands, OpAsmParser::Delimiter::Square))
        return failure();
    } else if (!arg.optional || failed(parser.parseOptionalKeyword("none"))) {
      if (parser.parseOperand(operands.emplace_back()))
        return failure();
    }
    segments.push_back(operands.size() - before);
    closed = succeeded(parser.parseOptionalRParen());
  }
  FunctionType type;
  if ((!closed && parser.parseRParen()) || parser.parseOptionalAttrDict(state.attributes) ||
      parser.parseColonType(type) ||
      parser.resolveOperands(operands, type.getInputs(), loc, state.operands))
    return failure();
  state.addTypes(type.getResults());
  if (schema.hasSegments)
    state.addAttribute("operandSegmentSizes", parser.getBuilder().getDenseI32ArrayAttr(segments));
  return success();
}

void regimen::aten::printAtenOp(OpAsmPrinter &printer, Operation *op, const OpSchema &schema) {
  SmallVector<const SchemaArg *> shown;
  size_t last = 0;
  for (const SchemaArg &arg : schema.args) {
    if (!arg.isOperand())
      continue;
    shown.push_back(&arg);
    if (!arg.optional || !getOperandsOf(op, arg).empty())
      last = shown.size();
  }
  printer << "(";
  llvm::interleaveComma(ArrayRef(shown).take_front(last), printer, [&](const SchemaArg *arg) {
    OperandRange values = getOperandsOf(op, *arg);
    if (arg->isList()) {
      printer << "[";
      printer.printOperands(values);
      printer << "]";
    } else if (values.empty()) {
      printer << "none";
    } else {
      printer.printOperand(values.front());
    }
  });
  printer << ")";
  printer.printOptionalAttrDict(op->getAttrDictionary().getValue(), {"operandSegmentSizes"});
  printer << " : ";
  printer.printFunctionalType(op);
}

Operation *regimen::aten::buildAtenOp(OpBuilder &builder, Location loc, StringRef name,
                                      ArrayRef<SmallVector<Value>> operandGroups,
                                      ArrayRef<NamedAttribute> attributes, TypeRange resultTypes) {
  const OpSchema *schema = lookupSchema(name);
  if (!schema)
    return emitError(loc) << "the aten dialect has no op for " << name, nullptr;
  OperationState state(loc, ("aten." + name.drop_front(strlen("aten::"))).str());
  SmallVector<int32_t> segments;
  for (ArrayRef<Value> group : operandGroups) {
    state.addOperands(group);
    segments.push_back(group.size());
  }
  state.addAttributes(attributes);
  if (schema->hasSegments)
    state.addAttribute("operandSegmentSizes", builder.getDenseI32ArrayAttr(segments));
  SmallVector<Type> types(resultTypes);
  if (types.empty() &&
      failed(inferTypes(*schema, builder.getContext(), loc, state.operands,
                        state.attributes.getDictionary(builder.getContext()), types)))
    return nullptr;
  state.addTypes(types);
  return builder.create(state);
}
