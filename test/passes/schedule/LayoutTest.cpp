//===- LayoutTest.cpp - Strides against PyTorch's -------------------------===//
//
// Expected strides were printed by PyTorch 2.11.
//
//===----------------------------------------------------------------------===//
#include "dialects/aten/AtenDialect.h"
#include "dialects/train/TrainDialect.h"
#include "passes/schedule/LayoutAnalysis.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

namespace {

using Strides = SmallVector<int64_t>;

Layout layout(Strides sizes, Strides strides) { return {sizes, strides, 0}; }

TEST(IteratorStrides, KeepThePermutationOfDenseOperands) {
  Layout x = layout({4, 2, 3}, {1, 12, 4});
  EXPECT_EQ(iteratorStrides(x.sizes, {&x}, false), Strides({1, 12, 4}));
  EXPECT_EQ(iteratorStrides(x.sizes, {&x}, true), Strides({1, 12, 4}));
  Layout row = layout({3}, {1});
  EXPECT_EQ(iteratorStrides(x.sizes, {&x, &row}, false), Strides({1, 12, 4}));
}

TEST(IteratorStrides, FollowTheFirstOperandThatDecides) {
  Layout z = layout({4, 8, 6}, {48, 1, 8}), c = contiguousLayout({4, 8, 6}),
         column = contiguousLayout({4, 8, 1});
  EXPECT_EQ(iteratorStrides(z.sizes, {&z, &c}, false), Strides({48, 1, 8}));
  EXPECT_EQ(iteratorStrides(z.sizes, {&c, &z}, false), Strides({48, 6, 1}));
  EXPECT_EQ(iteratorStrides(z.sizes, {&z, &column}, false), Strides({48, 1, 8}));
}

TEST(IteratorStrides, MakeBroadcastAndGappyOperandsDense) {
  Layout expanded = layout({4, 6, 5}, {5, 0, 1}), gaps = layout({4, 8, 3}, {48, 6, 2});
  EXPECT_EQ(iteratorStrides(expanded.sizes, {&expanded}, false), Strides({30, 5, 1}));
  EXPECT_EQ(iteratorStrides(gaps.sizes, {&gaps}, false), Strides({24, 3, 1}));
}

TEST(IteratorStrides, KnowChannelsLast) {
  Layout c = layout({2, 3, 4, 5}, {60, 1, 15, 3}), plain = contiguousLayout({2, 3, 4, 5}),
         bias = contiguousLayout({1, 3, 1, 1});
  EXPECT_EQ(iteratorStrides(c.sizes, {&c}, false), Strides({60, 1, 15, 3}));
  EXPECT_EQ(iteratorStrides(c.sizes, {&c, &plain}, false), Strides({60, 1, 15, 3}));
  EXPECT_EQ(iteratorStrides(c.sizes, {&c, &bias}, false), Strides({60, 1, 15, 3}));
}

TEST(IteratorStrides, TakeTheFastPathOnlyForOperandsOfOneShape) {
  Layout e = layout({1, 5, 3}, {3, 3, 1});
  EXPECT_EQ(iteratorStrides(e.sizes, {&e}, false), Strides({15, 3, 1}));
  EXPECT_EQ(iteratorStrides(e.sizes, {&e}, true), Strides({3, 3, 1}));
}

TEST(DenseStrides, KeepTheOrder) {
  EXPECT_EQ(denseStrides(layout({8, 4, 2}, {1, 8, 32})), Strides({1, 8, 32}));
  EXPECT_EQ(denseStrides(layout({4, 6, 5}, {5, 0, 1})), Strides({30, 5, 1}));
  EXPECT_EQ(denseStrides(layout({4, 8, 3}, {48, 6, 2})), Strides({24, 3, 1}));
}

TEST(ReshapeStrides, SplitAndMergeWhereTheTensorIsContiguous) {
  EXPECT_EQ(*reshapeStrides(contiguousLayout({4, 6}), {2, 2, 6}), Strides({12, 6, 1}));
  EXPECT_EQ(*reshapeStrides(layout({4, 6}, {1, 4}), {4, 2, 3}), Strides({1, 12, 4}));
  EXPECT_EQ(*reshapeStrides(layout({4, 32, 64}, {6144, 192, 1}), {4, 32, 4, 16}),
            Strides({6144, 192, 16, 1}));
  EXPECT_EQ(*reshapeStrides(contiguousLayout({}), {1, 1}), Strides({1, 1}));
  EXPECT_EQ(*reshapeStrides(contiguousLayout({0, 3}), {3, 0}), Strides({1, 1}));
  EXPECT_FALSE(reshapeStrides(layout({4, 6}, {1, 4}), {24}));
  EXPECT_FALSE(reshapeStrides(layout({4, 6}, {1, 4}), {6, 4}));
}

TEST(Layout, DenseAndContiguous) {
  EXPECT_TRUE(layout({4, 1, 3}, {3, 100, 1}).isContiguous());
  EXPECT_FALSE(layout({4, 3}, {1, 4}).isContiguous());
  EXPECT_TRUE(layout({4, 3}, {1, 4}).isNonOverlappingAndDense());
  EXPECT_FALSE(layout({4, 3}, {1, 8}).isNonOverlappingAndDense());
  EXPECT_FALSE(layout({4, 3}, {0, 1}).isNonOverlappingAndDense());
  EXPECT_TRUE(layout({4, 1}, {1, 7}).sameAs(layout({4, 1}, {1, 1})));
}

class AnalysisTest : public ::testing::Test {
protected:
  AnalysisTest() {
    context.loadDialect<aten::AtenDialect, train::TrainDialect, arith::ArithDialect>();
  }

