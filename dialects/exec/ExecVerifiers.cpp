//===- ExecVerifiers.cpp - Local facts of exec ops ------------------------===//
#include "dialects/exec/ExecDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace regimen::exec;

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

/// Whether `value` is what an argument of kind `kind` holds.
static bool valueFits(ArgKind kind, Attribute value) {
  auto is64 = [](Attribute attr) {
    auto integer = dyn_cast_or_null<IntegerAttr>(attr);
    return integer && integer.getType().isInteger(64);
  };
  switch (kind) {
  case ArgKind::Default:
  case ArgKind::None:
  case ArgKind::Tensor:
  case ArgKind::ScalarRegister:
    return !value;
  case ArgKind::TensorList:
  case ArgKind::Int:
  case ArgKind::ScalarInt:
    return is64(value);
  case ArgKind::Float:
  case ArgKind::ScalarFloat: {
    auto number = dyn_cast_or_null<FloatAttr>(value);
    return number && number.getType().isF64();
  }
  case ArgKind::Bool:
  case ArgKind::ScalarBool:
    return isa_and_present<BoolAttr>(value);
  case ArgKind::OptionalTensorList:
  case ArgKind::BoolList:
    return isa_and_present<DenseBoolArrayAttr>(value);
  case ArgKind::IntList:
    return isa_and_present<DenseI64ArrayAttr>(value);
  case ArgKind::FloatList:
    return isa_and_present<DenseF64ArrayAttr>(value);
  case ArgKind::DType:
    return isa_and_present<TypeAttr>(value);
  case ArgKind::String:
    return isa_and_present<StringAttr>(value);
  }
  return false;
}

LogicalResult ArgAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArgKind kind,
                              Attribute value) {
  if (!valueFits(kind, value))
    return emitError() << "an argument of kind '" << stringifyArgKind(kind) << "' cannot hold "
                       << (value ? value : Attribute());
  return success();
}

size_t ArgAttr::getNumOperands() const {
  switch (getKind()) {
  case ArgKind::Tensor:
  case ArgKind::ScalarRegister:
    return 1;
  case ArgKind::TensorList:
    return cast<IntegerAttr>(getValue()).getInt();
  case ArgKind::OptionalTensorList:
    return llvm::count(cast<DenseBoolArrayAttr>(getValue()).asArrayRef(), true);
  default:
    return 0;
  }
}

//===----------------------------------------------------------------------===//
// Module level
//===----------------------------------------------------------------------===//

/// Arena and offset come together, the offset aligned.
static LogicalResult verifyPlace(Operation *op, std::optional<StringRef> arena,
                                 std::optional<uint64_t> offset, int64_t bytes) {
  if (bytes < 0)
    return op->emitOpError() << "has a negative size";
  if (arena.has_value() != offset.has_value())
    return op->emitOpError() << "needs both an arena and an offset, or neither";
  if (offset && *offset % kAlignment)
    return op->emitOpError() << "is at offset " << *offset << ", which is no multiple of "
                             << kAlignment;
  return success();
}

static LogicalResult verifyArena(Operation *op, FlatSymbolRefAttr arena,
                                 SymbolTableCollection &tables) {
  if (arena && !tables.lookupNearestSymbolFrom<ArenaOp>(op->getParentOp(), arena))
    return op->emitOpError() << "names " << arena << ", which is no arena";
  return success();
}

LogicalResult StaticOp::verify() {
  if (std::optional<ElementsAttr> value = getValue();
      value && denseBytes(value->getShapedType()) > int64_t(getBytes()))
    return emitOpError() << "is smaller than its value";
  return verifyPlace(*this, getArena(), getOffset(), getBytes());
}

LogicalResult StaticOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyArena(*this, getArenaAttr(), tables);
}

LogicalResult FrameOp::verify() { return verifyPlace(*this, getArena(), getOffset(), getBytes()); }

LogicalResult FrameOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyArena(*this, getArenaAttr(), tables);
}

/// Bytes of the static or frame buffer `symbol`, if it is one.
static std::optional<int64_t> sharedBytes(Operation *symbol) {
  if (auto buffer = dyn_cast_or_null<StaticOp>(symbol))
    return buffer.getBytes();
  if (auto buffer = dyn_cast_or_null<FrameOp>(symbol))
    return buffer.getBytes();
  return std::nullopt;
}

LogicalResult SegmentAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t begin,
                                  int64_t elements, int64_t shard, SegmentPlace) {
  if (begin < 0 || elements < 0 || shard < 1)
    return emitError() << "a segment needs elements of a bucket and shards of at least one";
  return success();
}

