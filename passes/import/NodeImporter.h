//===- NodeImporter.h - Nodes of an exported graph as aten ops --*- C++ -*-===//
#ifndef REGIMEN_PASSES_IMPORT_NODEIMPORTER_H
#define REGIMEN_PASSES_IMPORT_NODEIMPORTER_H

#include "formats/pt2/ExportedProgram.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include <variant>

namespace regimen::aten {
struct OpSchema;
struct SchemaArg;
} // namespace regimen::aten

namespace regimen::passes {

/// Builds the ops of one graph in its order, each from its schema. Sizes are evaluated with
/// `bindings`, so no symbol remains.
class NodeImporter {
public:
  NodeImporter(mlir::OpBuilder &builder, const pt2::Graph &graph,
               const std::map<std::string, int64_t> &bindings)
      : builder(builder), graph(graph), bindings(bindings) {}

  /// Names a value of the graph: an input, a parameter, a constant.
  void bind(const std::string &name, mlir::Value value) { values[name] = value; }
  /// The value called `name`; throws Error if the graph has none before this point.
  mlir::Value lookup(const std::string &name) const;
  /// The static type of a tensor of the graph.
  mlir::RankedTensorType typeOf(const std::string &name) const;
  /// Imports a node; assertions give nothing, arithmetic on sizes gives numbers. Throws Error.
  void import(const pt2::Node &node);

private:
  using Number = std::variant<int64_t, double, bool>;
  /// What an argument of a node becomes.
  struct Call {
    std::vector<llvm::SmallVector<mlir::Value>> groups;
    llvm::SmallVector<mlir::NamedAttribute> attributes;
  };

  void importNumbers(const pt2::Node &node);
  void importOp(const pt2::Node &node);
  std::optional<Number> compute(const pt2::Node &node) const;
  void addArgument(const aten::SchemaArg &arg, const pt2::Argument &value, Call &call,
                   mlir::Location loc);
  llvm::SmallVector<mlir::Value> operands(const aten::SchemaArg &arg, const pt2::Argument &value,
                                          Call &call, mlir::Location loc);
  /// Null where the argument is of a kind that the schema does not take.
  mlir::Attribute attribute(const aten::SchemaArg &arg, const pt2::Argument &value);
  mlir::Value scalar(Number number, mlir::Location loc);
  std::optional<Number> number(const pt2::Argument &value) const;
  std::optional<int64_t> integer(const pt2::Argument &value) const;
  std::optional<llvm::SmallVector<int64_t>> integers(const pt2::Argument &value) const;
  Number lookupNumber(const std::string &name) const;

  mlir::OpBuilder &builder;
  const pt2::Graph &graph;
  const std::map<std::string, int64_t> &bindings;
  llvm::StringMap<mlir::Value> values;
  std::map<std::string, Number> numbers;
  /// One arith.constant a number.
  llvm::DenseMap<mlir::Attribute, mlir::Value> scalars;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_NODEIMPORTER_H
