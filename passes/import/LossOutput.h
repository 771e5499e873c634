//===- LossOutput.h - Which output is the loss ------------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_IMPORT_LOSSOUTPUT_H
#define REGIMEN_PASSES_IMPORT_LOSSOUTPUT_H

#include "formats/pt2/ExportedProgram.h"

#include <cstdint>
#include <string>
#include <variant>

namespace regimen::passes {

/// Index among the user outputs of the one that `loss` names: an index, a pytree key (dotted), or a
/// name in the signature. Throws Error listing the outputs if there is no such one.
size_t findLoss(const pt2::ExportedProgram &program,
                const std::variant<int64_t, std::string> &loss);

/// "The outputs are 0 'loss', 1 'logits'", for messages.
std::string describeOutputs(const pt2::ExportedProgram &program);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_IMPORT_LOSSOUTPUT_H
