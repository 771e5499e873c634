//===- Types.cpp ----------------------------------------------------------===//
#include "runtime/data/Types.h"

#include "formats/Error.h"

namespace regimen::runtime {

safetensors::DType toSafetensors(plan::fb::DType dtype) {
  switch (dtype) {
  case plan::fb::DType::F32:
    return safetensors::DType::F32;
  case plan::fb::DType::F64:
    return safetensors::DType::F64;
  case plan::fb::DType::F16:
    return safetensors::DType::F16;
  case plan::fb::DType::BF16:
    return safetensors::DType::BF16;
  case plan::fb::DType::I64:
    return safetensors::DType::I64;
  case plan::fb::DType::I32:
    return safetensors::DType::I32;
  case plan::fb::DType::I16:
    return safetensors::DType::I16;
  case plan::fb::DType::I8:
    return safetensors::DType::I8;
  case plan::fb::DType::U8:
    return safetensors::DType::U8;
  case plan::fb::DType::Bool:
    return safetensors::DType::Bool;
  }
  throw Error("the plan names the unknown data type " + std::to_string(static_cast<int>(dtype)));
}

std::optional<plan::fb::DType> fromPt2(pt2::DType dtype) {
  switch (dtype) {
  case pt2::DType::Float32:
    return plan::fb::DType::F32;
  case pt2::DType::Float64:
    return plan::fb::DType::F64;
  case pt2::DType::Float16:
    return plan::fb::DType::F16;
  case pt2::DType::BFloat16:
    return plan::fb::DType::BF16;
  case pt2::DType::Int64:
    return plan::fb::DType::I64;
  case pt2::DType::Int32:
    return plan::fb::DType::I32;
  case pt2::DType::Int16:
    return plan::fb::DType::I16;
  case pt2::DType::Int8:
    return plan::fb::DType::I8;
  case pt2::DType::UInt8:
    return plan::fb::DType::U8;
  case pt2::DType::Bool:
    return plan::fb::DType::Bool;
  default:
    return std::nullopt;
  }
}

std::string describe(const std::vector<int64_t> &sizes) {
  std::string text = "[";
  for (size_t i = 0; i < sizes.size(); ++i)
    text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + "]";
}

std::string describe(plan::fb::DType dtype, const std::vector<int64_t> &sizes) {
  return std::string(plan::name(dtype)) + describe(sizes);
}

} // namespace regimen::runtime
