//===- DistDialect.cpp - The dist dialect and its verifiers ---------------===//
#include "dialects/dist/DistDialect.h"

#include "dialects/train/TrainDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::dist;

/// `[dp = 4, tp = 2]`
static ParseResult parseMeshAxes(OpAsmParser &parser, ArrayAttr &axes, DenseI64ArrayAttr &sizes) {
  SmallVector<Attribute> names;
  SmallVector<int64_t> extents;
  auto parseAxis = [&]() -> ParseResult {
    StringRef name;
    if (parser.parseKeyword(&name) || parser.parseEqual() ||
        parser.parseInteger(extents.emplace_back()))
      return failure();
    names.push_back(parser.getBuilder().getStringAttr(name));
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square, parseAxis))
    return failure();
  axes = parser.getBuilder().getArrayAttr(names);
  sizes = parser.getBuilder().getDenseI64ArrayAttr(extents);
  return success();
}

static void printMeshAxes(OpAsmPrinter &printer, Operation *, ArrayAttr axes,
                          DenseI64ArrayAttr sizes) {
  printer << '[';
  llvm::interleaveComma(
      llvm::zip_equal(axes.getAsValueRange<StringAttr>(), sizes.asArrayRef()), printer,
      [&](auto axis) { printer << std::get<0>(axis) << " = " << std::get<1>(axis); });
  printer << ']';
}

#include "dialects/dist/DistDialect.cpp.inc"
#include "dialects/dist/DistEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/dist/DistAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/dist/DistTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/dist/DistOps.cpp.inc"

void DistDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/dist/DistAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/dist/DistTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/dist/DistOps.cpp.inc"
      >();
}

int64_t MeshOp::getAxisSize(StringRef axis) {
  for (auto [name, size] : llvm::zip_equal(getAxes().getAsValueRange<StringAttr>(), getSizes()))
    if (name == axis)
      return size;
  return 1;
}

// - as many sizes as axes, at least one
// - axis names differ
// - sizes are positive
LogicalResult MeshOp::verify() {
  if (getAxes().empty() || getAxes().size() != getSizes().size())
    return emitOpError() << "has " << getSizes().size() << " sizes for " << getAxes().size()
                         << " axes; it needs one axis at least and a size for each";
  llvm::StringSet<> seen;
  for (auto [name, size] : llvm::zip_equal(getAxes().getAsValueRange<StringAttr>(), getSizes())) {
    if (!seen.insert(name).second)
      return emitOpError() << "names axis '" << name << "' twice";
    if (size < 1)
      return emitOpError() << "axis '" << name << "' has size " << size;
  }
  return success();
}

// - as many offsets as parameters, at least one
// - offsets are non-negative multiples of 64
// - elements is a positive multiple of 256
// - zero is a ZeRO stage
LogicalResult BucketOp::verify() {
  if (getHostParameters() && !shardsParameters())
    return emitOpError() << "has parameters on the host that are not sharded: only gathers bring "
                            "them to the device";
  if (getParameters().empty() || getParameters().size() != getOffsets().size())
    return emitOpError() << "has " << getOffsets().size() << " offsets for "
                         << getParameters().size()
                         << " parameters; it needs one parameter at least and an offset for each";
  for (int64_t offset : getOffsets())
    if (offset < 0 || offset % kParameterAlignment)
      return emitOpError() << "offset " << offset << " is no multiple of " << kParameterAlignment;
  int64_t elements = getElements();
  if (elements < 1 || elements % kShardAlignment)
    return emitOpError() << "length " << elements << " is no positive multiple of "
                         << kShardAlignment;
  if (getZero() > 3)
    return emitOpError() << "has ZeRO stage " << getZero() << "; there are 0, 1, 2 and 3";
  return success();
}

