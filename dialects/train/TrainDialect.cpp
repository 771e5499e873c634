//===- TrainDialect.cpp - The train dialect and its verifiers -------------===//
#include "dialects/train/TrainDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace regimen::train;

#include "dialects/train/TrainDialect.cpp.inc"
#include "dialects/train/TrainEnums.cpp.inc"
#include "dialects/train/TrainInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/train/TrainAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/train/TrainOps.cpp.inc"

void TrainDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/train/TrainAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/train/TrainOps.cpp.inc"
      >();
}

std::string regimen::train::gradientName(StringRef parameter) {
  return (parameter + ":grad").str();
}

std::string regimen::train::stateName(StringRef parameter, StringRef slot) {
  return (parameter + ":" + slot).str();
}

/// A read or write names a storage symbol of its own type.
static LogicalResult verifyStorageUse(Operation *op, FlatSymbolRefAttr symbol, Type type,
                                      SymbolTableCollection &tables) {
  auto storage = tables.lookupNearestSymbolFrom<StorageOpInterface>(op, symbol);
  if (!storage)
    return op->emitOpError() << "names " << symbol
                             << ", which is no parameter, buffer, gradient or state";
  if (storage.getTensorType() != type)
    return op->emitOpError() << "has type " << type << ", but " << symbol << " is "
                             << storage.getTensorType();
  return success();
}

LogicalResult ReadOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyStorageUse(*this, getSymbolAttr(), getType(), tables);
}

LogicalResult WriteOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyStorageUse(*this, getSymbolAttr(), getValue().getType(), tables);
}

LogicalResult AccumulateOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (!tables.lookupNearestSymbolFrom<GradientOp>(*this, getSymbolAttr()))
    return emitOpError() << "names " << getSymbolAttr() << ", which is no gradient";
  return verifyStorageUse(*this, getSymbolAttr(), getValue().getType(), tables);
}

/// Gradients and states belong to a parameter and have its shape.
static LogicalResult verifyOwner(Operation *op, FlatSymbolRefAttr owner, RankedTensorType type,
                                 SymbolTableCollection &tables) {
  auto parameter = tables.lookupNearestSymbolFrom<ParameterOp>(op, owner);
  if (!parameter)
    return op->emitOpError() << "belongs to " << owner << ", which is no parameter";
  if (parameter.getTensorType().getShape() != type.getShape())
    return op->emitOpError() << "has type " << type << ", but " << owner << " is "
                             << parameter.getTensorType();
  return success();
}

LogicalResult GradientOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyOwner(*this, getParameterAttr(), getTensorType(), tables);
}

LogicalResult StateOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyOwner(*this, getParameterAttr(), getTensorType(), tables);
}

LogicalResult SuspendOp::verify() {
  if (getIndices().size() != getOutputs().size() || getOutputs().size() != getGradients().size())
    return emitOpError() << "needs one index and one gradient for each output";
  for (auto [output, gradient] : llvm::zip_equal(getOutputs(), getGradients()))
    if (output.getType() != gradient.getType())
      return emitOpError() << "gives a gradient of type " << gradient.getType() << " for "
                           << output.getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

void ProgramOp::build(OpBuilder &builder, OperationState &state, StringRef name, Role role,
                      Contribution contribution, ArrayAttr inputs, ArrayAttr outputs,
                      IntegerAttr loss, IntegerAttr gradNorm) {
  build(builder, state, name, role, contribution, inputs, outputs, loss, gradNorm, Segment::Whole,
        ArrayAttr(), ArrayAttr(), ArrayAttr(), ArrayAttr(), VariantAttr());
}

/// What a program says of its caller is complete: a port an input and an output, a variant exactly
/// for a backward.
static LogicalResult verifyPorts(ProgramOp program) {
  for (auto [what, ports, count] :
       {std::tuple("takes", program.getTakes(), program.getInputs().size()),
        std::tuple("gives", program.getGives(), program.getOutputs().size()),
        std::tuple("dependences", program.getDependences(), program.getOutputs().size())})
    if (ports && ports->size() != count)
      return program.emitOpError()
             << "has " << ports->size() << " entries in '" << what << "' for " << count;
  bool backward = program.getSegment() == Segment::Backward;
  if (backward ? !program.getVariant() : program.getVariant() && program.getRole() != Role::Update)
    return program.emitOpError()
           << "must say which variant it is exactly if it is a backward or an update";
  if (program.getVariant() && program.getVariant()->getLocal() &&
      program.getContribution() == Contribution::None)
    return program.emitOpError() << "leaves contributions unreduced, but makes none";
  if (program.getSegment() != Segment::Whole && !(program.getTakes() && program.getGives()))
    return program.emitOpError() << "is a segment, and must say what it takes and gives";
  return success();
}

LogicalResult ProgramOp::verifyRegions() {
  Block &block = getBody().front();
  if (block.getNumArguments() != getInputs().size())
    return emitOpError() << "has " << block.getNumArguments() << " block arguments for "
                         << getInputs().size() << " inputs";
  size_t results = block.getTerminator()->getNumOperands();
  if (results != getOutputs().size())
    return emitOpError() << "returns " << results << " values for " << getOutputs().size()
                         << " outputs";
  for (auto [what, index] : {std::pair("loss", getLoss()), std::pair("grad_norm", getGradNorm())})
    if (index && *index >= results)
      return emitOpError() << what << " is output " << *index << " of " << results;
  bool contributes = getContribution() != Contribution::None;
  bool whole = getSegment() == Segment::Whole;
  if (whole ? (getRole() == Role::MicroStep) != contributes
            : getSegment() == Segment::Forward && contributes)
    return emitOpError() << "must name its contribution exactly if it is a micro_step";
  if (!whole && getRole() != Role::MicroStep)
    return emitOpError() << "is a segment, and must be a micro_step";
  return verifyPorts(*this);
}
