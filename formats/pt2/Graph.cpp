//===- Graph.cpp - Nodes and their metadata --------------------------------===//

#include "formats/pt2/Json.h"

#include <charconv>

using namespace regimen;
using namespace regimen::pt2;

/// `key,fqn,class` triples joined by ';', outermost first.
static std::vector<ModuleFrame> parseModules(std::string_view text) {
  std::vector<ModuleFrame> frames;
  while (!text.empty()) {
    std::string_view triple = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(text.size(), triple.size() + 1));
    size_t first = triple.find(',');
    size_t second = first == std::string_view::npos ? first : triple.find(',', first + 1);
    if (second == std::string_view::npos)
      continue; // a class name with ';' in it; metadata is never worth an error
    frames.push_back({std::string(triple.substr(0, first)),
                      std::string(triple.substr(first + 1, second - first - 1)),
                      std::string(triple.substr(second + 1))});
  }
  return frames;
}

/// True for files of PyTorch itself, which say nothing about where in the model an operator is.
static bool isPyTorchFile(std::string_view file) {
  static constexpr std::string_view inside[] = {
      "-packages/torch/",   "/torch/nn/modules/", "/torch/nn/functional.py", "/torch/utils/",
      "/torch/_",           "/torch/fx/",         "/torch/export/",          "/torch/functional.py",
      "/torch/overrides.py"};
  for (std::string_view part : inside)
    if (file.find(part) != std::string_view::npos)
      return true;
  return file.starts_with("<");
}

/// A Python traceback: lines `File "x.py", line 3, in f`, outermost first.
static SourceLocation parseLocation(std::string_view trace) {
  SourceLocation innermost, model;
  static constexpr std::string_view open = "File \"", lineMark = "\", line ", inMark = ", in ";
  for (size_t at = trace.find(open); at != std::string_view::npos; at = trace.find(open, at)) {
    at += open.size();
    std::string_view rest = trace.substr(at, trace.find('\n', at) - at);
    size_t mark = rest.find(lineMark);
    if (mark == std::string_view::npos)
      continue;
    SourceLocation location;
    location.file = rest.substr(0, mark);
    rest.remove_prefix(mark + lineMark.size());
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), location.line);
    if (error != std::errc())
      continue;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (rest.starts_with(inMark))
      location.function = rest.substr(inMark.size());
    if (!isPyTorchFile(location.file))
      model = location;
    innermost = std::move(location);
  }
  return model.line ? model : innermost;
}

const std::string &Node::moduleFqn() const {
  static const std::string root;
  return modules.empty() ? root : modules.back().fqn;
}

static Node toNode(const Json &value, unsigned depth) {
  Node node;
  node.target = toString(get(value, "target"));
  node.name = stringOr(value, "name", "");
  for (const Json &input : toArray(get(value, "inputs"))) {
    NamedArgument argument;
    argument.name = toString(get(input, "name"));
    argument.value = within("input '" + argument.name + "'",
                            [&] { return toArgument(get(input, "arg"), depth); });
    if (const Json *kind = find(input, "kind"))
      argument.keyword = toInt(*kind) == 2;
    node.inputs.push_back(std::move(argument));
  }
  for (const Json &output : toArray(get(value, "outputs")))
    node.outputs.push_back(toArgument(output, depth));
  if (const Json *metadata = find(value, "metadata")) {
    node.modules = parseModules(stringOr(*metadata, "nn_module_stack", ""));
    node.location = parseLocation(stringOr(*metadata, "stack_trace", ""));
  }
  return node;
}

Graph regimen::pt2::toGraph(const Json &value, unsigned depth) {
  Graph graph;
  for (const Json &input : toArray(get(value, "inputs")))
    graph.inputs.push_back(within("graph input", [&] { return toArgument(input, depth); }));
  for (const Json &output : toArray(get(value, "outputs")))
    graph.outputs.push_back(within("graph output", [&] { return toArgument(output, depth); }));
  const Json &nodes = toArray(get(value, "nodes"));
  graph.nodes.reserve(nodes.size());
  for (const Json &node : nodes) {
    const Json *name = find(node, "name");
    std::string where = "node " + std::to_string(graph.nodes.size()) +
                        (name && name->is_string() ? " '" + name->get<std::string>() + "'" : "");
    graph.nodes.push_back(within(where, [&] { return toNode(node, depth); }));
  }
  for (const auto &[name, meta] : toObject(get(value, "tensor_values")).items())
    graph.tensors.emplace(
        name, within("tensor '" + name + "'", [&meta = meta] { return toTensorMeta(meta); }));
  if (const Json *values = find(value, "sym_int_values"))
    for (const auto &[name, size] : toObject(*values).items())
      graph.symInts.emplace(
          name, within("symbolic int '" + name + "'", [&size = size] { return toSize(size); }));
  return graph;
}
