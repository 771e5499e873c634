//===- CausalMaskAnalysisTest.cpp - Masks against their elements ----------===//
#include "passes/import/CausalMaskAnalysis.h"

#include "dialects/aten/AtenOps.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace regimen;
using passes::MaskKind;

namespace {

class CausalMask : public testing::Test {
protected:
  CausalMask() {
    context.loadDialect<aten::AtenDialect>();
    builder.setInsertionPointToEnd(module->getBody());
  }

  Value constant(ArrayRef<int64_t> shape, ArrayRef<int64_t> values) {
    auto type = RankedTensorType::get(shape, builder.getI64Type());
    return aten::ConstantOp::create(builder, loc(), DenseElementsAttr::get(type, values));
  }
  template <typename Op> Value compare(Value a, Value b) {
    return Op::create(builder, loc(), a, b).getResult();
  }
  /// A [1, size, size] mask whose element (query, key) is visible(query, key).
  Value dense(int64_t size, llvm::function_ref<bool(int64_t, int64_t)> visible) {
    SmallVector<bool> values;
    for (int64_t query = 0; query < size; ++query)
      for (int64_t key = 0; key < size; ++key)
        values.push_back(visible(query, key));
    auto type = RankedTensorType::get({1, size, size}, builder.getI1Type());
    return aten::ConstantOp::create(builder, loc(), DenseElementsAttr::get(type, values));
  }
  MaskKind classify(Value mask) { return passes::CausalMaskAnalysis(*module).classify(mask); }
  Location loc() { return builder.getUnknownLoc(); }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  OpBuilder builder{&context};
  OwningOpRef<ModuleOp> module{ModuleOp::create(builder, UnknownLoc::get(&context))};
};

TEST_F(CausalMask, DenseConstants) {
  EXPECT_EQ(classify(dense(5, [](int64_t q, int64_t k) { return k <= q; })), MaskKind::Causal);
  EXPECT_EQ(classify(dense(5, [](int64_t, int64_t) { return true; })), MaskKind::Full);
  EXPECT_EQ(classify(dense(5, [](int64_t q, int64_t k) { return k < q; })), MaskKind::Unknown);
  EXPECT_EQ(classify(dense(5, [](int64_t q, int64_t k) { return k <= q && k > q - 3; })),
            MaskKind::Unknown);
}

TEST_F(CausalMask, EveryWrongElementIsSeen) {
  for (int64_t query = 0; query < 4; ++query)
    for (int64_t key = 0; key < 4; ++key)
      EXPECT_EQ(classify(dense(
                    4, [&](int64_t q, int64_t k) { return (k <= q) != (q == query && k == key); })),
                MaskKind::Unknown)
          << query << ", " << key;
}

TEST_F(CausalMask, Ranges) {
  Value queries = constant({4, 1}, {0, 1, 2, 3}), keys = constant({1, 4}, {0, 1, 2, 3});
  Value later = constant({4, 1}, {1, 2, 3, 4}), offset = constant({1, 4}, {1, 2, 3, 4});
  EXPECT_EQ(classify(compare<aten::LeTensorOp>(keys, queries)), MaskKind::Causal);
  EXPECT_EQ(classify(compare<aten::GeTensorOp>(queries, keys)), MaskKind::Causal);
  EXPECT_EQ(classify(compare<aten::LtTensorOp>(keys, later)), MaskKind::Causal);
  EXPECT_EQ(classify(compare<aten::GtTensorOp>(later, keys)), MaskKind::Causal);
  EXPECT_EQ(classify(compare<aten::LeTensorOp>(offset, later)), MaskKind::Causal);
  EXPECT_EQ(classify(compare<aten::LtTensorOp>(keys, queries)), MaskKind::Unknown);
  EXPECT_EQ(classify(compare<aten::LeTensorOp>(queries, keys)), MaskKind::Unknown);
  EXPECT_EQ(classify(compare<aten::LeTensorOp>(keys, later)), MaskKind::Unknown);
  EXPECT_EQ(classify(compare<aten::LeTensorOp>(constant({1, 4}, {0, 2, 1, 3}), queries)),
            MaskKind::Unknown);
}

TEST_F(CausalMask, Conjunctions) {
  Value causal = dense(3, [](int64_t q, int64_t k) { return k <= q; });
  Value full = dense(3, [](int64_t, int64_t) { return true; });
  Value window = dense(3, [](int64_t q, int64_t k) { return k > q - 2; });
  EXPECT_EQ(classify(compare<aten::AndTensorOp>(causal, full)), MaskKind::Causal);
  EXPECT_EQ(classify(compare<aten::AndTensorOp>(full, full)), MaskKind::Full);
  EXPECT_EQ(classify(compare<aten::AndTensorOp>(causal, window)), MaskKind::Unknown);
  EXPECT_EQ(classify(compare<aten::OrTensorOp>(causal, full)), MaskKind::Unknown);
  Value zeros = constant({3, 1}, {0, 0, 0}), others = constant({1, 3}, {0, 0, 0});
  EXPECT_EQ(classify(compare<aten::EqTensorOp>(zeros, others)), MaskKind::Full);
  EXPECT_EQ(classify(compare<aten::NeTensorOp>(zeros, others)), MaskKind::Unknown);
}

} // namespace
