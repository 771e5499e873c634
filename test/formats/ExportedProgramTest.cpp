#include "formats/pt2/ExportedProgram.h"
#include "formats/Error.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

using namespace regimen;
using namespace regimen::pt2;
using namespace regimen::samples;

namespace {
struct Loaded {
  explicit Loaded(std::vector<std::pair<std::string, std::string>> entries = pt2Entries())
      : bytes(zip(entries)), archive(Archive::fromBytes(bytes, "tiny.pt2")),
        program(ExportedProgram::load(archive)) {}
  Bytes bytes;
  Archive archive;
  ExportedProgram program;
};

/// Loads the sample with one piece of text of its entries replaced; the error's message or "".
std::string errorWith(const std::string &from, const std::string &to) {
  auto entries = pt2Entries();
  bool found = false;
  for (auto &[name, text] : entries)
    if (size_t at = text.find(from); at != std::string::npos && !found) {
      text.replace(at, from.size(), to);
      found = true;
    }
  EXPECT_TRUE(found) << from;
  try {
    Loaded loaded(entries);
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}
} // namespace

TEST(ExportedProgram, ReadsHeaderAndSignature) {
  Loaded loaded;
  const ExportedProgram &program = loaded.program;
  EXPECT_EQ(program.schemaMajor, 8);
  EXPECT_EQ(program.schemaMinor, 17);
  EXPECT_EQ(program.torchVersion, "2.11.0");
  EXPECT_EQ(program.verifiers, std::vector<std::string>{"TRAINING"});
  EXPECT_EQ(program.outSpec, "[1, null]");
  EXPECT_EQ(program.forwardArgNames, (std::vector<std::string>{"x", "n"}));
  EXPECT_EQ(program.rangeConstraints.at("s72").max, 64);
  EXPECT_FALSE(program.rangeConstraints.at("u0").max.has_value());
  ASSERT_EQ(program.inputSpecs.size(), 7u);
  EXPECT_EQ(program.inputSpecs[1].kind, InputSpec::Kind::Parameter);
  EXPECT_EQ(program.inputSpecs[1].target, "tied");
  EXPECT_FALSE(program.inputSpecs[3].persistent);
  EXPECT_EQ(program.inputSpecs[5].name, "x");
  EXPECT_EQ(program.inputSpecs[6].kind, InputSpec::Kind::ConstantInput);
  EXPECT_EQ(program.outputSpecs[0].kind, OutputSpec::Kind::BufferMutation);
  EXPECT_EQ(program.outputSpecs[0].target, "mean");
  EXPECT_EQ(program.outputSpecs[1].name, "linear");
  ASSERT_TRUE(program.marks);
  EXPECT_EQ((*program.marks)["version"], 1);
}

TEST(ExportedProgram, ReadsNodesAndWhereTheyComeFrom) {
  Loaded loaded;
  const Node &node = loaded.program.graph.nodes[0];
  EXPECT_EQ(node.target, "torch.ops.aten.linear.default");
  EXPECT_EQ(node.moduleFqn(), "fc");
  EXPECT_EQ(node.modules[0].className, "model.Net");
  // The innermost frame is PyTorch's own linear.py.
  EXPECT_EQ(node.location.file, "/home/me/model.py");
  EXPECT_EQ(node.location.line, 12u);
  EXPECT_EQ(node.location.function, "forward");
  EXPECT_EQ(node.inputs[1].value.getIf<TensorArg>()->name, "p_w");
  EXPECT_EQ(loaded.program.graph.nodes[1].moduleFqn(), "");
  EXPECT_EQ(loaded.program.graph.nodes[1].location.line, 0u);
}

TEST(ExportedProgram, ReadsEveryKindOfArgument) {
  Loaded loaded;
  std::map<std::string, Argument> args;
  for (const NamedArgument &arg : loaded.program.graph.nodes[1].inputs)
    args[arg.name] = arg.value;
  EXPECT_TRUE(args["none"].getIf<NoneArg>());
  EXPECT_EQ(args["tensors"].getIf<TensorsArg>()->names.size(), 2u);
  EXPECT_FALSE(args["optional_tensors"].getIf<OptionalTensorsArg>()->names[0].has_value());
  EXPECT_EQ(args["optional_tensors"].getIf<OptionalTensorsArg>()->names[1], "x");
  EXPECT_EQ(args["optional_tensor"].getIf<TensorArg>()->name, "x");
  EXPECT_EQ(args["nested_tensors"].getIf<NestedTensorsArg>()->names.size(), 2u);
  EXPECT_EQ(args["int"].getIf<IntArg>()->value, -7);
  EXPECT_EQ(args["ints"].getIf<IntsArg>()->values, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(args["int_lists"].getIf<IntListsArg>()->values[1][1], 3);
  EXPECT_EQ(args["float"].getIf<FloatArg>()->value, -INFINITY);
  EXPECT_EQ(args["floats"].getIf<FloatsArg>()->values, (std::vector<double>{0.5, 2}));
  EXPECT_TRUE(args["bool"].getIf<BoolArg>()->value);
  EXPECT_EQ(args["bools"].getIf<BoolsArg>()->values, (std::vector<bool>{true, false}));
  EXPECT_EQ(args["string"].getIf<StringArg>()->value, "mean");
  EXPECT_EQ(args["strings"].getIf<StringsArg>()->values.size(), 2u);
  EXPECT_EQ(args["complex"].getIf<ComplexArg>()->imaginary, 2.0);
  EXPECT_EQ(args["sym_int"].getIf<SymIntArg>()->name, "sym_size_int");
  EXPECT_EQ(args["sym_int_constant"].getIf<IntArg>()->value, 5);
  EXPECT_EQ(std::get<std::string>(args["sym_ints"].getIf<SymIntsArg>()->values[1]), "sym_size_int");
  EXPECT_EQ(args["sym_ints_constant"].getIf<IntsArg>()->values, (std::vector<int64_t>{-1, 4}));
  EXPECT_EQ(args["sym_bool"].getIf<SymBoolArg>()->name, "le");
  EXPECT_EQ(args["sym_float"].getIf<FloatArg>()->value, 1.5);
  EXPECT_EQ(args["dtype"].getIf<DTypeArg>()->value, pt2::DType::Float32);
  EXPECT_EQ(args["layout"].getIf<LayoutArg>()->value, Layout::Strided);
  EXPECT_EQ(args["memory_format"].getIf<MemoryFormatArg>()->value, MemoryFormat::Contiguous);
  EXPECT_EQ(args["device"].getIf<DeviceArg>()->value.index, 1);
  EXPECT_TRUE(args["graph"].getIf<GraphArg>()->graph);
  EXPECT_EQ(args["operator"].getIf<OperatorArg>()->target, "torch.ops.aten.add.Tensor");
  EXPECT_EQ(args["custom"].getIf<CustomObjArg>()->classFqn, "a.B");
  EXPECT_EQ(args["dict"].getIf<DictArg>()->items[0].first, "k");
  EXPECT_EQ(args["future"].kindName(), "as_something_new");
  EXPECT_EQ(args["ints"].kindName(), "as_ints");
}

TEST(ExportedProgram, KeepsSymbolicSizes) {
  Loaded loaded;
  const Graph &graph = loaded.program.graph;
  EXPECT_EQ(graph.tensors.at("x").sizes[0], Expr::symbol("s72"));
  EXPECT_EQ(graph.tensors.at("x").sizes[1].constant(), 3);
  EXPECT_EQ(graph.symInts.at("sym_size_int").evaluate({{"s72", 4}}), 8);
}

TEST(ExportedProgram, ReadsWeightsInTheOrderOfTheSignature) {
  Loaded loaded;
  const ExportedProgram &program = loaded.program;
  ASSERT_EQ(program.weights.size(), 3u);
  EXPECT_EQ(program.weights[0].fqn, "w");
  EXPECT_EQ(program.weights[1].fqn, "tied");
  EXPECT_EQ(program.weights[2].fqn, "mean");
  EXPECT_TRUE(program.weights[0].isParam);
  EXPECT_FALSE(program.weights[2].isParam);
  EXPECT_EQ(program.ties, (std::vector<std::vector<std::string>>{{"w", "tied"}}));
  EXPECT_TRUE(program.hasWeights());
  EXPECT_EQ(program.findWeight("freq")->record, "data/constants/tensor_0");
  EXPECT_FALSE(program.findWeight("nothing"));
  EXPECT_EQ(toText(ExportedProgram::data(loaded.archive, *program.findWeight("lifted_0"))), "wxyz");
  EXPECT_EQ(ExportedProgram::record(loaded.archive, program.weights[0]).size(), 24u);
}

TEST(ExportedProgram, EmptyRecordsTieNothing) {
  auto entries = pt2Entries();
  entries[0].second.clear();
  Loaded loaded(entries);
  EXPECT_TRUE(loaded.program.ties.empty());
  EXPECT_FALSE(loaded.program.hasWeights());
  EXPECT_TRUE(loaded.program.weights[0].empty);
  EXPECT_TRUE(ExportedProgram::data(loaded.archive, loaded.program.weights[0]).empty());
}

TEST(ExportedProgram, DefaultsWhatAnotherMinorVersionLacks) {
  EXPECT_EQ(errorWith(R"("minor": 17)", R"("minor": 99)"), "");
  EXPECT_EQ(errorWith(R"("verifiers": ["TRAINING"],)", ""), "");
  EXPECT_EQ(errorWith(R"("torch_version": "2.11.0",)", ""), "");
}

TEST(ExportedProgram, NamesWhatIsWrong) {
  auto expect = [](const char *from, const char *to, const char *message) {
    std::string error = errorWith(from, to);
    EXPECT_NE(error.find(message), std::string::npos) << from << ": " << error;
  };
  expect(R"("major": 8)", R"("major": 9)", "schema version 9.17");
  expect(R"({"as_int": -7})", R"({"as_int": "seven"})", "node 1 'kinds': input 'int'");
  expect(R"({"as_int": -7})", "{}", "expected an object with one member");
  expect(R"("kind": 1})", R"("kind": "no"})", "node 0 'linear'");
  expect(R"("target": "torch.ops.aten.linear.default",)", "", "key 'target' is missing");
  expect(R"("parameter_name": "w")", R"("parameter_name": "v")", "have no 'v'");
  expect(R"({"buffer_mutation")", R"({"new_mutation")", "unknown kind 'new_mutation'");
  expect(R"("strides": [{"as_int": 3}, {"as_int": 1}])",
         R"("strides": [{"as_int": 9}, {"as_int": 1}])", "reach behind the end");
  expect(R"(}}, {"as_int": 3}])", R"(}}, {"as_int": -3}])", "tensor 'x': a size is -3");
  expect(R"({"version": 1})", R"({"version": 2})", "extra/regimen.json: version 2");
  expect(R"({"version": 1})", "[]", "extra/regimen.json: version missing");
  expect(R"("path_name": "weight_1")", R"("path_name": "weight_7")", "no entry");
  expect(R"("dtype": 7)", R"("dtype": 99)", "unknown scalar type 99");
  expect(R"("schema_version")", R"("schema)", "not JSON");
}

TEST(ExportedProgram, RefusesPickledWeightsWhenRead) {
  auto entries = pt2Entries();
  std::string &config = entries[2].second;
  config.replace(config.find(R"("use_pickle": false)"), 19, R"("use_pickle": true)");
  Loaded loaded(entries);
  int pickled = 0;
  for (const Weight &weight : loaded.program.weights)
    if (weight.usePickle) {
      ++pickled;
      EXPECT_THROW(ExportedProgram::data(loaded.archive, weight), Error);
    }
  EXPECT_EQ(pickled, 1);
}

TEST(ExportedProgram, DeepNestingIsAnError) {
  std::string open = R"({"as_string_to_argument": {"k": )", nested = R"({"as_int": 1})";
  for (int i = 0; i < 100; ++i)
    nested = open + nested + "}}";
  std::string error = errorWith(R"({"as_int": -7})", nested);
  EXPECT_NE(error.find("levels deep"), std::string::npos) << error;
}
