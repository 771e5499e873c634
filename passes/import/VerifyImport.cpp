//===- VerifyImport.cpp - Proves what the import stage promises -----------===//
#include "passes/import/Passes.h"

#include "dialects/aten/AtenOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace regimen;

namespace regimen::passes {
#define GEN_PASS_DEF_VERIFYIMPORT
#include "passes/import/Passes.h.inc"
} // namespace regimen::passes

namespace {

LogicalResult verifyStorage(ModuleOp module) {
  llvm::StringSet<> names;
  for (Operation &op : *module.getBody()) {
    if (!isa<train::ParameterOp, train::BufferOp, train::ProgramOp>(op))
      return op.emitError("import leaves parameters, buffers and programs, not this");
    if (!names.insert(SymbolTable::getSymbolName(&op).getValue()).second)
      return op.emitError("its name is an alias of another parameter");
    auto parameter = dyn_cast<train::ParameterOp>(op);
    if (!parameter)
      continue;
    if (parameter.getTrainable() && !isa<FloatType>(parameter.getTensorType().getElementType()))
      return op.emitError("only floating-point parameters can be trained");
    for (Attribute alias : parameter.getAliases())
      if (!names.insert(cast<StringAttr>(alias).getValue()).second)
        return op.emitError("has alias ") << alias << ", which names something else too";
  }
  return success();
}

LogicalResult verifyOp(Operation &op) {
  if (!isa<aten::AtenDialect>(op.getDialect()) &&
      !isa<arith::ConstantOp, train::ReadOp, train::WriteOp, train::ReturnOp>(op))
    return op.emitError("is no operator that import knows");
  for (Type type : op.getResultTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && !tensor.hasStaticShape())
      return op.emitError("gives ") << type << "; shapes are static after import";
  return success();
}

/// Writes go to buffers, once each, and no read of a buffer sees one.
LogicalResult verifyWrites(train::ProgramOp program, SymbolTable &symbols) {
  llvm::StringSet<> written;
  for (Operation &op : program.getBody().front()) {
    if (auto read = dyn_cast<train::ReadOp>(op); read && written.contains(read.getSymbol()))
      return op.emitError("reads a buffer after its update");
    auto write = dyn_cast<train::WriteOp>(op);
    if (!write)
      continue;
    if (program.getRole() == train::Role::Evaluation)
      return op.emitError("evaluation changes no state");
    if (!symbols.lookup<train::BufferOp>(write.getSymbol()))
      return op.emitError("a forward program may write only buffers");
    if (!written.insert(write.getSymbol()).second)
      return op.emitError("writes a buffer for the second time");
  }
  return success();
}

LogicalResult verifyLoss(train::ProgramOp program) {
  if (program.getRole() != train::Role::Forward && program.getRole() != train::Role::Evaluation)
    return program.emitError("import leaves forward and evaluation programs only");
  // A model that is driven by a caller has none.
  if (!program.getLoss())
    return success();
  Value loss = program.getBody().front().getTerminator()->getOperand(*program.getLoss());
  auto type = cast<RankedTensorType>(loss.getType());
  if (type.getRank() != 0 || !isa<FloatType>(type.getElementType()))
    return program.emitError("has a loss of type ")
           << type << ", which is no floating-point scalar";
  return success();
}

struct VerifyImport : passes::impl::VerifyImportBase<VerifyImport> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    if (failed(verifyStorage(getOperation())))
      return signalPassFailure();
    for (auto program : getOperation().getOps<train::ProgramOp>()) {
      if (failed(verifyLoss(program)) || failed(verifyWrites(program, symbols)))
        return signalPassFailure();
      for (Operation &op : program.getBody().front())
        if (failed(verifyOp(op)))
          return signalPassFailure();
    }
  }
};

} // namespace
