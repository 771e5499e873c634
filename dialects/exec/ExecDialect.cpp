//===- ExecDialect.cpp - The exec dialect ---------------------------------===//
#include "dialects/exec/ExecDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace regimen::exec;

/// One argument of a call: `%tensor`, `%register`, `[%a, %b]`, `optional [%a, none]`, `default`,
/// `none`, or a kind and its value.
static ParseResult parseCallArg(OpAsmParser &parser,
                                SmallVectorImpl<OpAsmParser::UnresolvedOperand> &operands,
                                SmallVectorImpl<Attribute> &args) {
  MLIRContext *context = parser.getContext();
  Builder &builder = parser.getBuilder();
  auto add = [&](ArgKind kind, Attribute value = {}) {
    args.push_back(ArgAttr::get(context, kind, value));
    return success();
  };
  OpAsmParser::UnresolvedOperand operand;
  OptionalParseResult isOperand = parser.parseOptionalOperand(operand);
  if (isOperand.has_value()) {
    if (failed(*isOperand))
      return failure();
    operands.push_back(operand);
    return add(succeeded(parser.parseOptionalKeyword("register")) ? ArgKind::ScalarRegister
                                                                  : ArgKind::Tensor);
  }
  if (succeeded(parser.parseOptionalLSquare())) {
    size_t before = operands.size();
    if (failed(parser.parseOptionalRSquare()) &&
        (parser.parseOperandList(operands) || parser.parseRSquare()))
      return failure();
    return add(ArgKind::TensorList, builder.getI64IntegerAttr(operands.size() - before));
  }
  if (succeeded(parser.parseOptionalKeyword("optional"))) {
    SmallVector<bool> present;
    auto parseEntry = [&]() -> ParseResult {
      present.push_back(failed(parser.parseOptionalKeyword("none")));
      return present.back() ? parser.parseOperand(operands.emplace_back()) : success();
    };
    if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square, parseEntry))
      return failure();
    return add(ArgKind::OptionalTensorList, builder.getDenseBoolArrayAttr(present));
  }
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<ArgKind> kind = symbolizeArgKind(keyword);
  if (!kind)
    return parser.emitError(loc) << "unknown kind of argument '" << keyword << "'";
  Attribute value;
  if (*kind != ArgKind::Default && *kind != ArgKind::None && parser.parseAttribute(value))
    return failure();
  auto checked = parser.getChecked<ArgAttr>(loc, context, *kind, value);
  if (!checked)
    return failure();
  args.push_back(checked);
  return success();
}

static ParseResult parseCallArgs(OpAsmParser &parser,
                                 SmallVectorImpl<OpAsmParser::UnresolvedOperand> &operands,
                                 ArrayAttr &args) {
  SmallVector<Attribute> list;
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren,
                                     [&] { return parseCallArg(parser, operands, list); }))
    return failure();
  args = parser.getBuilder().getArrayAttr(list);
  return success();
}

static void printCallArgs(OpAsmPrinter &printer, Operation *, OperandRange operands,
                          ArrayAttr args) {
  auto printArg = [&](ArgAttr arg) {
    size_t count = arg.getNumOperands();
    OperandRange mine = operands.take_front(count);
    operands = operands.drop_front(count);
    switch (arg.getKind()) {
    case ArgKind::Tensor:
      printer << mine.front();
      return;
    case ArgKind::ScalarRegister:
      printer << mine.front() << " register";
      return;
    case ArgKind::TensorList:
      printer << '[' << mine << ']';
      return;
    case ArgKind::OptionalTensorList:
      printer << "optional [";
      llvm::interleaveComma(cast<DenseBoolArrayAttr>(arg.getValue()).asArrayRef(), printer,
                            [&](bool present) {
                              if (!present) {
                                printer << "none";
                                return;
                              }
                              printer << mine.front();
                              mine = mine.drop_front();
                            });
      printer << ']';
      return;
    default:
      printer << stringifyArgKind(arg.getKind());
      if (arg.getValue())
        printer << ' ' << arg.getValue();
    }
  };
  printer << '(';
  llvm::interleaveComma(args.getAsRange<ArgAttr>(), printer, printArg);
  printer << ')';
}

#include "dialects/exec/ExecDialect.cpp.inc"
#include "dialects/exec/ExecEnums.cpp.inc"
#include "dialects/exec/ExecInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/exec/ExecAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/exec/ExecTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/exec/ExecOps.cpp.inc"

void ExecDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/exec/ExecAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/exec/ExecTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/exec/ExecOps.cpp.inc"
      >();
}

int64_t regimen::exec::elementBytes(Type elementType) {
  return (elementType.getIntOrFloatBitWidth() + 7) / 8;
}

int64_t regimen::exec::denseBytes(ShapedType type) {
  return type.getNumElements() * elementBytes(type.getElementType());
}

MemRefType regimen::exec::tensorType(ArrayRef<int64_t> sizes, ArrayRef<int64_t> strides,
                                     Type elementType) {
  bool contiguous = true;
  int64_t expected = 1;
  for (size_t axis = sizes.size(); axis-- > 0; expected *= sizes[axis])
    contiguous &= strides[axis] == expected;
  if (contiguous)
    return MemRefType::get(sizes, elementType);
  return MemRefType::get(sizes, elementType,
                         StridedLayoutAttr::get(elementType.getContext(), 0, strides));
}

SmallVector<int64_t> regimen::exec::stridesOf(MemRefType type) {
  if (auto layout = dyn_cast<StridedLayoutAttr>(type.getLayout()))
    return SmallVector<int64_t>(layout.getStrides());
  SmallVector<int64_t> strides(type.getRank());
  int64_t stride = 1;
  for (size_t axis = strides.size(); axis-- > 0; stride *= type.getDimSize(axis))
    strides[axis] = stride;
  return strides;
}

int64_t regimen::exec::spanBytes(MemRefType type) {
  int64_t last = 0;
  for (auto [size, stride] : llvm::zip_equal(type.getShape(), stridesOf(type))) {
    if (size == 0)
      return 0;
    last += (size - 1) * stride;
  }
  return (last + 1) * elementBytes(type.getElementType());
}

std::pair<int64_t, int64_t> regimen::exec::spanOf(MemRefType type, int64_t offset,
                                                  SegmentAttr segment) {
  int64_t bytes = elementBytes(type.getElementType());
  if (segment && segment.getPlace() == SegmentPlace::Whole)
    return {offset, offset + segment.getElements() * bytes};
  if (segment && segment.getPlace() == SegmentPlace::Shard)
    return {offset, offset + segment.getShard() * bytes};
  return {offset, offset + spanBytes(type)};
}

SmallVector<InstructionOpInterface> ProgramOp::getInstructions() {
  return llvm::to_vector(getBody().getOps<InstructionOpInterface>());
}

//===----------------------------------------------------------------------===//
// What instructions read and write
//===----------------------------------------------------------------------===//

static SmallVector<Value> tensorsOf(ValueRange values) {
  return llvm::to_vector(llvm::make_filter_range(
      values, [](Value value) { return isa<MemRefType>(value.getType()); }));
}

SmallVector<Value> CallOp::getReadTensors() { return tensorsOf(getInputs()); }

SmallVector<Value> CallOp::getWrittenTensors() {
  return getMode() == KernelMode::InPlace ? tensorsOf(getInputs()) : tensorsOf(getOutputs());
}

Value CallOp::getScratchBuffer() { return getScratch(); }

SmallVector<Value> CollectiveOp::getReadTensors() {
  SmallVector<Value> tensors(getMembers());
  bool gather = getCollective() == regimen::dist::Collective::AllGather;
  if (getPart() && (gather || getAccumulate()))
    tensors.push_back(getPart());
  if (gather && !getPart())
    tensors.push_back(getWhole());
  return tensors;
}

SmallVector<Value> CollectiveOp::getWrittenTensors() {
  bool scatter = getCollective() == regimen::dist::Collective::ReduceScatter;
  return {scatter && getPart() ? getPart() : getWhole()};
}

Value CollectiveOp::getScratchBuffer() { return getScratch(); }

SmallVector<Value> LoadInputOp::getReadTensors() { return {}; }
SmallVector<Value> LoadInputOp::getWrittenTensors() { return {getTensor()}; }
SmallVector<Value> RecordOp::getReadTensors() { return {}; }
SmallVector<Value> RecordOp::getWrittenTensors() { return {}; }
SmallVector<Value> WaitOp::getReadTensors() { return {}; }
SmallVector<Value> WaitOp::getWrittenTensors() { return {}; }
