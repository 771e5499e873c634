//===- GraphChecks.cpp - What import refuses before it starts -------------===//
#include "passes/import/GraphChecks.h"

#include "dialects/aten/AtenDialect.h"
#include "formats/Error.h"
#include "passes/import/Literals.h"
#include <algorithm>

using namespace regimen;
using namespace regimen::passes;

namespace {

/// Overloads that take a Scalar where the first one takes a tensor. In order of preference.
struct ScalarSibling {
  std::string_view tensor;
  std::string_view scalar;
};
constexpr ScalarSibling scalarSiblings[] = {
    {"aten::__and__.Tensor", "aten::__and__.Scalar"},
    {"aten::__or__.Tensor", "aten::__or__.Scalar"},
    {"aten::add.Tensor", "aten::add.Scalar"},
    {"aten::bitwise_and.Tensor", "aten::bitwise_and.Scalar"},
    {"aten::bitwise_or.Tensor", "aten::bitwise_or.Scalar"},
    {"aten::div.Tensor", "aten::div.Scalar"},
    {"aten::div.Tensor_mode", "aten::div.Scalar_mode"},
    {"aten::eq.Tensor", "aten::eq.Scalar"},
    {"aten::fill.Tensor", "aten::fill.Scalar"},
    {"aten::floor_divide", "aten::floor_divide.Scalar"},
    {"aten::fmod.Tensor", "aten::fmod.Scalar"},
    {"aten::ge.Tensor", "aten::ge.Scalar"},
    {"aten::gt.Tensor", "aten::gt.Scalar"},
    {"aten::le.Tensor", "aten::le.Scalar"},
    {"aten::lt.Tensor", "aten::lt.Scalar"},
    {"aten::masked_fill.Tensor", "aten::masked_fill.Scalar"},
    {"aten::mul.Tensor", "aten::mul.Scalar"},
    {"aten::ne.Tensor", "aten::ne.Scalar"},
    {"aten::pow.Tensor_Tensor", "aten::pow.Tensor_Scalar"},
    {"aten::pow.Tensor_Tensor", "aten::pow.Scalar"},
    {"aten::remainder.Tensor", "aten::remainder.Scalar"},
    {"aten::sub.Tensor", "aten::sub.Scalar"},
    {"aten::where.self", "aten::where.ScalarOther"},
    {"aten::where.self", "aten::where.ScalarSelf"},
    {"aten::where.self", "aten::where.Scalar"},
};

/// Ops that draw random numbers, whatever their arguments.
constexpr std::string_view randomOps[] = {
    "bernoulli",  "exponential", "geometric",        "log_normal", "multinomial",  "normal",
    "poisson",    "rand",        "rand_like",        "randint",    "randint_like", "randn",
    "randn_like", "randperm",    "rrelu_with_noise", "uniform",    "cauchy",
};

/// Ops that draw random numbers if a probability is above 0 and `train`, where they have it, true.
struct Probability {
  std::string_view op;
  std::string_view argument;
};
constexpr Probability probabilities[] = {
    {"dropout", "p"},
    {"native_dropout", "p"},
    {"alpha_dropout", "p"},
    {"feature_dropout", "p"},
    {"feature_alpha_dropout", "p"},
    {"lstm", "dropout"},
    {"gru", "dropout"},
    {"rnn_tanh", "dropout"},
    {"rnn_relu", "dropout"},
    {"scaled_dot_product_attention", "dropout_p"},
};

bool isNumber(const pt2::Argument &argument) {
  return argument.getIf<pt2::IntArg>() || argument.getIf<pt2::FloatArg>() ||
         argument.getIf<pt2::BoolArg>() || argument.getIf<pt2::SymIntArg>() ||
         argument.getIf<pt2::SymFloatArg>() || argument.getIf<pt2::SymBoolArg>();
}

const pt2::Argument *findInput(const pt2::Node &node, std::string_view name) {
  for (const pt2::NamedArgument &input : node.inputs)
    if (input.name == name)
      return &input.value;
  return nullptr;
}

bool hasNumberForTensor(const pt2::Node &node, const aten::OpSchema &schema) {
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](const auto &input) {
    const aten::SchemaArg *arg = schema.find(input.name);
    return arg && arg->kind == aten::ArgKind::Tensor && isNumber(input.value);
  });
}

/// "aten::add.Tensor" to "add".
std::string_view baseName(std::string_view name) {
  name = name.substr(name.find("::") + 2);
  return name.substr(0, name.find('.'));
}

bool isHigherOrder(const pt2::Node &node) {
  return node.target.starts_with("torch.ops.higher_order.");
}

/// In-place ops end in an underscore; `__and__` and the like are not in place.
bool isMutating(const pt2::Node &node) {
  std::string name = atenName(node.target);
  if (name.empty())
    return false;
  std::string_view base = baseName(name);
  return base.ends_with("_") && !base.ends_with("__");
}

