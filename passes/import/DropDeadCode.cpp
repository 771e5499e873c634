//===- DropDeadCode.cpp - Removes ops whose results nobody uses -----------===//
#include "passes/import/Passes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace regimen;

namespace regimen::passes {
#define GEN_PASS_DEF_DROPDEADCODE
#include "passes/import/Passes.h.inc"
} // namespace regimen::passes

namespace {

struct DropDeadCode : passes::impl::DropDeadCodeBase<DropDeadCode> {
  void runOnOperation() override {
    Block &body = getOperation().getBody().front();
    // Backwards, so that an op's users are gone before it is looked at.
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
      if (isOpTriviallyDead(&op)) {
        op.erase();
        ++numDropped;
      }
  }
};

} // namespace
