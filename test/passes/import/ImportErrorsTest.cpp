//===- ImportErrorsTest.cpp - What import refuses, and how it says so -----===//
#include "ImportFixture.h"

#include <gmock/gmock.h>

using namespace regimen;
using testing::AllOf;
using testing::HasSubstr;

namespace {

TEST_F(ImportTest, RefusesInPlaceOps) {
  EXPECT_THAT(errorOf("in_place"),
              AllOf(HasSubstr("aten.add_.Tensor"), HasSubstr("raw export"),
                    HasSubstr("run_decompositions({})"), HasSubstr("make_archives.py:")));
}

TEST_F(ImportTest, RefusesHigherOrderOps) {
  EXPECT_THAT(errorOf("higher_order"), AllOf(HasSubstr("wrap_with_set_grad_enabled"),
                                             HasSubstr("python -m regimen.export")));
}

TEST_F(ImportTest, RefusesRawExports) { EXPECT_THAT(errorOf("raw"), HasSubstr("raw export")); }

TEST_F(ImportTest, ListsAllUnknownOps) {
  EXPECT_THAT(errorOf("unknown"),
              AllOf(HasSubstr("aten::special_i0, 2 times, first"),
                    HasSubstr("aten::digamma, 1 time"), HasSubstr("make_archives.py:")));
}

TEST_F(ImportTest, RefusesRandomness) {
  EXPECT_THAT(errorOf("dropout"), AllOf(HasSubstr("aten::native_dropout with p = 0.25"),
                                        HasSubstr("not supported yet")));
}

TEST_F(ImportTest, RefusesWritesToInputs) {
  EXPECT_THAT(errorOf("writes_input"), HasSubstr("writes to input 'x'"));
}

TEST_F(ImportTest, RefusesOverlappingParameters) {
  EXPECT_THAT(errorOf("overlap"), HasSubstr("'whole' and 'part' share memory"));
}

TEST_F(ImportTest, RefusesLossThatIsNoScalar) {
  EXPECT_THAT(errorOf("vector_loss"), AllOf(HasSubstr("tensor<2x6xf32>"), HasSubstr("--set loss")));
}

TEST_F(ImportTest, RefusesUnknownLoss) {
  EXPECT_THAT(errorOf("several", {.loss = "los"}),
              AllOf(HasSubstr("loss=los"), HasSubstr("0 'logits', 1 'loss'")));
  EXPECT_THAT(errorOf("several", {.loss = int64_t(2)}), HasSubstr("loss=2"));
}

TEST_F(ImportTest, ListsDynamicSizesWithoutValue) {
  EXPECT_THAT(errorOf("dynamic"),
              AllOf(HasSubstr("--dim x.0=N"), HasSubstr("2 to 16"), HasSubstr("--dim z.0=N"),
                    HasSubstr("2 to 64"), HasSubstr("sets y.0")));
}

TEST_F(ImportTest, RefusesBadDims) {
  EXPECT_THAT(errorOf("dynamic", {.dims = {{"w.0", 4}}}), HasSubstr("no input 'w'"));
  EXPECT_THAT(errorOf("dynamic", {.dims = {{"x", 4}}}), HasSubstr("INPUT.AXIS=N"));
  EXPECT_THAT(errorOf("dynamic", {.dims = {{"x.2", 4}}}), HasSubstr("has 2 axes"));
  EXPECT_THAT(errorOf("dynamic", {.dims = {{"x.1", 4}}}), HasSubstr("fixed to 3"));
  EXPECT_THAT(errorOf("dynamic", {.dims = {{"x.0", 17}, {"z.0", 5}}}), HasSubstr("2 to 16"));
  EXPECT_THAT(errorOf("dynamic", {.dims = {{"x.0", 4}, {"y.0", 9}}}), HasSubstr("of the form"));
  EXPECT_THAT(errorOf("dynamic", {.dims = {{"x.0", 4}, {"y.0", 8}, {"z.0", 5}}}),
              HasSubstr("contradicts"));
}

} // namespace
