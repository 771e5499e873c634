//===- LayersTest.cpp -----------------------------------------------------===//
#include "passes/budget/Layers.h"

#include "dialects/aten/AtenDialect.h"
#include "dialects/train/TrainDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace regimen;

namespace {

/// A chain of ops from these modules.
class Layers : public testing::Test {
protected:
  std::vector<int> of(const std::vector<std::string> &modules) {
    context.loadDialect<aten::AtenDialect, train::TrainDialect>();
    std::string text = "train.program @p evaluation inputs [\"x\"] outputs [\"y\"] {\n"
                       "^bb0(%v0: tensor<4xf32>):\n";
    for (size_t i = 0; i < modules.size(); ++i)
      text += "%v" + std::to_string(i + 1) + " = aten.relu(%v" + std::to_string(i) +
              ") : (tensor<4xf32>) -> tensor<4xf32> loc(\"" + modules[i] + "\"(\"m.py\":1:1))\n";
    text += "train.return %v" + std::to_string(modules.size()) + " : tensor<4xf32>\n}";
    module = parseSourceString<ModuleOp>(text, &context);
    std::vector<Operation *> ops;
    for (auto program : module->getOps<train::ProgramOp>())
      for (Operation &op : program.getBody().front().without_terminator())
        ops.push_back(&op);
    return passes::layersOf(ops);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(Layers, AreElementsOfLists) {
  EXPECT_EQ(of({"wte", "h.0", "h.0.attn", "h.0.mlp.fc", "h.1.attn", "h.1", "head"}),
            (std::vector<int>{-1, 0, 0, 0, 1, 1, -1}));
}

TEST_F(Layers, OfListsInListsAreThoseThatKeepLess) {
  std::vector<std::string> modules;
  for (const char *stage : {"0", "1"})
    for (const char *block : {"0", "1", "2"})
      for (const char *part : {"norm", "attn", "mlp", "mlp"})
        modules.push_back(std::string("layers.") + stage + ".blocks." + block + "." + part);
  // Blocks: six values between them, four inside one. Stages: two, and twelve.
  std::vector<int> layers = of(modules);
  EXPECT_EQ(layers.front(), 0);
  EXPECT_EQ(layers.back(), 5);
}

TEST_F(Layers, AModuleThatRunsAgainIsAnotherLayer) {
  EXPECT_EQ(of({"h.0", "h.1", "h.0", "h.1"}), (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(Layers, WithoutListsArePieces) {
  EXPECT_EQ(of({"a", "b", "c", "d", "e", "f", "g", "i", "j"}),
            (std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 2}));
  EXPECT_TRUE(of({}).empty());
}

} // namespace
