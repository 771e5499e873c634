//===- FoldConstants.cpp - Evaluates integer and boolean ops --------------===//
#include "passes/import/Passes.h"

#include "dialects/aten/AtenOps.h"
#include "dialects/aten/ConstantEvaluator.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace regimen;

namespace regimen::passes {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "passes/import/Passes.h.inc"
} // namespace regimen::passes

namespace {

struct FoldConstants : passes::impl::FoldConstantsBase<FoldConstants> {
  using Base::Base;

  void runOnOperation() override {
    known.clear();
    constants.clear();
    kept.clear();
    Block &body = getOperation().getBody().front();
    for (Operation &op : body)
      evaluate(op);
    for (Operation &op : llvm::make_early_inc_range(body))
      if (!isFolded(op))
        materializeOperands(op);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
      if (isFolded(op) && op.use_empty())
        op.erase();
    numConstants += constants.size();
  }

private:
  /// Whether the op's results are constants that it need not compute.
  bool isFolded(Operation &op) const {
    return op.getNumResults() > 0 && known.contains(op.getResult(0)) && !kept.contains(&op);
  }

  void evaluate(Operation &op) {
    if (auto constant = dyn_cast<aten::ConstantOp>(op)) {
      if (auto value = dyn_cast<DenseElementsAttr>(constant.getValue()))
        known[constant] = value;
      return;
    }
    if (!aten::isEvaluable(&op) || !isWorthwhile(op))
      return;
    SmallVector<Attribute> operands;
    for (Value operand : op.getOperands()) {
      Attribute value = known.lookup(operand);
      if (!value && !matchPattern(operand, m_Constant(&value)))
        return;
      operands.push_back(value);
    }
    SmallVector<DenseElementsAttr> results;
    if (failed(aten::evaluate(&op, operands, results)))
      return;
    for (auto [result, value] : llvm::zip_equal(op.getResults(), results))
      known[result] = value;
    ++numFolded;
  }

  /// Small results, and larger ones that do not outgrow what they come from.
  bool isWorthwhile(Operation &op) const {
    // Expanding over a batch of 1024 and indexing with it are still cheap; the outer product of two
    // long ranges is not.
    constexpr int64_t growth = 1024, budget = 1 << 24;
    int64_t result = 0, operand = 0;
    for (Type type : op.getResultTypes())
      result += cast<RankedTensorType>(type).getNumElements();
    for (Type type : op.getOperandTypes())
      if (auto tensor = dyn_cast<RankedTensorType>(type))
        operand = std::max(operand, tensor.getNumElements());
    if (result <= maxElements)
      return true;
    // Without operands (arange, full) there is nothing to outgrow.
    return result <= budget && (operand == 0 || result <= growth * operand);
  }

  void materializeOperands(Operation &op) {
    for (OpOperand &operand : op.getOpOperands())
      if (auto it = known.find(operand.get()); it != known.end())
        operand.set(materialize(operand.get(), it->second));
  }

  /// The value as a constant at the start of the program, or as an `expand` of one.
  Value materialize(Value value, DenseElementsAttr attr) {
    if (auto expand = value.getDefiningOp<aten::ExpandOp>()) {
      // It is a view: storing its operand is enough.
      if (kept.insert(expand).second)
        materializeOperands(*expand);
      return value;
    }
    Value &constant = constants[attr];
    if (!constant) {
      auto builder = OpBuilder::atBlockBegin(&getOperation().getBody().front());
      constant = aten::ConstantOp::create(builder, value.getLoc(), attr);
      known[constant] = attr;
    }
    return constant;
  }

  llvm::DenseMap<Value, DenseElementsAttr> known;
  llvm::DenseMap<Attribute, Value> constants;
  llvm::SmallPtrSet<Operation *, 8> kept;
};

} // namespace
