//===- Storage.h - The parameters and buffers of an export ------*- C++ -*-===//
#ifndef REGIMEN_PASSES_IMPORT_STORAGE_H
#define REGIMEN_PASSES_IMPORT_STORAGE_H

#include "formats/pt2/ExportedProgram.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"

namespace regimen::passes {

/// Names and types of what outlives the program. A tied parameter has one symbol, its first name in
/// the signature.
class Storage {
public:
  /// Throws Error for parameters that share memory without being one tensor, and for pickled ones.
  Storage(const pt2::Archive &archive, const pt2::ExportedProgram &program,
          mlir::MLIRContext &context);

  /// Adds a train.parameter for each tensor and a train.buffer for each buffer.
  void declare(mlir::OpBuilder &builder) const;

  /// The symbol of a parameter, buffer or constant.
  const std::string &symbol(const std::string &fqn) const;
  mlir::RankedTensorType type(const std::string &fqn) const;
  bool isBuffer(const std::string &fqn) const;
  /// The value of a lifted constant; null where the archive has none (a meta-device export), and
  /// then the constant is a buffer.
  mlir::DenseElementsAttr constant(const std::string &fqn) const;

private:
  void findTies();
  void checkOverlaps() const;
  const pt2::Weight &weight(const std::string &fqn) const;

  const pt2::Archive &archive;
  const pt2::ExportedProgram &program;
  mlir::MLIRContext &context;
  /// First name by name, for tied parameters.
  std::map<std::string, std::string> firstNames;
  /// Further names by first name, in the signature's order.
  std::map<std::string, std::vector<std::string>> aliases;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_STORAGE_H
