//===- Arguments.cpp ------------------------------------------------------===//
#include "runtime/kernels/Arguments.h"

#include "formats/Error.h"

#include <ATen/ScalarOps.h>
#include <ATen/core/List.h>
#include <ATen/core/jit_type.h>

namespace regimen::runtime {
namespace {

using plan::fb::ArgKind;

/// What Python makes of a number where a tensor is expected.
at::Tensor wrappedNumber(const at::Scalar &number) {
  at::Tensor tensor = c10::scalar_to_tensor(number);
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

class Binder {
public:
  Binder(const CallSite &site, const plan::fb::ArgT &argument, const c10::Argument &schema)
      : site(site), argument(argument), schema(schema), type(stripOptional(schema.type())) {}

  BoundArgument bind() {
    switch (argument.kind) {
    case ArgKind::Default:
      if (!schema.default_value())
        fail("has no default");
      return {*schema.default_value(), {}, {}};
    case ArgKind::None:
      if (schema.type()->kind() != c10::TypeKind::OptionalType)
        fail("cannot be none");
      return {c10::IValue(), {}, {}};
    case ArgKind::Tensor:
      expect(type->kind() == c10::TypeKind::TensorType);
      return {tensorAt(argument.tensor), {}, {}};
    case ArgKind::TensorList:
    case ArgKind::OptionalTensorList:
      return {tensorList(), {}, {}};
    case ArgKind::Int:
    case ArgKind::ScalarInt:
      return number(at::Scalar(argument.i));
    case ArgKind::Float:
    case ArgKind::ScalarFloat:
      return number(at::Scalar(argument.f));
    case ArgKind::Bool:
    case ArgKind::ScalarBool:
      return number(at::Scalar(argument.i != 0));
    case ArgKind::ScalarRegister: {
      BoundArgument bound = number(at::Scalar(0.0));
      bound.reg = static_cast<uint32_t>(argument.i);
      if (bound.value.isTensor())
        bound.wrapped = bound.value.toTensor();
      return bound;
    }
    case ArgKind::IntList: {
      expectList(c10::TypeKind::IntType, c10::TypeKind::SymIntType);
      return {c10::IValue(c10::List<int64_t>(c10::ArrayRef<int64_t>(argument.ints))), {}, {}};
    }
    case ArgKind::FloatList: {
      expectList(c10::TypeKind::FloatType, c10::TypeKind::FloatType);
      return {c10::IValue(c10::List<double>(c10::ArrayRef<double>(argument.floats))), {}, {}};
    }
    case ArgKind::BoolList: {
      expectList(c10::TypeKind::BoolType, c10::TypeKind::BoolType);
      c10::List<bool> list;
      for (int64_t value : argument.ints)
        list.push_back(value != 0);
      return {c10::IValue(list), {}, {}};
    }
    case ArgKind::DType:
      expect(type->kind() == c10::TypeKind::IntType ||
             type->kind() == c10::TypeKind::ScalarTypeType);
      return {
          c10::IValue(static_cast<int64_t>(scalarType(static_cast<plan::fb::DType>(argument.i)))),
          {},
          {}};
    case ArgKind::String:
      expect(type->kind() == c10::TypeKind::StringType);
      return {c10::IValue(argument.s), {}, {}};
    }
    fail("is of a kind that this runtime does not know");
  }

private:
  static c10::TypePtr stripOptional(const c10::TypePtr &type) {
    if (auto optional = type->cast<c10::OptionalType>())
      return optional->getElementType();
    return type;
  }

  [[noreturn]] void fail(const std::string &what) {
    throw Error(site.where + ": argument '" + schema.name() + "' (" + schema.type()->str() +
                ") of " + site.kernel.name + " " + what +
                "; the plan was not made for this version of the runtime");
  }
  void expect(bool fits) {
    if (!fits)
      fail(std::string("cannot take a value of kind ") + plan::fb::EnumNameArgKind(argument.kind));
  }
  void expectList(c10::TypeKind a, c10::TypeKind b) {
    auto list = type->cast<c10::ListType>();
    expect(list && (list->getElementType()->kind() == a || list->getElementType()->kind() == b));
  }

  const at::Tensor &tensorAt(int64_t index) {
    if (index < 0 || static_cast<size_t>(index) >= site.tensors.size())
      fail("refers to tensor " + std::to_string(index) + ", which does not exist");
    return site.tensors[static_cast<size_t>(index)];
  }

  c10::IValue tensorList() {
    auto list = type->cast<c10::ListType>();
    expect(static_cast<bool>(list));
    bool optional = list->getElementType()->kind() == c10::TypeKind::OptionalType;
    expect(optional || list->getElementType()->kind() == c10::TypeKind::TensorType);
    if (optional) {
      c10::List<std::optional<at::Tensor>> tensors;
      for (int32_t index : argument.tensors)
        tensors.push_back(index < 0 ? std::nullopt : std::optional<at::Tensor>(tensorAt(index)));
      return tensors;
    }
    c10::List<at::Tensor> tensors;
    for (int32_t index : argument.tensors)
      tensors.push_back(tensorAt(index));
    return tensors;
  }

  /// A number as the schema wants it: a tensor, a Scalar, or a plain number of its own type.
  BoundArgument number(const at::Scalar &value) {
    switch (type->kind()) {
    case c10::TypeKind::TensorType:
      return {wrappedNumber(value), {}, {}};
    case c10::TypeKind::NumberType:
      return {c10::IValue(value), {}, {}};
    case c10::TypeKind::FloatType:
      expect(!value.isBoolean());
      return {c10::IValue(value.toDouble()), {}, {}};
    case c10::TypeKind::BoolType:
      expect(value.isBoolean());
      return {c10::IValue(value.toBool()), {}, {}};
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
    case c10::TypeKind::LayoutType:
    case c10::TypeKind::MemoryFormatType:
    case c10::TypeKind::ScalarTypeType:
      expect(value.isIntegral(/*includeBool=*/false));
      return {c10::IValue(value.toLong()), {}, {}};
    case c10::TypeKind::ListType: {
      // PyTorch's schemas expand one number to a list ("int[2] stride=1").
      expect(argument.kind == ArgKind::Int);
      return {c10::IValue(c10::List<int64_t>({argument.i})), {}, {}};
    }
    default:
      expect(false);
      return {};
    }
  }

  const CallSite &site;
  const plan::fb::ArgT &argument;
  const c10::Argument &schema;
  c10::TypePtr type;
};

} // namespace

BoundArgument bindArgument(const CallSite &site, const plan::fb::ArgT &argument,
                           const c10::Argument &schema) {
  return Binder(site, argument, schema).bind();
}

} // namespace regimen::runtime
