//===- Specialization.cpp - Sizes for the symbols of a graph --------------===//
#include "passes/import/Specialization.h"

#include "formats/Error.h"
#include <algorithm>
#include <charconv>

using namespace regimen;
using namespace regimen::passes;
using pt2::Expr;

namespace {

/// One entry of the option, looked up in the graph.
struct Axis {
  std::string text; // "--dim x.0=4"
  Expr size;        // what the export says
  int64_t value;    // what the user says
};

/// Tensor inputs of the user, in the signature's order.
std::vector<const pt2::InputSpec *> tensorInputs(const pt2::ExportedProgram &program) {
  std::vector<const pt2::InputSpec *> inputs;
  for (const pt2::InputSpec &spec : program.inputSpecs)
    if (spec.kind == pt2::InputSpec::Kind::UserInput && program.graph.tensors.contains(spec.name))
      inputs.push_back(&spec);
  return inputs;
}

std::string inputNames(const pt2::ExportedProgram &program) {
  std::string names;
  for (const pt2::InputSpec *spec : tensorInputs(program))
    names += (names.empty() ? "" : ", ") + spec->name;
  return names;
}

Axis resolve(const pt2::ExportedProgram &program, const std::string &option, const std::string &key,
             int64_t value) {
  std::string text = option + " " + key + "=" + std::to_string(value);
  size_t dot = key.rfind('.');
  uint64_t axis = 0;
  const char *end = key.data() + key.size();
  if (dot == std::string::npos || dot + 1 == key.size() ||
      std::from_chars(key.data() + dot + 1, end, axis).ptr != end)
    throw Error(text + ": expected INPUT.AXIS=N; the inputs are " + inputNames(program));
  std::string input = key.substr(0, dot);
  auto inputs = tensorInputs(program);
  auto it = std::find_if(inputs.begin(), inputs.end(),
                         [&](const pt2::InputSpec *spec) { return spec->name == input; });
  if (it == inputs.end())
    throw Error(text + ": the graph has no input '" + input + "'; its inputs are " +
                inputNames(program));
  const pt2::TensorMeta &meta = program.graph.tensors.at(input);
  if (axis >= meta.sizes.size())
    throw Error(text + ": input '" + input + "' has " + std::to_string(meta.sizes.size()) +
                " axes");
  if (value < 1)
    throw Error(text + ": sizes are at least 1");
  Expr size = meta.sizes[axis];
  if (size.isConstant() && size.constant() != value)
    throw Error(text + ": this axis is fixed to " + std::to_string(size.constant()) +
                " in the export; export again with a dynamic axis");
  return {std::move(text), std::move(size), value};
}

/// The symbol's value for which a size that is linear in it has the wanted value, or nothing.
std::optional<int64_t> solve(const Expr &size, const std::string &symbol,
                             std::map<std::string, int64_t> bindings, int64_t wanted) {
  auto at = [&](int64_t value) {
    bindings[symbol] = value;
    return size.evaluate(bindings);
  };
  int64_t slope = at(2) - at(1), start = at(1) - slope;
  if (slope == 0 || (wanted - start) % slope != 0)
    return std::nullopt;
  int64_t value = (wanted - start) / slope;
  return value >= 1 && at(value) == wanted ? std::optional(value) : std::nullopt;
}

std::string rangeText(const pt2::ExportedProgram &program, const std::string &symbol) {
  auto it = program.rangeConstraints.find(symbol);
  if (it == program.rangeConstraints.end() || (!it->second.min && !it->second.max))
    return "any size";
  const pt2::SymbolRange &range = it->second;
  return (range.min ? std::to_string(*range.min) : std::string("1")) + " to " +
         (range.max ? std::to_string(*range.max) : std::string("any size"));
}

} // namespace

Specialization::Specialization(const pt2::ExportedProgram &program,
                               const std::map<std::string, int64_t> &dims, std::string option)
    : option(std::move(option)) {
  bind(program, dims);
  checkComplete(program);
  checkRanges(program);
}

