//===- DropIdentities.cpp - Removes alias and plain clones ----------------===//
#include "passes/import/Passes.h"

#include "dialects/aten/AtenOps.h"

using namespace mlir;
using namespace regimen;

namespace regimen::passes {
#define GEN_PASS_DEF_DROPIDENTITIES
#include "passes/import/Passes.h.inc"
} // namespace regimen::passes

namespace {

/// Whether the value's strides cover its elements without gaps and overlaps: inputs and parameters
/// are contiguous, kernels give dense results, and these views permute or split what they are
/// given.
bool isDense(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!op->hasTrait<aten::ViewLike>())
      return true;
    if (!isa<aten::AliasOp, aten::DetachOp, aten::PermuteOp, aten::TOp, aten::TransposeIntOp,
             aten::UnsafeViewOp, aten::UnsqueezeOp, aten::SqueezeDimOp, aten::SqueezeDimsOp,
             aten::ViewOp>(op))
      return false;
    value = op->getOperand(0);
  }
  return true;
}

/// Without memory_format, or with torch.preserve_format.
bool keepsFormat(aten::CloneOp clone) {
  constexpr int64_t preserveFormat = 1; // c10::MemoryFormat::Preserve
  std::optional<int64_t> format = clone.getMemoryFormat();
  return !format || *format == preserveFormat;
}

bool isIdentity(Operation &op) {
  if (isa<aten::AliasOp>(op))
    return true;
  auto clone = dyn_cast<aten::CloneOp>(op);
  return clone && keepsFormat(clone) && isDense(clone.getSelf());
}

/// Whether gradients flow through the value at all.
bool isDifferentiable(Value value) {
  return isa<FloatType>(cast<RankedTensorType>(value.getType()).getElementType());
}

struct DropIdentities : passes::impl::DropIdentitiesBase<DropIdentities> {
  void runOnOperation() override {
    for (Operation &op : llvm::make_early_inc_range(getOperation().getBody().front())) {
      if (!isIdentity(op))
        continue;
      Value operand = op.getOperand(0), result = op.getResult(0);
      if (isDifferentiable(operand) && !operand.hasOneUse() && !result.use_empty())
        continue;
      result.replaceAllUsesWith(operand);
      op.erase();
      ++numDropped;
    }
  }
};

} // namespace
