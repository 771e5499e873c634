//===- LayoutAnalysis.cpp - Layouts of a program's values -----------------===//
#include "passes/schedule/LayoutAnalysis.h"

#include "dialects/dist/DistDialect.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

FailureOr<LayoutAnalysis> LayoutAnalysis::compute(train::ProgramOp program, bool fuse,
                                                  const ForwardLayouts &forward) {
  LayoutAnalysis analysis;
  Block &block = program.getBody().front();
  for (auto [index, argument] : llvm::enumerate(block.getArguments())) {
    auto port = program.getTakes() ? cast<train::PortAttr>((*program.getTakes())[index])
                                   : train::PortAttr();
    if (port && port.getKind() == train::PortKind::Output)
      analysis.place(argument, argument, forward.outputs.lookup(port.getIndex()));
    else
      analysis.placeFresh(argument);
  }
  for (Operation &op : block)
    if (failed(analysis.visit(op, fuse, forward)))
      return failure();
  return analysis;
}

LayoutArgs LayoutAnalysis::argsOf(Operation *op) const {
  return LayoutArgs(op, [this](Value value) -> const Layout & { return layoutOf(value); });
}

bool LayoutAnalysis::isView(Operation *op) const {
  return op->getNumResults() > 0 && isa<aten::AtenOpInterface>(op) &&
         llvm::none_of(op->getResults(), [&](Value result) { return baseOf(result) == result; });
}

void LayoutAnalysis::placeFresh(Value value) {
  if (auto type = dyn_cast<RankedTensorType>(value.getType()))
    place(value, value, contiguousLayout(type.getShape()));
}

LogicalResult LayoutAnalysis::visit(Operation &op, bool fuse, const ForwardLayouts &forward) {
  if (auto read = dyn_cast<train::ReadOp>(op))
    if (auto it = forward.saved.find(read.getSymbol()); it != forward.saved.end()) {
      place(read, read, it->second);
      return success();
    }
  if (auto fused = dyn_cast<train::FusedAdamWOp>(op)) {
    // The kernel updates its operands in place.
    auto alias = [&](ResultRange results, OperandRange operands) {
      for (auto [result, operand] : llvm::zip_equal(results, operands))
        place(result, baseOf(operand), layoutOf(operand));
    };
    alias(fused.getNewParameters(), fused.getParameters());
    alias(fused.getNewExpAvgs(), fused.getExpAvgs());
    alias(fused.getNewExpAvgSqs(), fused.getExpAvgSqs());
    return success();
  }
  if (auto move = dyn_cast<dist::MoveOp>(op)) {
    // As what it copies, so that kernels give the same bits there.
    const Layout &layout = layoutOf(move.getValue());
    bool dense = layout.offset == 0 && layout.isNonOverlappingAndDense();
    place(move, move, dense ? layout : contiguousLayout(layout.sizes));
    return success();
  }
  if (!isa<aten::AtenOpInterface>(op)) {
    for (Value result : op.getResults())
      placeFresh(result);
    return success();
  }
  LayoutArgs args = argsOf(&op);
  if (ViewRule rule = viewRuleOf(&op)) {
    if (std::optional<SmallVector<Layout>> windows = rule(args)) {
      for (auto [result, window] : llvm::zip_equal(op.getResults(), *windows))
        place(result, baseOf(op.getOperand(0)), window);
      return success();
    }
    for (Value result : op.getResults())
      placeFresh(result);
    return success();
  }
  const KernelRecord *kernel = selectKernel(args, fuse);
  if (!kernel)
    return op.emitOpError()
           << "has no kernel: add one to dialects/aten/rules/Kernels.td, or a decomposition";
  kernels[&op] = kernel;
  SmallVector<Layout> layouts = kernel->layout(args);
  for (auto [result, layout] : llvm::zip_equal(op.getResults(), layouts))
    place(result, result, layout);
  return success();
}