/// The window of `type` at `offset` lies within `bytes`.
static LogicalResult verifyWindow(Operation *op, MemRefType type, int64_t offset,
                                  SegmentAttr segment, int64_t bytes) {
  if (!type.getLayout().isIdentity() && !isa<StridedLayoutAttr>(type.getLayout()))
    return op->emitOpError() << "needs a strided tensor, has " << type;
  if (!type.hasStaticShape())
    return op->emitOpError() << "needs a static shape, has " << type;
  if (offset < 0 || offset % elementBytes(type.getElementType()))
    return op->emitOpError() << "is at byte " << offset << ", which is no element's";
  if (segment && (type.getRank() != 1 || type.getDimSize(0) != segment.getMostElements()))
    return op->emitOpError() << "has type " << type << ", but a segment of at most "
                             << segment.getMostElements() << " elements";
  if (segment && segment.getPlace() != SegmentPlace::Whole && offset != 0)
    return op->emitOpError() << "is at byte " << offset
                             << ", but where a segment starts depends on the rank";
  if (int64_t end = spanOf(type, offset, segment).second; end > bytes)
    return op->emitOpError() << "ends at byte " << end << " of a buffer of " << bytes << " bytes";
  return success();
}

LogicalResult BindOp::verify() {
  if (!isa<MemRefType>(getType()))
    return emitOpError() << "needs a memref type";
  return success();
}

LogicalResult BindOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto storage = tables.lookupNearestSymbolFrom<train::StorageOpInterface>(*this, getStorageAttr());
  if (!storage)
    return emitOpError() << "names " << getStorageAttr()
                         << ", which is no parameter, buffer, gradient or state";
  RankedTensorType tensor = storage.getTensorType();
  MemRefType type = getTensorType();
  if (tensor.getShape() != type.getShape() || tensor.getElementType() != type.getElementType())
    return emitOpError() << "places " << tensor << " as " << type;
  Operation *buffer = tables.lookupNearestSymbolFrom(*this, getBufferAttr());
  std::optional<int64_t> bytes = sharedBytes(buffer);
  if (!bytes)
    return emitOpError() << "names " << getBufferAttr() << ", which is no static or frame buffer";
  if (isa<FrameOp>(buffer) != isa<train::SavedOp>(storage))
    return emitOpError() << "places " << getStorageAttr() << " in " << getBufferAttr()
                         << "; frames hold what a forward saves, and nothing else";
  return verifyWindow(*this, type, getOffset(), getSegmentAttr(), *bytes);
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

LogicalResult ProgramOp::verifyRegions() {
  Block &block = getBody().front();
  if (block.getNumArguments())
    return emitOpError() << "takes no block arguments; inputs are loaded by exec.load_input";
  size_t results = block.getTerminator()->getNumOperands();
  if (results != getOutputs().size())
    return emitOpError() << "returns " << results << " tensors for " << getOutputs().size()
                         << " outputs";
  for (auto [what, index] : {std::pair("loss", getLoss()), std::pair("grad_norm", getGradNorm())})
    if (index && *index >= results)
      return emitOpError() << what << " is output " << *index << " of " << results;
  SmallVector<bool> loaded(getInputs().size());
  for (Operation &op : block) {
    if (!isa<ExecDialect, arith::ArithDialect, math::MathDialect>(op.getDialect()) &&
        !isa<train::HyperOp>(op))
      return op.emitOpError() << "cannot be in an exec.program";
    auto load = dyn_cast<LoadInputOp>(op);
    auto given = dyn_cast<GivenOp>(op);
    if (!load && !given)
      continue;
    if (load ? getTakes().has_value() : !getTakes())
      return op.emitOpError() << (load ? "loads what the caller brings"
                                       : "takes from a caller what is loaded");
    uint64_t input = load ? load.getInput() : given.getInput();
    if (input < loaded.size() && std::exchange(loaded[input], true))
      return op.emitOpError() << (load ? "loads input " : "names input ") << input
                              << " a second time";
  }
  for (auto [what, ports, count] : {std::tuple("takes", getTakes(), getInputs().size()),
                                    std::tuple("gives", getGives(), results)})
    if (ports && ports->size() != count)
      return emitOpError() << "has " << ports->size() << " entries in '" << what << "' for "
                           << count;
  return success();
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (!sharedBytes(tables.lookupNearestSymbolFrom((*this)->getParentOp(), getSymbolAttr())))
    return emitOpError() << "names " << getSymbolAttr() << ", which is no static or frame buffer";
  return success();
}

LogicalResult BufferOp::verify() { return verifyPlace(*this, getArena(), getOffset(), getBytes()); }

