//===- Literals.cpp - Types and values of an archive as MLIR's ------------===//
#include "passes/import/Literals.h"

#include "formats/Error.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace regimen;

Type passes::elementType(pt2::DType dtype, MLIRContext &context) {
  Builder b(&context);
  switch (dtype) {
  case pt2::DType::Float64:
    return b.getF64Type();
  case pt2::DType::Float32:
    return b.getF32Type();
  case pt2::DType::Float16:
    return b.getF16Type();
  case pt2::DType::BFloat16:
    return b.getBF16Type();
  case pt2::DType::Int64:
    return b.getI64Type();
  case pt2::DType::Int32:
    return b.getI32Type();
  case pt2::DType::Int16:
    return b.getIntegerType(16);
  case pt2::DType::Int8:
    return b.getI8Type();
  case pt2::DType::UInt8:
    return b.getIntegerType(8, /*isSigned=*/false);
  case pt2::DType::Bool:
    return b.getI1Type();
  default:
    throw Error("tensors of dtype " + std::string(pt2::name(dtype)) + " are not supported");
  }
}

RankedTensorType passes::tensorType(pt2::DType dtype, ArrayRef<int64_t> sizes,
                                    MLIRContext &context) {
  return RankedTensorType::get(sizes, elementType(dtype, context));
}

/// The window of a strided tensor, copied together in row-major order.
static std::vector<char> gather(std::span<const std::byte> record, const pt2::Weight &weight) {
  size_t width = pt2::elementBytes(weight.dtype), rank = weight.sizes.size();
  int64_t count = 1;
  for (int64_t size : weight.sizes)
    count *= size;
  std::vector<char> bytes(count * width);
  std::vector<int64_t> index(rank, 0);
  int64_t offset = weight.storageOffset;
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(bytes.data() + i * width, record.data() + offset * width, width);
    for (size_t axis = rank; axis-- > 0;) {
      offset += weight.strides[axis];
      if (++index[axis] < weight.sizes[axis])
        break;
      offset -= weight.strides[axis] * weight.sizes[axis];
      index[axis] = 0;
    }
  }
  return bytes;
}

DenseElementsAttr passes::elements(const pt2::Archive &archive, const pt2::Weight &weight,
                                   MLIRContext &context) {
  RankedTensorType type = tensorType(weight.dtype, weight.sizes, context);
  if (weight.empty && type.getNumElements() != 0)
    return nullptr;
  std::span<const std::byte> record = pt2::ExportedProgram::record(archive, weight);
  std::vector<char> bytes = gather(record, weight);
  if (weight.dtype != pt2::DType::Bool)
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  SmallVector<bool> flags(bytes.begin(), bytes.end());
  return DenseElementsAttr::get(type, flags);
}

Location passes::locationOf(const pt2::Node &node, MLIRContext &context) {
  Location source = UnknownLoc::get(&context);
  if (node.location.line != 0)
    source = FileLineColLoc::get(&context, node.location.file, node.location.line, 0);
  return NameLoc::get(StringAttr::get(&context, node.moduleFqn()), source);
}

std::string passes::placeOf(const pt2::Node &node) {
  std::string place;
  if (!node.moduleFqn().empty())
    place = "layer '" + node.moduleFqn() + "'";
  if (node.location.line != 0)
    place +=
        (place.empty() ? "" : ", ") + node.location.file + ":" + std::to_string(node.location.line);
  return place.empty() ? "" : " (" + place + ")";
}
