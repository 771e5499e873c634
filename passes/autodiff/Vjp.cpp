//===- Vjp.cpp - The gradient table ---------------------------------------===//
#include "passes/autodiff/Vjp.h"

#include "passes/autodiff/rules/Rules.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace regimen::passes {
#include "passes/autodiff/Vjps.cpp.inc"
} // namespace regimen::passes

VjpContext::VjpContext(OpBuilder &builder, Operation *op, ArrayRef<Value> gradients,
                       const SmallVector<bool> &wanted)
    : op(op), ops(builder, op->getLoc()), gradients(gradients), wanted(wanted),
      results(op->getNumOperands()) {}

std::pair<unsigned, unsigned> VjpContext::range(StringRef name) const {
  // Operands are in the schema's order.
  unsigned begin = 0;
  for (const aten::SchemaArg &arg : cast<aten::AtenOpInterface>(op).getSchema().args) {
    unsigned size = aten::getOperandsOf(op, arg).size();
    if (arg.name == name)
      return {begin, size};
    begin += size;
  }
  llvm_unreachable("a rule names an argument that the op does not have");
}

bool VjpContext::hasArgument(StringRef name) const {
  return cast<aten::AtenOpInterface>(op).getSchema().find(name);
}

SmallVector<Value> VjpContext::operands(StringRef name) const {
  auto [begin, size] = range(name);
  return llvm::to_vector(op->getOperands().slice(begin, size));
}

Value VjpContext::operand(StringRef name) const {
  auto [begin, size] = range(name);
  return size ? op->getOperand(begin) : Value();
}

Value VjpContext::scalarOr(StringRef name, double fallback) {
  Value given = operand(name);
  return given ? given : ops.scalar(fallback);
}

Value VjpContext::scalarOr(StringRef name, int64_t fallback) {
  Value given = operand(name);
  return given ? given : ops.scalar(fallback);
}

Attribute VjpContext::attr(StringRef name, Attribute fallback) const {
  Attribute value = op->getAttr(name);
  return value ? value : fallback;
}

int64_t VjpContext::integer(StringRef name, int64_t fallback) const {
  auto value = op->getAttrOfType<IntegerAttr>(name);
  return value ? value.getInt() : fallback;
}

bool VjpContext::flag(StringRef name, bool fallback) const {
  auto value = op->getAttrOfType<BoolAttr>(name);
  return value ? value.getValue() : fallback;
}

ArrayRef<int64_t> VjpContext::ints(StringRef name) const {
  auto value = op->getAttrOfType<DenseI64ArrayAttr>(name);
  return value ? value.asArrayRef() : ArrayRef<int64_t>();
}

bool VjpContext::wants(StringRef name, unsigned index) const {
  auto [begin, size] = range(name);
  return index < size && wanted[begin + index];
}

void VjpContext::set(StringRef name, Value cotangent, unsigned index) {
  results[range(name).first + index] = cotangent;
}

Value VjpContext::emit(StringRef name, AtenBuilder::Groups operands,
                       ArrayRef<std::pair<StringRef, Attribute>> attributes) {
  SmallVector<NamedAttribute> named;
  for (auto [attributeName, value] : attributes)
    if (value)
      named.push_back(ops.builder().getNamedAttr(attributeName, value));
  return ops.call(name, operands, named);
}

Attribute VjpContext::sizesOf(StringRef operandName) {
  return builder().getDenseI64ArrayAttr(passes::sizesOf(operand(operandName)));
}

Attribute VjpContext::dtypeOf(StringRef operandName) {
  return TypeAttr::get(typeOf(operand(operandName)).getElementType());
}

const VjpRule *passes::lookupVjp(Operation *op) {
  auto it = vjpTable.find(op->getName().getStringRef());
  return it == vjpTable.end() ? nullptr : &it->second;
}

const passes::Linearity *passes::lookupLinearity(Operation *op) {
  auto it = linearityTable.find(op->getName().getStringRef());
  return it == linearityTable.end() ? nullptr : &it->second;
}

StringRef passes::argumentOf(Operation *op, unsigned index) {
  unsigned begin = 0;
  for (const aten::SchemaArg &arg : cast<aten::AtenOpInterface>(op).getSchema().args) {
    begin += aten::getOperandsOf(op, arg).size();
    if (index < begin)
      return arg.name;
  }
  llvm_unreachable("an operand that the schema does not have");
}

bool passes::isDifferentiable(const VjpRule &rule, Operation *op, unsigned index) {
  return llvm::is_contained(rule.operands, argumentOf(op, index));
}
