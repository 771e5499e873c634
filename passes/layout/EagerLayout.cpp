//===- EagerLayout.cpp - Layouts before kernels are chosen ----------------===//
#include "passes/layout/EagerLayout.h"

#include "passes/layout/KernelTable.h"

#include <map>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

/// Layouts of the values that one answer needs: from an op back to those whose kernels lay their
/// results out row by row whatever they read, as matrix products and norms do.
class EagerLayouts {
public:
  const Layout &of(Value value) {
    if (auto known = layouts.find(value.getAsOpaquePointer()); known != layouts.end())
      return known->second;
    Layout layout = compute(value);
    return layouts[value.getAsOpaquePointer()] = std::move(layout);
  }

private:
  Layout compute(Value value) {
    Operation *op = value.getDefiningOp();
    Layout contiguous = contiguousLayout(cast<RankedTensorType>(value.getType()).getShape());
    if (!op || !isa<aten::AtenOpInterface>(op))
      return contiguous;
    unsigned result = cast<OpResult>(value).getResultNumber();
    LayoutArgs args(op, [this](Value operand) -> const Layout & { return of(operand); });
    if (ViewRule rule = viewRuleOf(op)) {
      std::optional<SmallVector<Layout>> windows = rule(args);
      return windows ? (*windows)[result] : contiguous;
    }
    if (isAlwaysContiguous(op))
      return contiguous;
    const KernelRecord *kernel = selectKernel(args, /*fuse=*/false);
    return kernel ? kernel->layout(args)[result] : contiguous;
  }

  // Rules hold references to layouts while further ones are added.
  std::map<const void *, Layout> layouts;
};

} // namespace

Layout passes::eagerLayoutOf(Value value) { return EagerLayouts().of(value); }
