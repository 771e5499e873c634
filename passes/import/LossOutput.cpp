//===- LossOutput.cpp - Which output is the loss --------------------------===//
#include "passes/import/LossOutput.h"

#include "formats/Error.h"
#include <algorithm>
#include <nlohmann/json.hpp>

using namespace regimen;
using Json = nlohmann::json;
using Kind = pt2::OutputSpec::Kind;

namespace {

std::vector<const pt2::OutputSpec *> userOutputs(const pt2::ExportedProgram &program) {
  std::vector<const pt2::OutputSpec *> outputs;
  for (const pt2::OutputSpec &spec : program.outputSpecs)
    if (spec.kind == Kind::UserOutput || spec.kind == Kind::LossOutput)
      outputs.push_back(&spec);
  return outputs;
}

std::string join(const std::string &path, const std::string &key) {
  return path.empty() ? key : path + "." + key;
}

/// Dotted keys of all leaves of the nesting that regimen.export writes; its leaves are indices.
void keysOfMark(const Json &node, const std::string &path, std::map<std::string, size_t> &keys) {
  if (node.is_number_unsigned())
    keys.emplace(path, node.get<size_t>());
  else if (node.is_object())
    for (const auto &[key, child] : node.items())
      keysOfMark(child, join(path, key), keys);
  else if (node.is_array())
    for (size_t i = 0; i < node.size(); ++i)
      keysOfMark(node[i], join(path, std::to_string(i)), keys);
}

/// The same for PyTorch's own description: children are keyed by the context if that is a list of
/// as many names (dicts and Hugging Face's outputs), else by position.
void keysOfSpec(const Json &node, const std::string &path, size_t &leaf,
                std::map<std::string, size_t> &keys) {
  if (!node.is_object() || !node.contains("type") || node["type"].is_null()) {
    keys.emplace(path, leaf++);
    return;
  }
  const Json children = node.value("children_spec", Json::array());
  Json names;
  if (auto context = node.find("context"); context != node.end() && context->is_string())
    names = Json::parse(context->get<std::string>(), nullptr, /*allow_exceptions=*/false);
  // An ordered or default dict keeps its keys one level down.
  while (names.is_array() && names.size() != children.size() && names.size() == 2 &&
         names[1].is_array())
    names = Json(names[1]);
  bool named = names.is_array() && names.size() == children.size() &&
               std::all_of(names.begin(), names.end(), [](const Json &x) { return x.is_string(); });
  for (size_t i = 0; i < children.size(); ++i)
    keysOfSpec(children[i], join(path, named ? names[i].get<std::string>() : std::to_string(i)),
               leaf, keys);
}

std::map<std::string, size_t> outputKeys(const pt2::ExportedProgram &program) {
  std::map<std::string, size_t> keys;
  if (program.marks && program.marks->contains("outputs")) {
    keysOfMark((*program.marks)["outputs"], "", keys);
    return keys;
  }
  Json spec = Json::parse(program.outSpec, nullptr, /*allow_exceptions=*/false);
  size_t leaf = 0;
  if (spec.is_array() && spec.size() == 2)
    keysOfSpec(spec[1], "", leaf, keys);
  return keys;
}

} // namespace

std::string passes::describeOutputs(const pt2::ExportedProgram &program) {
  std::map<size_t, std::string> keyOf;
  for (const auto &[key, index] : outputKeys(program))
    if (!key.empty() && !std::isdigit(static_cast<unsigned char>(key[0])))
      keyOf.emplace(index, key);
  std::string text = "The outputs are";
  auto outputs = userOutputs(program);
  for (size_t i = 0; i < outputs.size(); ++i) {
    auto key = keyOf.find(i);
    text += (i ? ", " : " ") + std::to_string(i) + " '" +
            (key == keyOf.end() ? outputs[i]->name : key->second) + "'";
  }
  return outputs.empty() ? "The graph has no outputs" : text;
}

size_t passes::findLoss(const pt2::ExportedProgram &program,
                        const std::variant<int64_t, std::string> &loss) {
  auto outputs = userOutputs(program);
  if (const auto *index = std::get_if<int64_t>(&loss)) {
    if (*index >= 0 && size_t(*index) < outputs.size())
      return *index;
    throw Error("loss=" + std::to_string(*index) + ": the graph has no such output. " +
                describeOutputs(program));
  }
  const std::string &name = std::get<std::string>(loss);
  std::map<std::string, size_t> keys = outputKeys(program);
  if (auto it = keys.find(name); it != keys.end() && it->second < outputs.size())
    return it->second;
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i]->name == name)
      return i;
  throw Error("loss=" + name + ": the graph has no such output. " + describeOutputs(program));
}