// - each name is a train.parameter of the bucket's element type and trainability
// - parameters do not overlap and offsets ascend
// - the last one ends within the bucket
LogicalResult BucketOp::verifySymbolUses(SymbolTableCollection &tables) {
  int64_t end = 0;
  StringRef previous;
  for (auto [name, offset] :
       llvm::zip_equal(getParameters().getAsRange<FlatSymbolRefAttr>(), getOffsets())) {
    auto parameter = tables.lookupNearestSymbolFrom<train::ParameterOp>(*this, name);
    if (!parameter)
      return emitOpError() << "names " << name << ", which is no parameter";
    RankedTensorType type = parameter.getTensorType();
    if (type.getElementType() != getElementType())
      return emitOpError() << "holds " << getElementType() << ", but " << name << " is " << type;
    if (parameter.getTrainable() != getTrainable())
      return emitOpError() << "is " << (getTrainable() ? "trainable" : "frozen") << ", but " << name
                           << " is " << (parameter.getTrainable() ? "trainable" : "frozen");
    if (offset < end)
      return emitOpError() << "parameter " << name << " at " << offset << " overlaps '" << previous
                           << "', which ends at " << end;
    end = offset + type.getNumElements();
    previous = name.getValue();
  }
  if (end > static_cast<int64_t>(getElements()))
    return emitOpError() << "has " << getElements() << " elements, but its last parameter ends at "
                         << end;
  return success();
}

//===----------------------------------------------------------------------===//
// Segments and communication
//===----------------------------------------------------------------------===//

/// Fails unless `name` is a bucket.
static LogicalResult verifyBucketUse(Operation *op, FlatSymbolRefAttr name,
                                     SymbolTableCollection &tables) {
  if (tables.lookupNearestSymbolFrom<BucketOp>(op, name))
    return success();
  return op->emitOpError() << "names " << name << ", which is no bucket";
}

/// The parameter to which a model state belongs, or which it is; null for other symbols.
static StringRef parameterOf(Operation *storage) {
  if (auto gradient = dyn_cast_if_present<train::GradientOp>(storage))
    return gradient.getParameter();
  if (auto state = dyn_cast_if_present<train::StateOp>(storage))
    return state.getParameter();
  if (auto parameter = dyn_cast_if_present<train::ParameterOp>(storage))
    return parameter.getSymName();
  return {};
}

// - the storage is a model state of a parameter of the bucket
// - the type is flat, of the storage's element type, and no longer than the storage
LogicalResult SegmentOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto bucket = tables.lookupNearestSymbolFrom<BucketOp>(*this, getBucketAttr());
  if (!bucket)
    return emitOpError() << "names " << getBucketAttr() << ", which is no bucket";
  auto storage = tables.lookupNearestSymbolFrom<train::StorageOpInterface>(*this, getStorageAttr());
  StringRef parameter = parameterOf(storage);
  if (parameter.empty() ||
      !llvm::is_contained(bucket.getParameters(), FlatSymbolRefAttr::get(getContext(), parameter)))
    return emitOpError() << "is of " << getStorageAttr() << ", which is no model state of "
                         << getBucketAttr();
  RankedTensorType whole = storage.getTensorType(), type = getTensorType();
  if (type.getRank() != 1 || type.getElementType() != whole.getElementType() ||
      type.getNumElements() > whole.getNumElements())
    return emitOpError() << "has type " << type << ", but is a flat part of a " << whole;
  return success();
}

// - the bucket exists, and is trainable unless it is gathered
// - only a reduce_scatter accumulates
LogicalResult StartOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto bucket = tables.lookupNearestSymbolFrom<BucketOp>(*this, getBucketAttr());
  if (!bucket)
    return emitOpError() << "names " << getBucketAttr() << ", which is no bucket";
  if (getCollective() != Collective::AllGather && !bucket.getTrainable())
    return emitOpError() << "reduces gradients of " << getBucketAttr() << ", which is frozen";
  if (getAccumulate() && getCollective() != Collective::ReduceScatter)
    return emitOpError() << "accumulates, which only reduce_scatter does";
  return success();
}

LogicalResult ReleaseOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyBucketUse(*this, getBucketAttr(), tables);
}

// - the result is the value with one more axis in front
LogicalResult MovedOp::verify() {
  if (!getValue().getDefiningOp<MoveOp>())
    return emitOpError() << "waits for what is no result of dist.move";
  return success();
}

LogicalResult ShareOp::verify() {
  auto value = cast<RankedTensorType>(getValue().getType()),
       result = cast<RankedTensorType>(getResult().getType());
  if (result.getRank() != value.getRank() + 1 ||
      result.getShape().drop_front() != value.getShape() ||
      result.getElementType() != value.getElementType())
    return emitOpError() << "gives " << result << " for " << value
                         << "; it adds one axis, over the ranks, in front";
  return success();
}
