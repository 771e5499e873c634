//===- KernelTable.cpp - Which kernel computes an aten op -----------------===//
#include "passes/layout/KernelTable.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {
using exec::KernelMode;
#include "passes/layout/Kernels.cpp.inc"
} // namespace

static bool conditionsHold(const KernelRecord &record, const LayoutArgs &args, bool fuse) {
  if (record.fusedOnly && !fuse)
    return false;
  if (record.contiguousOperands &&
      !llvm::all_of(args.tensors(), [](const Layout *layout) { return layout->isContiguous(); }))
    return false;
  Operation *op = args.getOp();
  if (record.floatOperands && !llvm::all_of(op->getOperandTypes(), [](Type type) {
        Type element = getElementTypeOrSelf(type);
        return element.isF32() || element.isBF16();
      }))
    return false;
  if (record.attribute.empty())
    return true;
  auto text = llvm::dyn_cast_if_present<StringAttr>(
      op->getInherentAttr(record.attribute).value_or(Attribute()));
  return text && text.getValue() == record.value;
}

const KernelRecord *passes::selectKernel(const LayoutArgs &args, bool fuse) {
  for (const KernelRecord &record : kernelTable().lookup(args.getOp()->getName().getStringRef()))
    if (conditionsHold(record, args, fuse))
      return &record;
  return nullptr;
}

bool passes::isAlwaysContiguous(Operation *op) {
  return llvm::all_of(
      kernelTable().lookup(op->getName().getStringRef()),
      [](const KernelRecord &record) { return record.layout == layouts::contiguous; });
}

ViewRule passes::viewRuleOf(Operation *op) {
  return viewTable().lookup(op->getName().getStringRef());
}