  /// Analyses a program over inputs x: [2, 4, 6] and n: [2, 4, 6, 8], whose body is `body`.
  FailureOr<LayoutAnalysis> analyse(const std::string &body) {
    module =
        parseSourceString<ModuleOp>("train.program @p update inputs [\"x\", \"n\"] outputs [] "
                                    "{\n^bb0(%x: tensor<2x4x6xf32>, %n: tensor<2x4x6x8xf32>):\n" +
                                        body + "\ntrain.return\n}",
                                    &context);
    program = *module->getOps<train::ProgramOp>().begin();
    return LayoutAnalysis::compute(program, /*fuse=*/false, ForwardLayouts());
  }
  Operation *last() { return program.getBody().front().getTerminator()->getPrevNode(); }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  train::ProgramOp program;
};

TEST_F(AnalysisTest, ViewsAreWindowsOfTheirBase) {
  auto analysis = analyse(R"(
    %t = aten.transpose.int(%x) {dim0 = 1 : i64, dim1 = -1 : i64} : (tensor<2x4x6xf32>) -> tensor<2x6x4xf32>
    %s = aten.slice.Tensor(%t) {dim = 1 : i64, start = 1 : i64, end = 5 : i64, step = 2 : i64} : (tensor<2x6x4xf32>) -> tensor<2x2x4xf32>
    %i = aten.select.int(%s) {dim = 0 : i64, index = -1 : i64} : (tensor<2x2x4xf32>) -> tensor<2x4xf32>
    %u = aten.unsqueeze(%i) {dim = 1 : i64} : (tensor<2x4xf32>) -> tensor<2x1x4xf32>
    %e = aten.expand(%u) {size = array<i64: 3, 2, 5, 4>} : (tensor<2x1x4xf32>) -> tensor<3x2x5x4xf32>)");
  ASSERT_TRUE(succeeded(analysis));
  Value result = last()->getResult(0);
  EXPECT_EQ(analysis->layoutOf(result).strides, Strides({0, 2, 0, 6}));
  EXPECT_EQ(analysis->layoutOf(result).offset, 1 + 24);
  EXPECT_EQ(analysis->baseOf(result), program.getBody().getArgument(0));
  EXPECT_TRUE(analysis->isView(last()));
}

TEST_F(AnalysisTest, SplitsFollowOneAnother) {
  auto analysis = analyse(
      "%a:3 = aten.split.Tensor(%x) {split_size = 2 : i64, dim = 2 : i64} : (tensor<2x4x6xf32>) -> "
      "(tensor<2x4x2xf32>, tensor<2x4x2xf32>, tensor<2x4x2xf32>)");
  ASSERT_TRUE(succeeded(analysis));
  EXPECT_EQ(analysis->layoutOf(last()->getResult(2)).offset, 4);
  EXPECT_EQ(analysis->layoutOf(last()->getResult(2)).strides, Strides({24, 6, 1}));
}

TEST_F(AnalysisTest, AViewThatCannotBeOneHasItsOwnStorage) {
  auto analysis = analyse(R"(
    %t = aten.transpose.int(%x) {dim0 = 1 : i64, dim1 = 2 : i64} : (tensor<2x4x6xf32>) -> tensor<2x6x4xf32>
    %v = aten.view(%t) {size = array<i64: 2, 24>} : (tensor<2x6x4xf32>) -> tensor<2x24xf32>)");
  ASSERT_TRUE(succeeded(analysis));
  EXPECT_FALSE(analysis->isView(last()));
  EXPECT_EQ(analysis->layoutOf(last()->getResult(0)).strides, Strides({24, 1}));
}

TEST_F(AnalysisTest, FlashAttentionLiesAsItsQuery) {
  const std::string types = "(tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>) -> "
                            "(tensor<2x4x6x8xf32>, tensor<2x4x6xf32>)";
  auto plain =
      analyse("%o, %l = aten._scaled_dot_product_flash_attention_for_cpu(%n, %n, %n) : " + types);
  ASSERT_TRUE(succeeded(plain));
  EXPECT_EQ(plain->layoutOf(last()->getResult(0)).strides, Strides({192, 48, 8, 1}));
  EXPECT_EQ(plain->layoutOf(last()->getResult(1)).strides, Strides({24, 1, 4}));
  EXPECT_EQ(plain->kernelOf(last())->mode, exec::KernelMode::Functional);
  auto byPosition = analyse(R"(
    %v = aten.view(%n) {size = array<i64: 2, 6, 4, 8>} : (tensor<2x4x6x8xf32>) -> tensor<2x6x4x8xf32>
    %t = aten.transpose.int(%v) {dim0 = 1 : i64, dim1 = 2 : i64} : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
    %o, %l = aten._scaled_dot_product_flash_attention_for_cpu(%t, %n, %n) : )" +
                            types);
  ASSERT_TRUE(succeeded(byPosition));
  EXPECT_EQ(byPosition->layoutOf(last()->getResult(0)).strides, Strides({192, 8, 32, 1}));
}

TEST_F(AnalysisTest, ConvolutionsAreChannelsLastWhereTheirInputIs) {
  auto analysis = analyse(R"(
    %t = aten.permute(%n) {dims = array<i64: 0, 3, 1, 2>} : (tensor<2x4x6x8xf32>) -> tensor<2x8x4x6xf32>
    %w = aten.zeros() {size = array<i64: 3, 8, 1, 1>, dtype = f32} : () -> tensor<3x8x1x1xf32>
    %y = aten.convolution(%t, %w) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilation = array<i64: 1, 1>, transposed = false, output_padding = array<i64: 0, 0>, groups = 1 : i64} : (tensor<2x8x4x6xf32>, tensor<3x8x1x1xf32>) -> tensor<2x3x4x6xf32>)");
  ASSERT_TRUE(succeeded(analysis));
  EXPECT_EQ(analysis->layoutOf(last()->getResult(0)).strides, Strides({72, 1, 18, 3}));
}

} // namespace
