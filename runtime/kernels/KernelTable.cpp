//===- KernelTable.cpp ----------------------------------------------------===//
#include "runtime/kernels/KernelTable.h"

#include "formats/Error.h"
#include "runtime/kernels/OwnKernels.h"

namespace regimen::runtime {

at::ScalarType scalarType(plan::fb::DType dtype) {
  using plan::fb::DType;
  switch (dtype) {
  case DType::F32:
    return at::kFloat;
  case DType::F64:
    return at::kDouble;
  case DType::F16:
    return at::kHalf;
  case DType::BF16:
    return at::kBFloat16;
  case DType::I64:
    return at::kLong;
  case DType::I32:
    return at::kInt;
  case DType::I16:
    return at::kShort;
  case DType::I8:
    return at::kChar;
  case DType::U8:
    return at::kByte;
  case DType::Bool:
    return at::kBool;
  }
  throw Error("the plan names the unknown data type " + std::to_string(static_cast<int>(dtype)));
}

std::unique_ptr<BoundCall> KernelTable::bind(const CallSite &site) {
  if (site.kernel.mode == plan::fb::KernelMode::Own)
    return bindOwnKernel(site);
  return bindAtenCall(site, recordings);
}

} // namespace regimen::runtime
