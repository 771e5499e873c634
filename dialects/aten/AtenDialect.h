//===- AtenDialect.h - The aten dialect -------------------------*- C++ -*-===//
#ifndef REGIMEN_DIALECTS_ATEN_ATENDIALECT_H
#define REGIMEN_DIALECTS_ATEN_ATENDIALECT_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"

namespace regimen::aten {

/// What an argument of an ATen schema is. The suffix-free kinds are required, the Optional ones may
/// be None.
enum class ArgKind {
  Tensor,
  OptionalTensor,
  TensorList,
  OptionalTensorList,
  Scalar,
  OptionalScalar,
  Int,
  OptionalInt,
  IntList,
  OptionalIntList,
  Float,
  OptionalFloat,
  FloatList,
  OptionalFloatList,
  Bool,
  OptionalBool,
  BoolList,
  DType,
  OptionalDType,
  MemoryFormat,
  OptionalMemoryFormat,
  String,
  OptionalString,
  /// device, layout, pin_memory, generator, non_blocking: no operand or attribute.
  Ignored,
};

/// One argument of a schema, in its order.
struct SchemaArg {
  llvm::StringLiteral name;
  ArgKind kind;
  /// The ODS operand group that holds it, or -1 for attributes and ignored arguments.
  int operandGroup;
  /// Whether the operand group may be empty.
  bool optional;

  bool isOperand() const { return operandGroup >= 0; }
  bool isList() const { return kind == ArgKind::TensorList || kind == ArgKind::OptionalTensorList; }
};

struct OpSchema;

/// What type inference sees of an op: its operands and attributes, by schema name.
struct InferArgs {
  const OpSchema &schema;
  mlir::MLIRContext *context;
  std::optional<mlir::Location> loc;
  mlir::ValueRange operands;
  mlir::DictionaryAttr attributes;

  /// The operands of argument `name`.
  mlir::ValueRange values(llvm::StringRef name) const;
  /// The type of tensor argument `name`; null if absent.
  mlir::RankedTensorType tensor(llvm::StringRef name) const;
  /// Attribute `name` of type T; null if absent.
  template <typename T> T attr(llvm::StringRef name) const {
    return attributes ? attributes.getAs<T>(name) : T();
  }
  /// Integer attribute `name`, or `fallback` if absent.
  int64_t integer(llvm::StringRef name, int64_t fallback = 0) const;
  /// Integer list attribute `name`; empty if absent.
  llvm::ArrayRef<int64_t> integers(llvm::StringRef name) const;
  /// Reports `message` at the op's location, if it has one.
  mlir::LogicalResult fail(const llvm::Twine &message) const;
};

/// A type rule: result types from arguments. Fails with a diagnostic where they do not fit.
using TypeRule = mlir::LogicalResult (*)(const InferArgs &, llvm::SmallVectorImpl<mlir::Type> &);

/// An ATen overload's schema.
struct OpSchema {
  /// Operator and overload as the dispatcher prints them, e.g. "aten::add.Tensor".
  llvm::StringLiteral name;
  llvm::ArrayRef<SchemaArg> args;
  /// Number of ODS operand groups; with more than one variable-length group an op carries
  /// operandSegmentSizes.
  unsigned numOperandGroups;
  bool hasSegments;
  TypeRule infer;

  /// The argument called `name`, or null.
  const SchemaArg *find(llvm::StringRef name) const;
};

/// Marks ops whose results share storage with their first operand.
template <typename ConcreteType>
class ViewLike : public mlir::OpTrait::TraitBase<ConcreteType, ViewLike> {};

/// All ops share one assembly format: arguments in schema order with `none` for absent ones, then
/// attributes and types.
mlir::ParseResult parseAtenOp(mlir::OpAsmParser &parser, mlir::OperationState &state,
                              const OpSchema &schema);
void printAtenOp(mlir::OpAsmPrinter &printer, mlir::Operation *op, const OpSchema &schema);

/// The values of schema argument `arg`: one for a present tensor or scalar, none for an absent one,
/// all of a list.
mlir::OperandRange getOperandsOf(mlir::Operation *op, const SchemaArg &arg);

/// Builds the op with ATen name `name` ("aten::mm"), inferring its result types. `operands` holds
/// one list a group in schema order. Returns null, with a diagnostic at `loc`, if the types cannot
/// be inferred.
mlir::Operation *buildAtenOp(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name,
                             llvm::ArrayRef<llvm::SmallVector<mlir::Value>> operandGroups,
                             llvm::ArrayRef<mlir::NamedAttribute> attributes,
                             mlir::TypeRange resultTypes = {});

/// Runs the op's type rule; what all inferReturnTypes of the dialect do.
mlir::LogicalResult inferTypes(const OpSchema &schema, mlir::MLIRContext *context,
                               std::optional<mlir::Location> loc, mlir::ValueRange operands,
                               mlir::DictionaryAttr attributes,
                               llvm::SmallVectorImpl<mlir::Type> &types);

/// The schema of a registered op "aten.<name>", or null if the dialect has none.
const OpSchema *lookupSchema(llvm::StringRef atenName);

} // namespace regimen::aten

#include "dialects/aten/AtenDialect.h.inc"
#include "dialects/aten/AtenInterfaces.h.inc"

#endif // REGIMEN_DIALECTS_ATEN_ATENDIALECT_H