/// What makes the node random, or "".
std::string randomness(const pt2::Node &node) {
  std::string name = atenName(node.target);
  if (!name.starts_with("aten::"))
    return "";
  std::string_view base = baseName(name);
  if (std::find(std::begin(randomOps), std::end(randomOps), base) != std::end(randomOps))
    return name;
  for (const auto &[op, argument] : probabilities) {
    if (base != op)
      continue;
    const pt2::Argument *train = findInput(node, "train");
    if (const auto *flag = train ? train->getIf<pt2::BoolArg>() : nullptr; flag && !flag->value)
      continue;
    const pt2::Argument *value = findInput(node, argument);
    if (const auto *p = value ? value->getIf<pt2::FloatArg>() : nullptr; p && p->value > 0) {
      std::string number = std::to_string(p->value);
      number.erase(number.find_last_not_of('0') + 1);
      return name + " with " + std::string(argument) + " = " + number;
    }
  }
  return "";
}

void checkFunctional(const pt2::Archive &archive, const pt2::ExportedProgram &program) {
  constexpr const char *remedy =
      "; write it with `python -m regimen.export`, or save the result of run_decompositions({})";
  for (const pt2::Node &node : program.graph.nodes)
    if (isHigherOrder(node) || isMutating(node))
      throw Error("'" + archive.name() + "' holds " + node.target.substr(strlen("torch.ops.")) +
                  placeOf(node) +
                  (isMutating(node) ? ", which writes to its argument" : ", which holds a graph") +
                  ": this is a raw export" + remedy);
  const auto &verifiers = program.verifiers;
  if (std::find(verifiers.begin(), verifiers.end(), "TRAINING") != verifiers.end())
    throw Error("'" + archive.name() + "' is a raw export, whose graph is not functional" + remedy);
}

void checkKnown(const pt2::Archive &archive, const pt2::ExportedProgram &program) {
  struct Unknown {
    std::string name;
    size_t count;
    const pt2::Node *first;
  };
  std::vector<Unknown> unknown;
  for (const pt2::Node &node : program.graph.nodes) {
    if (isAssertion(node) || isScalarMath(node))
      continue;
    std::string name = overloadFor(node);
    if (!name.empty() && aten::lookupSchema(name))
      continue;
    if (name.empty())
      name = node.target;
    auto it = std::find_if(unknown.begin(), unknown.end(),
                           [&](const Unknown &entry) { return entry.name == name; });
    if (it == unknown.end())
      unknown.push_back({name, 1, &node});
    else
      ++it->count;
  }
  if (unknown.empty())
    return;
  std::string message = "'" + archive.name() + "' uses " + std::to_string(unknown.size()) +
                        (unknown.size() == 1 ? " operator" : " operators") +
                        " that Regimen does not know:";
  for (const auto &[name, count, first] : unknown)
    message += "\n  " + name + ", " + std::to_string(count) +
               (count == 1 ? " time" : " times, first") + placeOf(*first);
  throw Error(message + "\nExpress the model without them, or add them to the aten dialect "
                        "(dialects/aten/ops.list)");
}

} // namespace

std::string passes::atenName(const std::string &target) {
  constexpr std::string_view prefix = "torch.ops.";
  if (!target.starts_with(prefix))
    return "";
  std::string name = target.substr(prefix.size());
  size_t dot = name.find('.');
  if (dot == std::string::npos)
    return "";
  name.replace(dot, 1, "::");
  constexpr std::string_view standard = ".default";
  if (name.ends_with(standard))
    name.resize(name.size() - standard.size());
  return name;
}

bool passes::isAssertion(const pt2::Node &node) {
  std::string name = atenName(node.target);
  if (name.empty())
    return false;
  std::string_view base = baseName(name);
  return base.starts_with("_assert") || base.starts_with("sym_constrain_range");
}

bool passes::isScalarMath(const pt2::Node &node) {
  return !node.outputs.empty() &&
         std::all_of(node.outputs.begin(), node.outputs.end(),
                     [](const pt2::Argument &output) { return isNumber(output); });
}

std::string passes::overloadFor(const pt2::Node &node) {
  std::string name = atenName(node.target);
  const aten::OpSchema *schema = aten::lookupSchema(name);
  // Without the tensor overload the Scalar sibling can still be known; numbers then decide.
  bool number = schema ? hasNumberForTensor(node, *schema)
                       : std::any_of(node.inputs.begin(), node.inputs.end(),
                                     [](const auto &input) { return isNumber(input.value); });
  if (!number)
    return name;
  std::string first;
  for (const auto &[tensor, scalar] : scalarSiblings) {
    if (tensor != name)
      continue;
    const aten::OpSchema *sibling = aten::lookupSchema(scalar);
    if (sibling && !hasNumberForTensor(node, *sibling))
      return std::string(scalar);
    if (first.empty())
      first = scalar;
  }
  return first.empty() ? name : first;
}

void passes::checkGraph(const pt2::Archive &archive, const pt2::ExportedProgram &program) {
  checkFunctional(archive, program);
  for (const pt2::Node &node : program.graph.nodes)
    if (std::string what = randomness(node); !what.empty())
      throw Error("'" + archive.name() + "' draws random numbers: " + what + placeOf(node) +
                  ". Randomness is not supported yet; export the model with dropout 0");
  checkKnown(archive, program);
}