void Specialization::bind(const pt2::ExportedProgram &program,
                          const std::map<std::string, int64_t> &dims) {
  std::vector<Axis> pending;
  for (const auto &[key, value] : dims)
    if (Axis axis = resolve(program, option, key, value); !axis.size.isConstant())
      pending.push_back(std::move(axis));

  // An axis of size 8*s+t waits until all its symbols but one are known.
  for (bool progress = true; progress && !pending.empty();) {
    progress = false;
    std::vector<Axis> left;
    for (Axis &axis : pending) {
      std::set<std::string> unknown = axis.size.symbols();
      std::erase_if(unknown, [&](const std::string &name) { return symbols.contains(name); });
      if (unknown.size() > 1) {
        left.push_back(std::move(axis));
        continue;
      }
      progress = true;
      if (unknown.empty()) {
        if (int64_t size = axis.size.evaluate(symbols); size != axis.value) {
          std::string others;
          for (const std::string &name : axis.size.symbols())
            others += (others.empty() ? "" : " and ") + origins.at(name);
          throw Error(axis.text + " contradicts " + others + ": the model makes this size " +
                      std::to_string(size));
        }
        continue;
      }
      const std::string &symbol = *unknown.begin();
      std::optional<int64_t> value = solve(axis.size, symbol, symbols, axis.value);
      if (!value)
        throw Error(axis.text + ": the model wants a size of the form " + axis.size.str());
      symbols[symbol] = *value;
      origins[symbol] = axis.text;
    }
    pending = std::move(left);
  }
}

void Specialization::checkComplete(const pt2::ExportedProgram &program) const {
  // Symbols in order of their first input axis. One to name comes first: the size itself if some
  // axis has it, else an axis whose size follows from it.
  struct Missing {
    std::string symbol;
    std::vector<std::string> axes, following;
  };
  std::vector<Missing> missing;
  for (const pt2::InputSpec *spec : tensorInputs(program)) {
    const pt2::TensorMeta &meta = program.graph.tensors.at(spec->name);
    for (size_t axis = 0; axis < meta.sizes.size(); ++axis)
      for (const std::string &symbol : meta.sizes[axis].symbols()) {
        if (symbols.contains(symbol))
          continue;
        auto it = std::find_if(missing.begin(), missing.end(),
                               [&](const Missing &entry) { return entry.symbol == symbol; });
        if (it == missing.end())
          it = missing.insert(missing.end(), {symbol, {}, {}});
        std::string name = spec->name + "." + std::to_string(axis);
        if (meta.sizes[axis].kind() == Expr::Kind::Symbol)
          it->axes.push_back(name);
        else
          it->following.push_back(name + " (" + meta.sizes[axis].str() + ")");
      }
  }
  if (missing.empty())
    return;
  auto join = [](const std::vector<std::string> &names, size_t first) {
    std::string text;
    for (size_t i = first; i < names.size(); ++i)
      text += (text.empty() ? "" : ", ") + names[i];
    return text;
  };
  std::string message = "the graph has dynamic sizes; give each a value:";
  for (const auto &[symbol, axes, following] : missing) {
    std::string named = axes.empty() ? following[0].substr(0, following[0].find(' ')) : axes[0];
    message += "\n  " + option + " " + named + "=N   " + symbol + ", " + rangeText(program, symbol);
    if (axes.size() > 1)
      message += "; the same size: " + join(axes, 1);
    if (!following.empty())
      message += "; sets " + join(following, 0);
  }
  throw Error(message);
}

void Specialization::checkRanges(const pt2::ExportedProgram &program) const {
  for (const auto &[symbol, value] : symbols) {
    auto it = program.rangeConstraints.find(symbol);
    if (it == program.rangeConstraints.end())
      continue;
    const pt2::SymbolRange &range = it->second;
    if ((range.min && value < *range.min) || (range.max && value > *range.max))
      throw Error(origins.at(symbol) + ": the export allows " + rangeText(program, symbol));
  }
}
