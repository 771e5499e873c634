//===- Vjp.h - The gradient table -------------------------------*- C++ -*-===//
//
// What dialects/aten/rules/Vjp.td says of each op: which operands get a cotangent and how, and how
// the ops of a backward depend on their operands.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_AUTODIFF_VJP_H
#define REGIMEN_PASSES_AUTODIFF_VJP_H

#include "passes/autodiff/AtenBuilder.h"

namespace regimen::passes {

/// What a rule sees of the op that it differentiates, and where it puts the cotangents.
class VjpContext {
public:
  /// `gradients` has one value a result of `op`, null where none arrived. `wanted` tells for each
  /// operand whether its cotangent is needed.
  VjpContext(mlir::OpBuilder &builder, mlir::Operation *op, llvm::ArrayRef<mlir::Value> gradients,
             const llvm::SmallVector<bool> &wanted);

  AtenBuilder &aten() { return ops; }
  mlir::Builder &builder() { return ops.builder(); }

  /// The gradient of result `index`, or null.
  mlir::Value grad(unsigned index = 0) const { return gradients[index]; }
  unsigned numResults() const { return op->getNumResults(); }
  mlir::Value result(unsigned index = 0) const { return op->getResult(index); }
  /// Whether the schema has argument `name`.
  bool hasArgument(llvm::StringRef name) const;
  /// The operands of argument `name`: none if absent, several for a list.
  llvm::SmallVector<mlir::Value> operands(llvm::StringRef name) const;
  /// The operand of argument `name`, or null.
  mlir::Value operand(llvm::StringRef name) const;
  /// Scalar argument `name`, or `fallback` if absent.
  mlir::Value scalarOr(llvm::StringRef name, double fallback);
  mlir::Value scalarOr(llvm::StringRef name, int64_t fallback);
  /// The attribute `name`, or `fallback` if absent.
  mlir::Attribute attr(llvm::StringRef name, mlir::Attribute fallback = {}) const;
  int64_t integer(llvm::StringRef name, int64_t fallback) const;
  bool flag(llvm::StringRef name, bool fallback) const;
  llvm::ArrayRef<int64_t> ints(llvm::StringRef name) const;

  /// Whether the cotangent of operand `index` of argument `name` is needed.
  bool wants(llvm::StringRef name, unsigned index = 0) const;
  void set(llvm::StringRef name, mlir::Value cotangent, unsigned index = 0);
  /// One cotangent an operand; null where none was set.
  llvm::ArrayRef<mlir::Value> cotangents() const { return results; }

  // What generated rules are made of.
  mlir::Value emit(llvm::StringRef name, AtenBuilder::Groups operands,
                   llvm::ArrayRef<std::pair<llvm::StringRef, mlir::Attribute>> attributes);
  mlir::Value scalar(double value) { return ops.scalar(value); }
  mlir::Value scalar(int64_t value) { return ops.scalar(value); }
  mlir::Attribute sizesOf(llvm::StringRef operandName);
  mlir::Attribute dtypeOf(llvm::StringRef operandName);

private:
  /// Index of the first operand of argument `name`, and their number.
  std::pair<unsigned, unsigned> range(llvm::StringRef name) const;

  mlir::Operation *op;
  AtenBuilder ops;
  llvm::ArrayRef<mlir::Value> gradients;
  const llvm::SmallVector<bool> &wanted;
  llvm::SmallVector<mlir::Value> results;
};

enum class VjpKind {
  /// Has a rule.
  Rule,
  /// No gradient flows through it.
  NoGradient,
  /// Must be decomposed before it is differentiated.
  Composite,
};

struct VjpRule {
  VjpKind kind;
  void (*function)(VjpContext &);
  /// The arguments that can get a cotangent.
  llvm::ArrayRef<llvm::StringLiteral> operands;
};

/// The rule of `op`; null if it has none.
const VjpRule *lookupVjp(mlir::Operation *op);

/// Whether operand `index` of `op` is one that `rule` differentiates.
bool isDifferentiable(const VjpRule &rule, mlir::Operation *op, unsigned index);

enum class LinearityKind { Additive, Multilinear };

/// See the class of this name in VjpRule.td.
struct Linearity {
  LinearityKind kind;
  llvm::ArrayRef<llvm::StringLiteral> operands;
};

/// How `op` depends on its operands; null if not linearly.
const Linearity *lookupLinearity(mlir::Operation *op);

/// The schema argument that operand `index` of aten op `op` belongs to.
llvm::StringRef argumentOf(mlir::Operation *op, unsigned index);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_AUTODIFF_VJP_H
