//===- DistDialect.cpp - The dist dialect and its verifiers ---------------===//
#include "dialects/dist/DistDialect.h"

#include "dialects/train/TrainDialect.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
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
#define GET_OP_CLASSES
#include "dialects/dist/DistOps.cpp.inc"

void DistDialect::initialize() {
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
LogicalResult BucketOp::verify() {
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
