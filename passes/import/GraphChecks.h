//===- GraphChecks.h - What import refuses before it starts -----*- C++ -*-===//
#ifndef REGIMEN_PASSES_IMPORT_GRAPHCHECKS_H
#define REGIMEN_PASSES_IMPORT_GRAPHCHECKS_H

#include "formats/pt2/ExportedProgram.h"

#include <optional>
#include <string>

namespace regimen::aten {
struct OpSchema;
} // namespace regimen::aten

namespace regimen::passes {

/// "torch.ops.aten.add.Tensor" as the dispatcher says it: "aten::add.Tensor"; empty for a Python
/// function such as "_operator.mul".
std::string atenName(const std::string &target);

/// Whether a node only asserts, so that static shapes have settled it.
bool isAssertion(const pt2::Node &node);

/// Whether all that a node computes are numbers: sizes, and arithmetic on them.
bool isScalarMath(const pt2::Node &node);

/// The name of the op that imports `node`: the overload that it calls, or its Scalar sibling where
/// a number stands for a tensor (`add.Tensor(x, 1)`), which promotes as weakly as PyTorch does.
std::string overloadFor(const pt2::Node &node);

/// Checks that the graph is functional, has no randomness and only known ops. Throws Error.
void checkGraph(const pt2::Archive &archive, const pt2::ExportedProgram &program);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_GRAPHCHECKS_H
