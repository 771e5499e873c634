//===- CallBuilder.h - Arguments of kernel calls ----------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_SCHEDULE_CALLBUILDER_H
#define REGIMEN_PASSES_SCHEDULE_CALLBUILDER_H

#include "dialects/aten/AtenDialect.h"
#include "dialects/exec/ExecDialect.h"
#include "passes/layout/KernelTable.h"

#include <functional>

namespace regimen::passes {

/// The arguments of one exec.call, gathered in order.
class CallArgs {
public:
  explicit CallArgs(mlir::MLIRContext *context) : builder(context) {}

  CallArgs &tensor(mlir::Value tensor);
  CallArgs &tensors(mlir::ValueRange tensors);
  /// A Scalar: `value` is an exec register.
  CallArgs &scalarRegister(mlir::Value value);
  /// A Python number: f64, i64 or bool.
  CallArgs &number(mlir::TypedAttr value);
  CallArgs &boolean(bool value);
  /// An argument that holds `value`, or nothing.
  CallArgs &add(exec::ArgKind kind, mlir::Attribute value = {}, mlir::ValueRange values = {});
  /// Drops defaults at the end.
  void trim();

  /// Adds the call. It is in place if there are no results.
  exec::CallOp create(mlir::OpBuilder &at, mlir::Location loc, llvm::StringRef kernel,
                      exec::KernelMode mode, mlir::ValueRange results,
                      mlir::Value scratch = {}) const;

private:
  mlir::Builder builder;
  llvm::SmallVector<mlir::Attribute> args;
  llvm::SmallVector<mlir::Value> operands;
};

/// Translates the values of an aten op for its call.
struct OperandMap {
  /// The exec tensor of a tensor value.
  std::function<mlir::Value(mlir::Value)> tensor;
  /// The register of an f64 value that is no constant.
  std::function<mlir::Value(mlir::Value)> scalar;
};

/// The arguments of `kernel` for aten op `op`.
CallArgs buildArgs(mlir::Operation *op, const KernelRecord &kernel, const OperandMap &map);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SCHEDULE_CALLBUILDER_H
