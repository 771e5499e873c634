//===- ImportPt2Test.cpp - What exports become ----------------------------===//
#include "ImportFixture.h"

using namespace mlir;
using namespace regimen;

namespace {

SmallVector<StringRef> strings(ArrayAttr array) {
  auto range = array.getAsValueRange<StringAttr>();
  return {range.begin(), range.end()};
}

double scalarOf(Value value) {
  Attribute attr = value.getDefiningOp<arith::ConstantOp>().getValue();
  if (auto integer = dyn_cast<IntegerAttr>(attr))
    return integer.getInt();
  return cast<FloatAttr>(attr).getValueAsDouble();
}

TEST_F(ImportTest, TiedParameterIsOneUnderItsFirstName) {
  importArchive("tied");
  auto parameter = symbol<train::ParameterOp>("embed.weight");
  ASSERT_TRUE(parameter);
  EXPECT_EQ(strings(parameter.getAliases()), (SmallVector<StringRef>{"head.weight"}));
  EXPECT_FALSE(symbol<train::ParameterOp>("head.weight"));
  auto read = only<train::ReadOp>();
  EXPECT_EQ(read.getSymbol(), "embed.weight");
  EXPECT_EQ(Value(only<aten::LinearOp>().getWeight()), Value(read));
  EXPECT_EQ(Value(only<aten::EmbeddingOp>().getWeight()), Value(read));
}

TEST_F(ImportTest, EmptyRecordsTieNothing) {
  importArchive("meta");
  for (const char *name : {"body.0.weight", "body.1.weight"}) {
    auto parameter = symbol<train::ParameterOp>(name);
    ASSERT_TRUE(parameter);
    EXPECT_TRUE(parameter.getAliases().empty());
  }
}

TEST_F(ImportTest, BuffersAndConstants) {
  importArchive("buffers");
  auto count = symbol<train::BufferOp>("count");
  EXPECT_TRUE(count.getPersistent());
  EXPECT_FALSE(count.getValue());
  auto scale = symbol<train::BufferOp>("scale");
  EXPECT_FALSE(scale.getPersistent());
  auto values = cast<DenseElementsAttr>(*scale.getValue()).getValues<float>();
  EXPECT_EQ(llvm::to_vector(values), (SmallVector<float>{0.5, 1, 2}));
  auto flags = cast<DenseElementsAttr>(*symbol<train::BufferOp>("flags").getValue());
  EXPECT_EQ(llvm::to_vector(flags.getValues<bool>()), (SmallVector<bool>{true, false, true}));
  auto constant = cast<DenseElementsAttr>(only<aten::ConstantOp>().getValue());
  EXPECT_EQ(llvm::to_vector(constant.getValues<float>()), (SmallVector<float>{1, 2, 3}));
}

TEST_F(ImportTest, BufferUpdateIsWrittenAtTheEnd) {
  importArchive("buffers");
  auto write = only<train::WriteOp>();
  EXPECT_EQ(write.getSymbol(), "count");
  EXPECT_EQ(write->getNextNode(), body().getTerminator());
  EXPECT_EQ(strings(program().getOutputs()).size(), 1u);
}

TEST_F(ImportTest, NumbersBecomeScalars) {
  importArchive("numbers");
  EXPECT_EQ(scalarOf(only<aten::SubScalarOp>().getOther()), 1.0);
  EXPECT_EQ(scalarOf(only<aten::MulScalarOp>().getOther()), 0.5);
  EXPECT_EQ(scalarOf(only<aten::DivScalarOp>().getOther()), 3.0);
  EXPECT_EQ(scalarOf(only<aten::WhereScalarOtherOp>().getOther()), 0.0);
  // int64 + 1 stays int64: the number promotes weakly.
  auto sums = all<aten::AddScalarOp>();
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_TRUE(isa<IntegerType>(cast<RankedTensorType>(sums[1].getType()).getElementType()));
}

TEST_F(ImportTest, OmittedArgumentsStayAbsent) {
  importArchive("numbers");
  EXPECT_FALSE(only<aten::SoftmaxIntOp>()->hasAttr("dtype"));
  auto sums = all<aten::AddTensorOp>();
  ASSERT_EQ(sums.size(), 3u);
  EXPECT_EQ(scalarOf(sums[0].getAlpha()), 2.0);
  EXPECT_FALSE(sums[1].getAlpha());
}

TEST_F(ImportTest, FrozenAndUnusedParameters) {
  importArchive("several", {.loss = "loss"});
  EXPECT_FALSE(symbol<train::ParameterOp>("frozen").getTrainable());
  EXPECT_TRUE(symbol<train::ParameterOp>("unused.weight").getTrainable());
  EXPECT_TRUE(symbol<train::ParameterOp>("used.weight").getTrainable());
}

TEST_F(ImportTest, OpWithSeveralResultsNamesThemAll) {
  importArchive("several", {.loss = "loss"});
  auto split = only<aten::SplitTensorOp>();
  EXPECT_EQ(split.getNumResults(), 2u);
  EXPECT_TRUE(split->getResult(1).use_empty());
}

TEST_F(ImportTest, LossByKeyIndexAndName) {
  importArchive("several", {.loss = "loss"});
  EXPECT_EQ(program().getLoss(), 1u);
  importArchive("several", {.loss = int64_t(1)});
  EXPECT_EQ(program().getLoss(), 1u);
  std::string name = strings(program().getOutputs())[1].str();
  importArchive("several", {.loss = name});
  EXPECT_EQ(program().getLoss(), 1u);
}

TEST_F(ImportTest, LocationsNameLayerAndSourceLine) {
  importArchive("several", {.loss = "loss"});
  auto loc = dyn_cast<NameLoc>(only<aten::LinearOp>().getLoc());
  ASSERT_TRUE(loc);
  EXPECT_EQ(loc.getName(), "used");
  auto file = dyn_cast<FileLineColLoc>(loc.getChildLoc());
  ASSERT_TRUE(file);
  EXPECT_TRUE(file.getFilename().getValue().ends_with("make_archives.py"));
  EXPECT_GT(file.getLine(), 0u);
}

TEST_F(ImportTest, DynamicSizesFromSeveralInputs) {
  importArchive("dynamic", {.dims = {{"x.0", 6}, {"z.0", 7}}});
  auto types = llvm::to_vector(body().getArgumentTypes());
  Type f32 = Float32Type::get(&context);
  EXPECT_EQ(types[0], RankedTensorType::get({6, 3}, f32));
  EXPECT_EQ(types[1], RankedTensorType::get({14}, f32));
  EXPECT_EQ(types[2], RankedTensorType::get({7}, f32));
  EXPECT_EQ(scalarOf(only<aten::DivScalarOp>().getOther()), 6.0);
  for (Operation &op : body())
    for (Type type : op.getResultTypes())
      if (auto tensor = dyn_cast<RankedTensorType>(type)) {
        EXPECT_TRUE(tensor.hasStaticShape());
      }
}

TEST_F(ImportTest, MarkGivesTiesAndKeys) {
  importArchive("marked", {.loss = "total.loss"});
  EXPECT_TRUE(diagnostics.empty());
  auto parameter = symbol<train::ParameterOp>("tied.embed.weight");
  ASSERT_TRUE(parameter);
  EXPECT_EQ(strings(parameter.getAliases()), (SmallVector<StringRef>{"tied.head.weight"}));
  EXPECT_EQ(program().getLoss(), 2u);
}

TEST_F(ImportTest, UnmarkedArchiveWarns) {
  importArchive("numbers");
  ASSERT_EQ(diagnostics.size(), 1u);
  EXPECT_NE(diagnostics[0].find("not written by regimen.export"), std::string::npos);
}

} // namespace
