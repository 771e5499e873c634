//===- RecomputationTest.cpp ----------------------------------------------===//
#include "passes/budget/Recomputation.h"

#include "dialects/aten/AtenDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace regimen;
using regimen::passes::Recomputation;

namespace {

/// Two layers of a product and a relu; the second product is twice as wide. The backward needs all.
constexpr const char *kText = R"(
train.parameter @w : tensor<64x64xf32> trainable
train.parameter @v : tensor<64x128xf32> trainable
train.buffer @mean : tensor<64xf32> persistent
train.program @p micro_step contribution(first) inputs ["x"] outputs ["l"] loss 0 {
^bb0(%x: tensor<64x64xf32>):
  %w = train.read @w : tensor<64x64xf32>
  %v = train.read @v : tensor<64x128xf32>
  %a = aten.mm(%x, %w) : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32> loc("h.0"("m.py":1:1))
  %b = aten.relu(%a) : (tensor<64x64xf32>) -> tensor<64x64xf32> loc("h.0"("m.py":1:1))
  %c = aten.tanh(%b) : (tensor<64x64xf32>) -> tensor<64x64xf32> loc("h.0"("m.py":1:1))
  %d = aten.mm(%c, %v) : (tensor<64x64xf32>, tensor<64x128xf32>) -> tensor<64x128xf32> loc("h.1"("m.py":1:1))
  %e = aten.relu(%d) : (tensor<64x128xf32>) -> tensor<64x128xf32> loc("h.1"("m.py":1:1))
  %f = aten.tanh(%e) : (tensor<64x128xf32>) -> tensor<64x128xf32> loc("h.1"("m.py":1:1))
  %l = aten.sum(%f) : (tensor<64x128xf32>) -> tensor<f32>
  %s = train.seed accumulate 1 : tensor<f32>
  %g = aten.add.Tensor(%a, %b) : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %h = aten.add.Tensor(%g, %c) : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %i = aten.add.Tensor(%d, %e) : (tensor<64x128xf32>, tensor<64x128xf32>) -> tensor<64x128xf32>
  %j = aten.add.Tensor(%i, %f) : (tensor<64x128xf32>, tensor<64x128xf32>) -> tensor<64x128xf32>
  train.return %l : tensor<f32>
}
)";

class RecomputationTest : public testing::Test {
protected:
  RecomputationTest() {
    context.loadDialect<aten::AtenDialect, train::TrainDialect>();
    module = parseSourceString<ModuleOp>(kText, &context);
    for (auto program : module->getOps<train::ProgramOp>())
      recomputation.emplace(program, Recomputation::boundaryOf(program));
  }

  static constexpr int64_t kSmall = 64 * 64 * 4, kLarge = 2 * kSmall;
  using Policy = Recomputation::Policy;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::optional<Recomputation> recomputation;
};

TEST_F(RecomputationTest, KeepsWhatThePolicySays) {
  recomputation->decide(Policy::None);
  EXPECT_EQ(recomputation->savedBytes(), 3 * kSmall + 3 * kLarge);
  EXPECT_EQ(recomputation->seconds(), 0);
  // The products, and what leaves the first layer.
  recomputation->decide(Policy::Cheap);
  EXPECT_EQ(recomputation->savedBytes(), 2 * kSmall + kLarge + kLarge);
  // What leaves the layers.
  recomputation->decide(Policy::All);
  EXPECT_EQ(recomputation->savedBytes(), kSmall + kLarge);
  EXPECT_GT(recomputation->seconds(), 0);
}

TEST_F(RecomputationTest, StepsFreeTheirBytes) {
  std::vector<Recomputation::Step> steps = recomputation->steps();
  ASSERT_FALSE(steps.empty());
  recomputation->decideSteps(0);
  int64_t before = recomputation->savedBytes();
  for (size_t i = 0; i < steps.size(); ++i) {
    recomputation->decideSteps(i + 1);
    EXPECT_EQ(before - recomputation->savedBytes(), steps[i].bytes) << i;
    before = recomputation->savedBytes();
  }
  recomputation->decide(Policy::All);
  EXPECT_EQ(before, recomputation->savedBytes());
}

} // namespace
