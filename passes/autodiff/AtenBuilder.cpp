//===- AtenBuilder.cpp - Writing aten ops as expressions ------------------===//
#include "passes/autodiff/AtenBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace regimen::passes;

RankedTensorType regimen::passes::typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

ArrayRef<int64_t> regimen::passes::sizesOf(Value value) { return typeOf(value).getShape(); }

int64_t regimen::passes::wrapDim(int64_t dim, int64_t rank) {
  return dim < 0 ? dim + std::max<int64_t>(rank, 1) : dim;
}

SmallVector<int64_t> regimen::passes::reducedDims(DenseI64ArrayAttr dims, int64_t rank) {
  if (!dims || dims.empty())
    return llvm::to_vector(llvm::seq<int64_t>(0, rank));
  return llvm::map_to_vector(dims.asArrayRef(), [&](int64_t dim) { return wrapDim(dim, rank); });
}

Operation *AtenBuilder::op(StringRef name, Groups operands, ArrayRef<NamedAttribute> attributes) {
  return aten::buildAtenOp(b, loc, name, operands, attributes);
}

Value AtenBuilder::call(StringRef name, Groups operands, ArrayRef<NamedAttribute> attributes) {
  Operation *built = op(name, operands, attributes);
  return built ? built->getResult(0) : Value();
}

Value AtenBuilder::scalar(double value) {
  return arith::ConstantOp::create(b, loc, b.getF64FloatAttr(value));
}
Value AtenBuilder::scalar(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}

Value AtenBuilder::add(Value x, Value y) { return call("aten::add.Tensor", {{x}, {y}, {}}); }
Value AtenBuilder::sub(Value x, Value y) { return call("aten::sub.Tensor", {{x}, {y}, {}}); }
Value AtenBuilder::mul(Value x, Value y) { return call("aten::mul.Tensor", {{x}, {y}}); }
Value AtenBuilder::mulScalar(Value x, Value y) { return call("aten::mul.Scalar", {{x}, {y}}); }
Value AtenBuilder::div(Value x, Value y) { return call("aten::div.Tensor", {{x}, {y}}); }
Value AtenBuilder::divScalar(Value x, Value y) { return call("aten::div.Scalar", {{x}, {y}}); }
Value AtenBuilder::neg(Value x) { return call("aten::neg", {{x}}); }
Value AtenBuilder::powScalar(Value x, Value exponent) {
  return call("aten::pow.Tensor_Scalar", {{x}, {exponent}});
}
Value AtenBuilder::mm(Value x, Value y) { return call("aten::mm", {{x}, {y}}); }
Value AtenBuilder::bmm(Value x, Value y) { return call("aten::bmm", {{x}, {y}}); }
Value AtenBuilder::t(Value x) { return call("aten::t", {{x}}); }

Value AtenBuilder::maybeMultiply(Value x, Value y) {
  Attribute constant;
  if (!y || (matchPattern(y, m_Constant(&constant)) &&
             ((isa<FloatAttr>(constant) && cast<FloatAttr>(constant).getValueAsDouble() == 1.0) ||
              (isa<IntegerAttr>(constant) && cast<IntegerAttr>(constant).getInt() == 1))))
    return x;
  return mulScalar(x, y);
}

Value AtenBuilder::transpose(Value x, int64_t dim0, int64_t dim1) {
  return call("aten::transpose.int", {{x}}, {i64("dim0", dim0), i64("dim1", dim1)});
}
Value AtenBuilder::permute(Value x, ArrayRef<int64_t> dims) {
  return call("aten::permute", {{x}}, {ints("dims", dims)});
}
Value AtenBuilder::view(Value x, ArrayRef<int64_t> sizes) {
  return call("aten::view", {{x}}, {ints("size", sizes)});
}
Value AtenBuilder::unsafeView(Value x, ArrayRef<int64_t> sizes) {
  return call("aten::_unsafe_view", {{x}}, {ints("size", sizes)});
}
Value AtenBuilder::expand(Value x, ArrayRef<int64_t> sizes) {
  return call("aten::expand", {{x}}, {ints("size", sizes)});
}
Value AtenBuilder::unsqueeze(Value x, int64_t dim) {
  return call("aten::unsqueeze", {{x}}, {i64("dim", dim)});
}
Value AtenBuilder::squeeze(Value x, int64_t dim) {
  return call("aten::squeeze.dim", {{x}}, {i64("dim", dim)});
}
Value AtenBuilder::slice(Value x, int64_t dim, int64_t start, int64_t end, int64_t step) {
  return call("aten::slice.Tensor", {{x}},
              {i64("dim", dim), i64("start", start), i64("end", end), i64("step", step)});
}
Value AtenBuilder::select(Value x, int64_t dim, int64_t index) {
  return call("aten::select.int", {{x}}, {i64("dim", dim), i64("index", index)});
}
Value AtenBuilder::cat(ArrayRef<Value> tensors, int64_t dim) {
  return call("aten::cat", {llvm::to_vector(tensors)}, {i64("dim", dim)});
}
Value AtenBuilder::sum(Value x, ArrayRef<int64_t> dims, bool keepdim) {
  return call("aten::sum.dim_IntList", {{x}}, {ints("dim", dims), boolean("keepdim", keepdim)});
}
Value AtenBuilder::zeros(RankedTensorType zeroType) {
  return call("aten::zeros", {},
              {ints("size", zeroType.getShape()), type("dtype", zeroType.getElementType())});
}

Value AtenBuilder::to(Value x, Type dtype) {
  if (typeOf(x).getElementType() == dtype)
    return x;
  return call("aten::_to_copy", {{x}}, {type("dtype", dtype)});
}

Value AtenBuilder::sumTo(Value x, ArrayRef<int64_t> sizes) {
  ArrayRef<int64_t> from = sizesOf(x);
  if (from == sizes)
    return x;
  int64_t leading = from.size() - sizes.size();
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, leading));
  for (int64_t i = leading, e = from.size(); i < e; ++i)
    if (sizes[i - leading] == 1 && from[i] != 1)
      dims.push_back(i);
  if (!dims.empty())
    x = sum(x, dims, true);
  return leading ? view(x, sizes) : x;
}

NamedAttribute AtenBuilder::i64(StringRef name, int64_t value) {
  return b.getNamedAttr(name, b.getI64IntegerAttr(value));
}
NamedAttribute AtenBuilder::f64(StringRef name, double value) {
  return b.getNamedAttr(name, b.getF64FloatAttr(value));
}
NamedAttribute AtenBuilder::boolean(StringRef name, bool value) {
  return b.getNamedAttr(name, b.getBoolAttr(value));
}
NamedAttribute AtenBuilder::ints(StringRef name, ArrayRef<int64_t> values) {
  return b.getNamedAttr(name, b.getDenseI64ArrayAttr(values));
}
NamedAttribute AtenBuilder::bools(StringRef name, ArrayRef<bool> values) {
  return b.getNamedAttr(name, b.getDenseBoolArrayAttr(values));
}
NamedAttribute AtenBuilder::type(StringRef name, Type value) {
  return b.getNamedAttr(name, TypeAttr::get(value));
}
