//===- Specialization.h - Sizes for the symbols of a graph ------*- C++ -*-===//
#ifndef REGIMEN_PASSES_IMPORT_SPECIALIZATION_H
#define REGIMEN_PASSES_IMPORT_SPECIALIZATION_H

#include "formats/pt2/ExportedProgram.h"

#include <cstdint>
#include <map>
#include <string>

namespace regimen::passes {

/// Values of the size symbols of an export, from the sizes that the user gives to input axes.
class Specialization {
public:
  /// `dims` maps "INPUT.AXIS" to a size. Symbols unify over inputs: one axis fixes all that share
  /// its symbol. Throws Error where `dims` names what is not there, contradicts itself or the
  /// export, leaves a range, or leaves a symbol without a value (all such symbols at once).
  /// `option` is how messages call `dims`.
  Specialization(const pt2::ExportedProgram &program, const std::map<std::string, int64_t> &dims,
                 std::string option);

  const std::map<std::string, int64_t> &bindings() const { return symbols; }

private:
  void bind(const pt2::ExportedProgram &program, const std::map<std::string, int64_t> &dims);
  void checkComplete(const pt2::ExportedProgram &program) const;
  void checkRanges(const pt2::ExportedProgram &program) const;

  const std::string option;
  std::map<std::string, int64_t> symbols;
  /// The entry of `dims` that gave a symbol its value.
  std::map<std::string, std::string> origins;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_SPECIALIZATION_H
