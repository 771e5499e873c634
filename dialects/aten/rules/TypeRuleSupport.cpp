//===- TypeRuleSupport.cpp - Shapes and dtypes, as PyTorch has them -------===//
#include "dialects/aten/rules/TypeRuleSupport.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace regimen::aten;

Type regimen::aten::promoteTypes(Type a, Type b) {
  if (a == b)
    return a;
  bool floatA = isa<FloatType>(a), floatB = isa<FloatType>(b);
  if (floatA != floatB)
    return floatA ? a : b;
  unsigned widthA = a.getIntOrFloatBitWidth(), widthB = b.getIntOrFloatBitWidth();
  if (floatA)
    return widthA == widthB ? Type(Float32Type::get(a.getContext())) : widthA > widthB ? a : b;
  // Of equal width only int8 and uint8 differ: both fit int16. uint8 fits every wider integer.
  if (widthA == widthB)
    return IntegerType::get(a.getContext(), 16);
  return widthA > widthB ? a : b;
}

Type regimen::aten::toFloatType(Type type) {
  return isa<FloatType>(type) ? type : Float32Type::get(type.getContext());
}

/// The result of a higher rank (may be null) meeting a lower one (may be null).
static Type combineRanks(Type higher, Type lower) {
  if (!higher || !lower)
    return higher ? higher : lower;
  if (isa<FloatType>(higher))
    return higher;
  if (higher.isInteger(1) || isa<FloatType>(lower))
    return promoteTypes(higher, lower);
  return higher;
}

Type regimen::aten::resultType(ValueRange values) {
  Type withDims, zeroDim, scalar;
  auto add = [](Type &into, Type type) { into = into ? promoteTypes(into, type) : type; };
  for (Value value : values) {
    Type type = value.getType();
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      add(tensor.getRank() ? withDims : zeroDim, tensor.getElementType());
    else
      add(scalar, isa<FloatType>(type) ? Type(Float32Type::get(type.getContext())) : type);
  }
  return combineRanks(withDims, combineRanks(zeroDim, scalar));
}

FailureOr<int64_t> regimen::aten::wrapDim(const InferArgs &args, int64_t dim, int64_t rank) {
  int64_t count = std::max<int64_t>(rank, 1);
  if (dim < -count || dim >= count)
    return args.fail("dimension " + Twine(dim) + " of a tensor of rank " + Twine(rank));
  return dim < 0 ? dim + count : dim;
}

FailureOr<Shape> regimen::aten::wrapDims(const InferArgs &args, ArrayRef<int64_t> dims,
                                         int64_t rank) {
  Shape result;
  for (int64_t dim : dims) {
    FailureOr<int64_t> wrapped = wrapDim(args, dim, rank);
    if (failed(wrapped))
      return failure();
    if (llvm::is_contained(result, *wrapped))
      return args.fail("dimension " + Twine(*wrapped) + " appears twice");
    result.push_back(*wrapped);
  }
  return result;
}

FailureOr<Shape> regimen::aten::broadcastShapes(const InferArgs &args,
                                                ArrayRef<ArrayRef<int64_t>> shapes) {
  Shape result;
  for (ArrayRef<int64_t> shape : shapes) {
    if (shape.size() > result.size())
      result.insert(result.begin(), shape.size() - result.size(), 1);
    size_t offset = result.size() - shape.size();
    for (auto [i, size] : llvm::enumerate(shape)) {
      int64_t &into = result[offset + i];
      if (into != size && into != 1 && size != 1)
        return args.fail("shapes " + shapeText(shapes.front()) + " and " + shapeText(shape) +
                         " do not broadcast");
      into = into == 1 ? size : into;
    }
  }
  return result;
}

FailureOr<Shape> regimen::aten::broadcastValues(const InferArgs &args, ValueRange values) {
  SmallVector<ArrayRef<int64_t>> shapes;
  for (Value value : values)
    if (auto tensor = dyn_cast<RankedTensorType>(value.getType()))
      shapes.push_back(tensor.getShape());
  return broadcastShapes(args, shapes);
}

SliceBounds regimen::aten::sliceBounds(int64_t size, std::optional<int64_t> start,
                                       std::optional<int64_t> end, int64_t step) {
  auto clamp = [size](int64_t bound) {
    return std::clamp<int64_t>(bound < 0 ? bound + size : bound, 0, size);
  };
  int64_t first = clamp(start.value_or(0));
  int64_t last = std::max(first, clamp(end.value_or(size)));
  return {first, (last - first + step - 1) / step};
}

FailureOr<Shape> regimen::aten::inferViewSize(const InferArgs &args, ArrayRef<int64_t> size,
                                              int64_t numElements) {
  Shape result(size);
  int64_t known = 1, *open = nullptr;
  for (int64_t &extent : result) {
    if (extent >= 0) {
      known *= extent;
      continue;
    }
    if (extent != -1 || open)
      return args.fail("size " + shapeText(size) + " may hold one -1 and no other negative number");
    open = &extent;
  }
  if (open && known != 0 && numElements % known == 0) {
    *open = numElements / known;
    known = numElements;
  }
  if (known != numElements || (open && *open < 0))
    return args.fail("size " + shapeText(size) + " does not hold " + Twine(numElements) +
                     " elements");
  return result;
}

Attribute regimen::aten::constantScalar(Value value) {
  Attribute attr;
  return matchPattern(value, m_Constant(&attr)) ? attr : Attribute();
}

std::string regimen::aten::shapeText(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [i, size] : llvm::enumerate(shape))
    text += (i ? ", " : "") + std::to_string(size);
  return text + "]";
}

std::optional<int64_t> regimen::aten::optionalInteger(const InferArgs &args, StringRef name) {
  auto value = args.attr<IntegerAttr>(name);
  return value ? std::optional(value.getInt()) : std::nullopt;
}

bool regimen::aten::boolean(const InferArgs &args, StringRef name, bool fallback) {
  auto value = args.attr<BoolAttr>(name);
  return value ? value.getValue() : fallback;
}

Type regimen::aten::dtype(const InferArgs &args, StringRef name) {
  auto value = args.attr<TypeAttr>(name);
  return value ? value.getValue() : Type();
}

FailureOr<Shape> regimen::aten::perAxis(const InferArgs &args, StringRef name, int64_t rank,
                                        int64_t fallback) {
  ArrayRef<int64_t> values = args.integers(name);
  if (values.size() <= 1)
    return Shape(rank, values.empty() ? fallback : values.front());
  if (int64_t(values.size()) != rank)
    return args.fail("'" + name + "' has " + Twine(values.size()) + " values for " + Twine(rank) +
                     " axes");
  return Shape(values);
}
