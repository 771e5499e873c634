//===- RecognizeCausalMask.cpp - Causal masks to is_causal ----------------===//
#include "passes/import/Passes.h"

#include "dialects/aten/AtenOps.h"
#include "passes/import/CausalMaskAnalysis.h"

using namespace mlir;
using namespace regimen;

namespace regimen::passes {
#define GEN_PASS_DEF_RECOGNIZECAUSALMASK
#include "passes/import/Passes.h.inc"
} // namespace regimen::passes

namespace {

/// Whether the mask covers queries x keys and they are of one length.
bool isSquare(aten::ScaledDotProductAttentionOp op) {
  auto lengthOf = [](Value value) {
    auto shape = cast<RankedTensorType>(value.getType()).getShape();
    return shape.size() < 2 ? -1 : shape[shape.size() - 2];
  };
  int64_t length = lengthOf(op.getQuery());
  auto mask = cast<RankedTensorType>(op.getAttnMask().getType()).getShape();
  return length > 0 && length == lengthOf(op.getKey()) && mask.size() >= 2 &&
         mask.back() == length && mask[mask.size() - 2] == length;
}

struct RecognizeCausalMask : passes::impl::RecognizeCausalMaskBase<RecognizeCausalMask> {
  void runOnOperation() override {
    auto &analysis = getAnalysis<passes::CausalMaskAnalysis>();
    Builder builder(&getContext());
    getOperation().walk([&](aten::ScaledDotProductAttentionOp op) {
      if (!op.getAttnMask() || !isSquare(op) ||
          analysis.classify(op.getAttnMask()) != passes::MaskKind::Causal)
        return;
      op.getAttnMaskMutable().clear();
      op->setAttr("is_causal", builder.getBoolAttr(true));
      ++numRecognized;
    });
  }
};

} // namespace