LogicalResult BufferOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyArena((*this), getArenaAttr(), tables);
}

LogicalResult ViewOp::verify() {
  int64_t bytes = std::numeric_limits<int64_t>::max();
  Operation *source = getBuffer().getDefiningOp();
  if (auto buffer = dyn_cast_or_null<BufferOp>(source))
    bytes = buffer.getBytes();
  else if (auto get = dyn_cast_or_null<GetOp>(source))
    bytes =
        sharedBytes(SymbolTable::lookupNearestSymbolFrom(get->getParentOp(), get.getSymbolAttr()))
            .value_or(bytes);
  return verifyWindow(*this, getType(), getOffset(), getSegmentAttr(), bytes);
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

/// The operands of a call fit its arguments.
static LogicalResult verifyOperands(CallOp call) {
  OperandRange operands = call.getInputs();
  size_t wanted = 0;
  for (auto arg : call.getArgs().getAsRange<ArgAttr>())
    wanted += arg.getNumOperands();
  if (operands.size() != wanted)
    return call.emitOpError() << "has " << operands.size() << " operands for arguments that take "
                              << wanted;
  for (auto [index, arg] : llvm::enumerate(call.getArgs().getAsRange<ArgAttr>())) {
    bool isRegister = arg.getKind() == ArgKind::ScalarRegister;
    for (Value operand : operands.take_front(arg.getNumOperands()))
      if (isRegister != operand.getType().isF64())
        return call.emitOpError() << "has " << operand.getType() << " as argument " << index
                                  << " of kind '" << stringifyArgKind(arg.getKind()) << "'";
    operands = operands.drop_front(arg.getNumOperands());
  }
  return success();
}

LogicalResult CallOp::verify() {
  bool own = getMode() == KernelMode::Own;
  StringRef prefix = own ? "regimen::" : "aten::";
  if (!getKernel().starts_with(prefix))
    return emitOpError() << "names kernel '" << getKernel() << "'; a kernel of mode "
                         << stringifyKernelMode(getMode()) << " starts with " << prefix;
  if ((getMode() == KernelMode::InPlace) != getOutputs().empty())
    return emitOpError() << "has " << getOutputs().size() << " results in mode "
                         << stringifyKernelMode(getMode());
  return verifyOperands(*this);
}

// - the whole consists of equal parts
// - a reduction says what it is about, in the buffer of the whole
// - only a part is added to
LogicalResult CollectiveOp::verify() {
  auto whole = cast<MemRefType>(getWhole().getType());
  bool gather = getCollective() == regimen::dist::Collective::AllGather;
  if (getPart()) {
    auto part = cast<MemRefType>(getPart().getType());
    if (getCollective() == regimen::dist::Collective::AllReduce)
      return emitOpError() << "has a part, but leaves the whole on every rank";
    if (part.getElementType() != whole.getElementType() || part.getNumElements() == 0 ||
        whole.getNumElements() % part.getNumElements())
      return emitOpError() << "has a part of type " << part << ", which does not divide " << whole;
  }
  if (getAccumulate() && (gather || !getPart()))
    return emitOpError() << "accumulates, but reduces to no part";
  if (gather != getMembers().empty())
    return emitOpError() << (gather ? "gathers, but names tensors to reduce"
                                    : "reduces, but names no tensor to reduce");
  Value buffer = getWhole().getDefiningOp<ViewOp>().getBuffer();
  for (Value member : getMembers())
    if (member.getDefiningOp<ViewOp>().getBuffer() != buffer)
      return emitOpError() << "reduces a tensor that is not in the whole";
  return success();
}

LogicalResult LoadInputOp::verify() {
  size_t inputs = (*this)->getParentOfType<ProgramOp>().getInputs().size();
  if (getInput() >= inputs)
    return emitOpError() << "loads input " << getInput() << " of " << inputs;
  return success();
}

LogicalResult GivenOp::verify() {
  size_t inputs = (*this)->getParentOfType<ProgramOp>().getInputs().size();
  if (getInput() >= inputs)
    return emitOpError() << "names input " << getInput() << " of " << inputs;
  return success();
}

template <typename EventOp> static LogicalResult verifyEvent(EventOp op) {
  int64_t events = op->template getParentOfType<ProgramOp>().getEvents();
  if (int64_t(op.getEvent()) < 0 || int64_t(op.getEvent()) >= events)
    return op.emitOpError() << "uses event " << op.getEvent() << " of " << events;
  return success();
}

LogicalResult RecordOp::verify() { return verifyEvent(*this); }
LogicalResult WaitOp::verify() { return verifyEvent(*this); }
