//===- ConstantEvaluator.cpp - Integer and boolean aten ops on constants --===//
#include "dialects/aten/ConstantEvaluator.h"

#include "dialects/aten/AtenDialect.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include <numeric>

using namespace mlir;
using namespace regimen::aten;

namespace {

using Shape = SmallVector<int64_t>;

/// An integer tensor in row-major order, one int64 an element (booleans 0 and 1), or one element
/// for all of a splat.
struct Tensor {
  Shape shape;
  std::vector<int64_t> data;
  bool splat = false;

  int64_t at(int64_t index) const { return splat ? data[0] : data[index]; }
  static Tensor filled(ArrayRef<int64_t> shape, int64_t value) {
    return {Shape(shape), {value}, true};
  }
};

int64_t product(ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

/// Row-major strides in elements.
Shape stridesOf(ArrayRef<int64_t> shape) {
  Shape strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/// Calls visit(i, offset) for every element i of `shape` in order, with offset = base + sum of
/// index * stride.
template <typename Visit>
void forEachOffset(ArrayRef<int64_t> shape, ArrayRef<int64_t> strides, int64_t base, Visit visit) {
  int64_t count = product(shape);
  Shape index(shape.size(), 0);
  int64_t offset = base;
  for (int64_t i = 0; i < count; ++i) {
    visit(i, offset);
    for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
      offset += strides[axis];
      if (++index[axis] < shape[axis])
        break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/// A strided window of a tensor as a tensor.
Tensor window(const Tensor &source, ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
              int64_t base) {
  if (source.splat)
    return Tensor::filled(shape, source.data[0]);
  Tensor result{Shape(shape), std::vector<int64_t>(product(shape))};
  forEachOffset(shape, strides, base,
                [&](int64_t i, int64_t at) { result.data[i] = source.data[at]; });
  return result;
}

Tensor broadcastTo(const Tensor &source, ArrayRef<int64_t> shape) {
  if (ArrayRef<int64_t>(source.shape) == shape)
    return source;
  Shape own = stridesOf(source.shape), strides(shape.size(), 0);
  size_t lead = shape.size() - source.shape.size();
  for (size_t i = 0; i < source.shape.size(); ++i)
    strides[lead + i] = source.shape[i] == 1 ? 0 : own[i];
  return window(source, shape, strides, 0);
}

/// What a rule sees of an op: operands and attributes by schema name.
struct Args {
  Operation *op;
  const OpSchema &schema;
  ArrayRef<Attribute> constants;
  Shape resultShape;

  SmallVector<Attribute> list(StringRef name) const {
    SmallVector<Attribute> values;
    if (const SchemaArg *arg = schema.find(name); arg && arg->isOperand()) {
      OperandRange range = getOperandsOf(op, *arg);
      for (size_t i = 0; i < range.size(); ++i)
        values.push_back(constants[range.getBeginOperandIndex() + i]);
    }
    return values;
  }
  static Tensor read(Attribute attribute) {
    auto elements = cast<DenseElementsAttr>(attribute);
    Tensor tensor{Shape(elements.getType().getShape()), {}, elements.isSplat()};
    bool isUnsigned =
        elements.getElementType().isUnsignedInteger() || elements.getElementType().isInteger(1);
    auto value = [&](const APInt &x) {
      return isUnsigned ? int64_t(x.getZExtValue()) : x.getSExtValue();
    };
    if (tensor.splat) {
      tensor.data.push_back(value(elements.getSplatValue<APInt>()));
    } else if (elements.getElementType().isInteger(64)) {
      auto values = elements.getValues<int64_t>();
      tensor.data.assign(values.begin(), values.end());
    } else if (elements.getElementType().isInteger(1)) {
      auto values = elements.getValues<bool>();
      tensor.data.assign(values.begin(), values.end());
    } else {
      for (const APInt &x : elements.getValues<APInt>())
        tensor.data.push_back(value(x));
    }
    return tensor;
  }
  Tensor tensor(StringRef name) const { return read(list(name).front()); }
  /// A Scalar argument as an integer, `fallback` if absent; none if it is a float with a fraction.
  std::optional<int64_t> scalar(StringRef name, int64_t fallback = 0) const {
    SmallVector<Attribute> values = list(name);
    if (values.empty())
      return fallback;
    if (auto integer = dyn_cast<IntegerAttr>(values[0]))
      return integer.getType().isInteger(1) ? int64_t(!integer.getValue().isZero())
                                            : integer.getInt();
    double value = cast<FloatAttr>(values[0]).getValueAsDouble();
    if (value != double(int64_t(value)))
      return std::nullopt;
    return int64_t(value);
  }
  int64_t integer(StringRef name, int64_t fallback) const {
    auto value = op->getAttrOfType<IntegerAttr>(name);
    return value ? value.getInt() : fallback;
  }
  ArrayRef<int64_t> integers(StringRef name) const {
    auto value = op->getAttrOfType<DenseI64ArrayAttr>(name);
    return value ? value.asArrayRef() : ArrayRef<int64_t>();
  }
  /// Attribute `dim` of a tensor of `rank` axes, counted from the front.
  int64_t dim(int64_t rank, int64_t fallback = 0, StringRef name = "dim") const {
    int64_t value = integer(name, fallback);
    return value < 0 ? value + rank : value;
  }
};

using Rule = std::optional<Tensor> (*)(const Args &);

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

/// The same elements in the same order under the result's shape.
std::optional<Tensor> reshape(const Args &args) {
  Tensor result = args.tensor("self");
  result.shape = args.resultShape;
  return result;
}

std::optional<Tensor> expand(const Args &args) {
  return broadcastTo(args.tensor("self"), args.resultShape);
}

template <typename Function>
Tensor map(const Args &args, const Tensor &a, const Tensor &b, Function function) {
  if (a.splat && b.splat)
    return Tensor::filled(args.resultShape, function(a.data[0], b.data[0]));
  Tensor x = broadcastTo(a, args.resultShape), y = broadcastTo(b, args.resultShape);
  Tensor result{args.resultShape, std::vector<int64_t>(product(args.resultShape))};
  for (size_t i = 0; i < result.data.size(); ++i)
    result.data[i] = function(x.at(i), y.at(i));
  return result;
}

/// function(self, other) with a tensor or Scalar `other`.
template <auto function> std::optional<Tensor> binary(const Args &args) {
  Attribute other = args.list("other").front();
  if (isa<DenseElementsAttr>(other))
    return map(args, args.tensor("self"), Args::read(other), function);
  std::optional<int64_t> scalar = args.scalar("other");
  if (!scalar)
    return std::nullopt;
  return map(args, args.tensor("self"), Tensor::filled({}, *scalar), function);
}

template <auto function> std::optional<Tensor> unary(const Args &args) {
  return map(args, args.tensor("self"), Tensor::filled({}, 0),
             [](int64_t x, int64_t) { return function(x); });
}

/// self + sign * alpha * other.
template <int64_t sign> std::optional<Tensor> sum(const Args &args) {
  std::optional<int64_t> alpha = args.scalar("alpha", 1), scalar;
  Attribute other = args.list("other").front();
  bool isTensor = isa<DenseElementsAttr>(other);
  if (!isTensor)
    scalar = args.scalar("other");
  if (!alpha || (!isTensor && !scalar))
    return std::nullopt;
  return map(args, args.tensor("self"), isTensor ? Args::read(other) : Tensor::filled({}, *scalar),
             [&](int64_t x, int64_t y) { return x + sign * *alpha * y; });
}

constexpr auto multiply = [](int64_t x, int64_t y) { return x * y; };
constexpr auto equal = [](int64_t x, int64_t y) -> int64_t { return x == y; };
constexpr auto notEqual = [](int64_t x, int64_t y) -> int64_t { return x != y; };
constexpr auto less = [](int64_t x, int64_t y) -> int64_t { return x < y; };
constexpr auto lessEqual = [](int64_t x, int64_t y) -> int64_t { return x <= y; };
constexpr auto greater = [](int64_t x, int64_t y) -> int64_t { return x > y; };
constexpr auto greaterEqual = [](int64_t x, int64_t y) -> int64_t { return x >= y; };
constexpr auto bitAnd = [](int64_t x, int64_t y) { return x & y; };
constexpr auto bitOr = [](int64_t x, int64_t y) { return x | y; };
constexpr auto logicalAnd = [](int64_t x, int64_t y) -> int64_t { return x && y; };
constexpr auto logicalOr = [](int64_t x, int64_t y) -> int64_t { return x || y; };
constexpr auto smaller = [](int64_t x, int64_t y) { return std::min(x, y); };
constexpr auto larger = [](int64_t x, int64_t y) { return std::max(x, y); };
constexpr auto negate = [](int64_t x) { return -x; };
constexpr auto magnitude = [](int64_t x) { return x < 0 ? -x : x; };
constexpr auto logicalNot = [](int64_t x) -> int64_t { return !x; };

std::optional<Tensor> bitwiseNot(const Args &args) {
  bool boolean = cast<RankedTensorType>(args.op->getResultTypes()[0]).getElementType().isInteger(1);
  return map(args, args.tensor("self"), Tensor::filled({}, 0),
             [&](int64_t x, int64_t) { return boolean ? int64_t(!x) : ~x; });
}

std::optional<Tensor> floorDivide(const Args &args) {
  Tensor divisor = args.tensor("other");
  if (llvm::is_contained(divisor.data, 0))
    return std::nullopt;
  return map(args, args.tensor("self"), divisor, [](int64_t x, int64_t y) {
    int64_t quotient = x / y;
    return quotient - (x % y != 0 && (x < 0) != (y < 0));
  });
}

std::optional<Tensor> where(const Args &args) {
  Tensor condition = broadcastTo(args.tensor("condition"), args.resultShape);
  Tensor x = broadcastTo(args.tensor("self"), args.resultShape);
  Tensor y = broadcastTo(args.tensor("other"), args.resultShape);
  Tensor result{args.resultShape, std::vector<int64_t>(product(args.resultShape))};
  for (size_t i = 0; i < result.data.size(); ++i)
    result.data[i] = condition.at(i) ? x.at(i) : y.at(i);
  return result;
}

std::optional<Tensor> arange(const Args &args) {
  std::optional<int64_t> start = args.scalar("start"), step = args.scalar("step", 1);
  if (!start || !step || !args.scalar("end"))
    return std::nullopt;
  Tensor result{args.resultShape, std::vector<int64_t>(product(args.resultShape))};
  for (size_t i = 0; i < result.data.size(); ++i)
    result.data[i] = *start + int64_t(i) * *step;
  return result;
}

template <int64_t value> std::optional<Tensor> filled(const Args &args) {
  return Tensor::filled(args.resultShape, value);
}

std::optional<Tensor> full(const Args &args) {
  std::optional<int64_t> value = args.scalar("fill_value");
  return value ? std::optional(Tensor::filled(args.resultShape, *value)) : std::nullopt;
}

std::optional<Tensor> scalarTensor(const Args &args) {
  std::optional<int64_t> value = args.scalar("s");
  return value ? std::optional(Tensor::filled({}, *value)) : std::nullopt;
}

std::optional<Tensor> slice(const Args &args) {
  Tensor self = args.tensor("self");
  Shape strides = stridesOf(self.shape);
  int64_t dim = args.dim(self.shape.size()), size = self.shape[dim];
  int64_t start = args.integer("start", 0);
  start = std::clamp<int64_t>(start < 0 ? start + size : start, 0, size);
  int64_t base = start * strides[dim];
  strides[dim] *= args.integer("step", 1);
  return window(self, args.resultShape, strides, base);
}

std::optional<Tensor> select(const Args &args) {
  Tensor self = args.tensor("self");
  Shape strides = stridesOf(self.shape);
  int64_t dim = args.dim(self.shape.size()), index = args.integer("index", 0);
  int64_t base = (index < 0 ? index + self.shape[dim] : index) * strides[dim];
  strides.erase(strides.begin() + dim);
  return window(self, args.resultShape, strides, base);
}

std::optional<Tensor> permute(const Args &args) {
  Tensor self = args.tensor("self");
  Shape own = stridesOf(self.shape), strides;
  for (int64_t dim : args.integers("dims"))
    strides.push_back(own[dim < 0 ? dim + int64_t(own.size()) : dim]);
  return window(self, args.resultShape, strides, 0);
}

std::optional<Tensor> transpose(const Args &args) {
  Tensor self = args.tensor("self");
  Shape strides = stridesOf(self.shape);
  if (strides.size() > 1) {
    bool isT = !args.op->hasAttr("dim0");
    int64_t rank = strides.size();
    std::swap(strides[isT ? 0 : args.dim(rank, 0, "dim0")],
              strides[isT ? 1 : args.dim(rank, 1, "dim1")]);
  }
  return window(self, args.resultShape, strides, 0);
}

/// Tensors of one rank end to end along an axis.
Tensor concatenate(ArrayRef<Tensor> parts, int64_t dim, ArrayRef<int64_t> shape) {
  Tensor result{Shape(shape), std::vector<int64_t>(product(shape))};
  Shape strides = stridesOf(shape);
  int64_t start = 0;
  for (const Tensor &part : parts) {
    if (part.shape.size() != shape.size())
      continue; // torch.cat skips empty tensors of rank 1
    forEachOffset(part.shape, strides, start * strides[dim],
                  [&](int64_t i, int64_t at) { result.data[at] = part.at(i); });
    start += part.shape[dim];
  }
  return result;
}

std::optional<Tensor> cat(const Args &args) {
  SmallVector<Tensor> parts;
  for (Attribute part : args.list("tensors"))
    parts.push_back(Args::read(part));
  return concatenate(parts, args.dim(args.resultShape.size()), args.resultShape);
}

std::optional<Tensor> diff(const Args &args) {
  if (args.integer("n", 1) != 1)
    return std::nullopt;
  Tensor self = args.tensor("self");
  int64_t dim = args.dim(self.shape.size(), -1);
  SmallVector<Tensor> parts;
  Shape shape = self.shape;
  shape[dim] = 0;
  for (StringRef name : {"prepend", "self", "append"})
    for (Attribute part : args.list(name)) {
      parts.push_back(Args::read(part));
      shape[dim] += parts.back().shape[dim];
    }
  Tensor all = concatenate(parts, dim, shape);
  Shape strides = stridesOf(shape);
  bool boolean = cast<RankedTensorType>(args.op->getResultTypes()[0]).getElementType().isInteger(1);
  Tensor result{args.resultShape, std::vector<int64_t>(product(args.resultShape))};
  forEachOffset(args.resultShape, strides, 0, [&](int64_t i, int64_t at) {
    int64_t change = all.data[at + strides[dim]] - all.data[at];
    result.data[i] = boolean ? change != 0 : change;
  });
  return result;
}

std::optional<Tensor> cumsum(const Args &args) {
  Tensor result = args.tensor("self");
  int64_t rank = result.shape.size();
  if (result.splat) {
    result.data.assign(product(result.shape), result.data[0]);
    result.splat = false;
  }
  if (rank == 0)
    return result;
  int64_t dim = args.dim(rank), stride = stridesOf(result.shape)[dim];
  for (int64_t i = 0, e = result.data.size(); i < e; ++i)
    if ((i / stride) % result.shape[dim] != 0)
      result.data[i] += result.data[i - stride];
  return result;
}

std::optional<Tensor> pad(const Args &args) {
  if (auto mode = args.op->getAttrOfType<StringAttr>("mode"); mode && mode.getValue() != "constant")
    return std::nullopt;
  int64_t value = 0;
  if (auto attribute = args.op->getAttrOfType<FloatAttr>("value"))
    value = int64_t(attribute.getValueAsDouble());
  else if (std::optional<int64_t> scalar = args.scalar("value"))
    value = *scalar;
  Tensor self = args.tensor("self");
  ArrayRef<int64_t> amounts = args.integers("pad");
  Shape strides = stridesOf(args.resultShape);
  int64_t base = 0;
  for (size_t i = 0; i < amounts.size() / 2; ++i) {
    if (amounts[2 * i] < 0 || amounts[2 * i + 1] < 0)
      return std::nullopt;
    base += amounts[2 * i] * strides[strides.size() - 1 - i];
  }
  Tensor result{args.resultShape, std::vector<int64_t>(product(args.resultShape), value)};
  forEachOffset(self.shape, strides, base,
                [&](int64_t i, int64_t at) { result.data[at] = self.at(i); });
  return result;
}

/// Advanced indexing with integer tensors in leading adjacent positions, or in all of them.
std::optional<Tensor> index(const Args &args) {
  Tensor self = args.tensor("self");
  auto present = args.op->getAttrOfType<DenseBoolArrayAttr>("indices_present").asArrayRef();
  SmallVector<Attribute> given = args.list("indices");
  if (!llvm::all_of(present, [](bool one) { return one; }) || llvm::any_of(given, [](Attribute a) {
        return cast<DenseElementsAttr>(a).getElementType().isInteger(1);
      }))
    return std::nullopt;
  Shape strides = stridesOf(self.shape);
  Shape tail(self.shape.begin() + given.size(), self.shape.end());
  Shape lead(args.resultShape.begin(), args.resultShape.end() - tail.size());
  int64_t count = product(lead), inner = product(tail);
  std::vector<int64_t> offsets(count, 0);
  for (auto [axis, attribute] : llvm::enumerate(given)) {
    Tensor indices = broadcastTo(Args::read(attribute), lead);
    for (int64_t i = 0; i < count; ++i) {
      int64_t at = indices.at(i) < 0 ? indices.at(i) + self.shape[axis] : indices.at(i);
      if (at < 0 || at >= self.shape[axis])
        return std::nullopt;
      offsets[i] += at * strides[axis];
    }
  }
  if (self.splat)
    return Tensor::filled(args.resultShape, self.data[0]);
  Tensor result{args.resultShape, {}};
  result.data.reserve(count * inner);
  for (int64_t offset : offsets)
    result.data.insert(result.data.end(), self.data.begin() + offset,
                       self.data.begin() + offset + inner);
  return result;
}

/// Rule of an op, by ATen name.
const llvm::StringMap<Rule> &rules() {
  static const llvm::StringMap<Rule> table = {
      {"aten::_to_copy", reshape},
      {"aten::_unsafe_view", reshape},
      {"aten::alias", reshape},
      {"aten::clone", reshape},
      {"aten::detach", reshape},
      {"aten::squeeze.dim", reshape},
      {"aten::squeeze.dims", reshape},
      {"aten::type_as", reshape},
      {"aten::unsqueeze", reshape},
      {"aten::view", reshape},
      {"aten::expand", expand},
      {"aten::permute", permute},
      {"aten::select.int", select},
      {"aten::slice.Tensor", slice},
      {"aten::t", transpose},
      {"aten::transpose.int", transpose},
      {"aten::arange", arange},
      {"aten::arange.start", arange},
      {"aten::arange.start_step", arange},
      {"aten::full", full},
      {"aten::full_like", full},
      {"aten::new_full", full},
      {"aten::new_ones", filled<1>},
      {"aten::new_zeros", filled<0>},
      {"aten::ones", filled<1>},
      {"aten::ones_like", filled<1>},
      {"aten::scalar_tensor", scalarTensor},
      {"aten::zeros", filled<0>},
      {"aten::zeros_like", filled<0>},
      {"aten::abs", unary<magnitude>},
      {"aten::bitwise_not", bitwiseNot},
      {"aten::logical_not", unary<logicalNot>},
      {"aten::neg", unary<negate>},
      {"aten::add.Scalar", sum<1>},
      {"aten::add.Tensor", sum<1>},
      {"aten::sub.Scalar", sum<-1>},
      {"aten::sub.Tensor", sum<-1>},
      {"aten::mul.Scalar", binary<multiply>},
      {"aten::mul.Tensor", binary<multiply>},
      {"aten::__and__.Tensor", binary<bitAnd>},
      {"aten::__or__.Tensor", binary<bitOr>},
      {"aten::bitwise_and.Tensor", binary<bitAnd>},
      {"aten::bitwise_or.Tensor", binary<bitOr>},
      {"aten::eq.Scalar", binary<equal>},
      {"aten::eq.Tensor", binary<equal>},
      {"aten::floor_divide", floorDivide},
      {"aten::ge.Scalar", binary<greaterEqual>},
      {"aten::ge.Tensor", binary<greaterEqual>},
      {"aten::gt.Scalar", binary<greater>},
      {"aten::gt.Tensor", binary<greater>},
      {"aten::le.Scalar", binary<lessEqual>},
      {"aten::le.Tensor", binary<lessEqual>},
      {"aten::logical_and", binary<logicalAnd>},
      {"aten::logical_or", binary<logicalOr>},
      {"aten::lt.Scalar", binary<less>},
      {"aten::lt.Tensor", binary<less>},
      {"aten::maximum", binary<larger>},
      {"aten::min.other", binary<smaller>},
      {"aten::minimum", binary<smaller>},
      {"aten::ne.Scalar", binary<notEqual>},
      {"aten::ne.Tensor", binary<notEqual>},
      {"aten::where.self", where},
      {"aten::cat", cat},
      {"aten::constant_pad_nd", pad},
      {"aten::cumsum", cumsum},
      {"aten::diff", diff},
      {"aten::index.Tensor", index},
      {"aten::pad", pad},
  };
  return table;
}

bool isIntegerTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa<IntegerType>(tensor.getElementType());
}

DenseElementsAttr write(const Tensor &tensor, RankedTensorType type) {
  unsigned width = type.getElementTypeBitWidth();
  if (tensor.splat || type.getNumElements() == 1)
    return DenseElementsAttr::get(type, APInt(width, tensor.data[0], true, true));
  if (width == 64)
    return DenseElementsAttr::get(type, ArrayRef(tensor.data));
  if (width == 1) {
    SmallVector<bool> values(tensor.data.begin(), tensor.data.end());
    return DenseElementsAttr::get(type, ArrayRef(values));
  }
  SmallVector<APInt> values;
  values.reserve(tensor.data.size());
  for (int64_t value : tensor.data)
    values.push_back(APInt(width, value, true, true));
  return DenseElementsAttr::get(type, values);
}

} // namespace

bool regimen::aten::isEvaluable(Operation *op) {
  auto aten = dyn_cast<AtenOpInterface>(op);
  return aten && op->getNumResults() == 1 && isIntegerTensor(op->getResultTypes()[0]) &&
         llvm::all_of(op->getOperandTypes(),
                      [](Type t) { return isIntegerTensor(t) || !isa<RankedTensorType>(t); }) &&
         rules().contains(aten.getSchema().name);
}

LogicalResult regimen::aten::evaluate(Operation *op, ArrayRef<Attribute> operands,
                                      SmallVectorImpl<DenseElementsAttr> &results) {
  if (!isEvaluable(op) || llvm::is_contained(operands, Attribute()))
    return failure();
  const OpSchema &schema = cast<AtenOpInterface>(op).getSchema();
  auto type = cast<RankedTensorType>(op->getResultTypes()[0]);
  std::optional<Tensor> result =
      rules().lookup(schema.name)({op, schema, operands, Shape(type.getShape())});
  if (!result)
    return failure();
  if (type.getElementType().isInteger(1))
    for (int64_t &value : result->data)
      value = value != 0;
  results.push_back(write(*result, type));
  return success();
}
