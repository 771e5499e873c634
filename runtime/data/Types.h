//===- Types.h - Data types between the file formats ----------------------===//
#ifndef REGIMEN_RUNTIME_DATA_TYPES_H
#define REGIMEN_RUNTIME_DATA_TYPES_H

#include "formats/plan/Plan.h"
#include "formats/pt2/ExportedProgram.h"
#include "formats/safetensors/Safetensors.h"

#include <optional>
#include <string>
#include <vector>

namespace regimen::runtime {

safetensors::DType toSafetensors(plan::fb::DType dtype);
/// Nothing for types that no plan has.
std::optional<plan::fb::DType> fromPt2(pt2::DType dtype);
/// "[4, 32]".
std::string describe(const std::vector<int64_t> &sizes);
/// "i64[4, 32]".
std::string describe(plan::fb::DType dtype, const std::vector<int64_t> &sizes);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_DATA_TYPES_H
