//===- ExportedProgram.cpp - Signature and weight directories --------------===//

#include "formats/pt2/ExportedProgram.h"

#include "formats/pt2/Json.h"

#include <algorithm>
#include <tuple>

using namespace regimen;
using namespace regimen::pt2;

static constexpr int64_t kSchemaMajor = 8;
/// Of extra/regimen.json, as regimen.export writes it.
static constexpr int64_t kMarkVersion = 1;

static Json parseJson(const Archive &archive, const std::string &entry) {
  try {
    return Json::parse(archive.text(entry));
  } catch (const Json::exception &error) {
    throw Error("'" + archive.name() + "', " + entry + ": not JSON: " + error.what());
  }
}

static InputSpec toInputSpec(const Json &value) {
  const auto &[kind, spec] = unionMember(value);
  InputSpec input;
  auto tensor = [&](InputSpec::Kind kind, const char *targetKey) {
    input.kind = kind;
    input.name = toString(get(get(spec, "arg"), "name"));
    if (targetKey)
      input.target = toString(get(spec, targetKey));
    return input;
  };
  if (kind == "parameter")
    return tensor(InputSpec::Kind::Parameter, "parameter_name");
  if (kind == "buffer") {
    input.persistent = boolOr(spec, "persistent", true);
    return tensor(InputSpec::Kind::Buffer, "buffer_name");
  }
  if (kind == "tensor_constant")
    return tensor(InputSpec::Kind::TensorConstant, "tensor_constant_name");
  if (kind == "custom_obj")
    return tensor(InputSpec::Kind::CustomObj, "custom_obj_name");
  if (kind == "token")
    return tensor(InputSpec::Kind::Token, nullptr);
  if (kind == "user_input") {
    input.value = toArgument(get(spec, "arg"), 0);
    if (const TensorArg *tensor = input.value.getIf<TensorArg>())
      input.name = tensor->name;
    else if (const SymIntArg *symbol = input.value.getIf<SymIntArg>())
      input.name = symbol->name;
    return input;
  }
  if (kind == "constant_input") {
    input.kind = InputSpec::Kind::ConstantInput;
    input.name = toString(get(spec, "name"));
    input.value = toArgument(get(spec, "value"), 0);
    return input;
  }
  throw Error("input of unknown kind '" + kind + "'");
}

static OutputSpec toOutputSpec(const Json &value) {
  using Kind = OutputSpec::Kind;
  const auto &[kind, spec] = unionMember(value);
  OutputSpec output;
  auto tensor = [&](Kind kind, const char *targetKey) {
    output.kind = kind;
    output.name = toString(get(get(spec, "arg"), "name"));
    if (targetKey)
      output.target = toString(get(spec, targetKey));
    return output;
  };
  if (kind == "user_output") {
    output.value = toArgument(get(spec, "arg"), 0);
    if (const TensorArg *tensor = output.value.getIf<TensorArg>())
      output.name = tensor->name;
    return output;
  }
  if (kind == "loss_output")
    return tensor(Kind::LossOutput, nullptr);
  if (kind == "buffer_mutation")
    return tensor(Kind::BufferMutation, "buffer_name");
  if (kind == "parameter_mutation")
    return tensor(Kind::ParameterMutation, "parameter_name");
  if (kind == "user_input_mutation")
    return tensor(Kind::UserInputMutation, "user_input_name");
  if (kind == "gradient_to_parameter")
    return tensor(Kind::GradientToParameter, "parameter_name");
  if (kind == "gradient_to_user_input")
    return tensor(Kind::GradientToUserInput, "user_input_name");
  if (kind == "token")
    return tensor(Kind::Token, nullptr);
  throw Error("output of unknown kind '" + kind + "'");
}

/// Elements from the start of the storage to behind the last element of a window; nothing on
/// overflow or negatives.
static std::optional<int64_t> windowEnd(const Weight &weight) {
  int64_t end = weight.storageOffset;
  bool bad = weight.storageOffset < 0, none = false;
  for (size_t i = 0; i < weight.sizes.size(); ++i) {
    int64_t size = weight.sizes[i], stride = weight.strides[i], span;
    bad |= size < 0 || stride < 0 || __builtin_mul_overflow(size - 1, stride, &span) ||
           (size > 0 && __builtin_add_overflow(end, span, &end));
    none |= size == 0;
  }
  if (bad || (!none && __builtin_add_overflow(end, int64_t{1}, &end)))
    return std::nullopt;
  return none ? weight.storageOffset : end;
}

bool Weight::isContiguous() const {
  int64_t expected = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] == 0)
      return true;
    if (sizes[i] != 1 && strides[i] != expected)
      return false;
    expected *= sizes[i];
  }
  return true;
}

static std::vector<int64_t> constants(const std::vector<Expr> &exprs) {
  std::vector<int64_t> values;
  for (const Expr &expr : exprs)
    values.push_back(expr.evaluate({}));
  return values;
}

static Weight toWeight(const Archive &archive, const std::string &folder, const std::string &fqn,
                       const Json &value) {
  Weight weight;
  weight.fqn = fqn;
  weight.record = folder + toString(get(value, "path_name"));
  weight.isParam = boolOr(value, "is_param", false);
  weight.usePickle = boolOr(value, "use_pickle", false);
  weight.empty = archive.size(weight.record) == 0;
  const Json *tensor = find(value, "tensor_meta");
  if (!tensor) {
    if (!weight.usePickle)
      throw Error("key 'tensor_meta' is missing");
    return weight;
  }
  TensorMeta meta = toTensorMeta(*tensor);
  weight.dtype = meta.dtype;
  weight.sizes = constants(meta.sizes);
  weight.strides = constants(meta.strides);
  weight.storageOffset = meta.storageOffset.evaluate({});
  weight.requiresGrad = meta.requiresGrad;
  std::optional<int64_t> end = windowEnd(weight);
  uint64_t capacity = archive.size(weight.record) / elementBytes(weight.dtype);
  if (!end || (!weight.usePickle && !weight.empty && static_cast<uint64_t>(*end) > capacity))
    throw Error("sizes and strides reach behind the end of record '" + weight.record + "'");
  return weight;
}

/// Reads one directory; its order is that of `order` (the signature's), then alphabetical.
static std::vector<Weight> readDirectory(const Archive &archive, const std::string &folder,
                                         const std::string &configEntry,
                                         const std::map<std::string, size_t> &order) {
  std::vector<Weight> weights;
  if (!archive.contains(configEntry))
    return weights;
  Json json = parseJson(archive, configEntry);
  within("'" + archive.name() + "', " + configEntry, [&] {
    for (const auto &[fqn, value] : toObject(get(json, "config")).items())
      weights.push_back(within("'" + fqn + "'", [&, &fqn = fqn, &value = value] {
        return toWeight(archive, folder, fqn, value);
      }));
  });
  auto rank = [&](const Weight &weight) {
    auto it = order.find(weight.fqn);
    return it == order.end() ? order.size() : it->second;
  };
  std::stable_sort(weights.begin(), weights.end(),
                   [&](const Weight &a, const Weight &b) { return rank(a) < rank(b); });
  return weights;
}

static std::string findModelEntry(const Archive &archive, const std::string &model) {
  std::string entry = "models/" + model + ".json";
  if (archive.contains(entry))
    return entry;
  std::string present;
  for (const std::string &name : archive.entries())
    if (name.starts_with("models/") && name.ends_with(".json"))
      present += (present.empty() ? "" : ", ") + name;
  throw Error("'" + archive.name() + "': has no '" + entry + "'" +
              (present.empty()
                   ? "; export the model again with torch.export.save of PyTorch 2.8 or "
                     "later"
                   : "; it has " + present));
}

static void readProgram(const Json &json, ExportedProgram &program) {
  const Json &version = get(json, "schema_version");
  program.schemaMajor = toInt(get(version, "major"));
  program.schemaMinor = toInt(get(version, "minor"));
  if (program.schemaMajor != kSchemaMajor)
    throw Error("schema version " + std::to_string(program.schemaMajor) + "." +
                std::to_string(program.schemaMinor) +
                ", this program reads 8.x; export the model "
                "with a PyTorch between 2.8 and the version Regimen was built for");
  program.torchVersion = stringOr(json, "torch_version", "");
  if (const Json *verifiers = find(json, "verifiers"))
    for (const Json &verifier : toArray(*verifiers))
      program.verifiers.push_back(toString(verifier));
  if (const Json *guards = find(json, "guards_code"))
    for (const Json &guard : toArray(*guards))
      program.guards.push_back(toString(guard));
  if (const Json *ranges = find(json, "range_constraints"))
    for (const auto &[symbol, range] : toObject(*ranges).items()) {
      SymbolRange &constraint = program.rangeConstraints[symbol];
      if (const Json *min = find(range, "min_val"); min && min->is_number_integer())
        constraint.min = toInt(*min);
      if (const Json *max = find(range, "max_val"); max && max->is_number_integer())
        constraint.max = toInt(*max);
    }

  const Json &module = get(json, "graph_module");
  program.graph = toGraph(get(module, "graph"), 0);
  const Json &signature = get(module, "signature");
  for (const Json &spec : toArray(get(signature, "input_specs")))
    program.inputSpecs.push_back(within("input spec " + std::to_string(program.inputSpecs.size()),
                                        [&] { return toInputSpec(spec); }));
  for (const Json &spec : toArray(get(signature, "output_specs")))
    program.outputSpecs.push_back(
        within("output spec " + std::to_string(program.outputSpecs.size()),
               [&] { return toOutputSpec(spec); }));
  if (program.inputSpecs.size() != program.graph.inputs.size() ||
      program.outputSpecs.size() != program.graph.outputs.size())
    throw Error("the signature and the graph differ in their numbers of inputs or outputs");

  if (const Json *calls = find(module, "module_call_graph"))
    for (const Json &call : toArray(*calls)) {
      const Json *callSignature = find(call, "signature");
      if (!stringOr(call, "fqn", "").empty() || !callSignature)
        continue;
      program.inSpec = stringOr(*callSignature, "in_spec", "");
      program.outSpec = stringOr(*callSignature, "out_spec", "");
      if (const Json *names = find(*callSignature, "forward_arg_names"))
        for (const Json &name : toArray(*names))
          program.forwardArgNames.push_back(toString(name));
      break;
    }
}

ExportedProgram ExportedProgram::load(const Archive &archive, const std::string &model) {
  ExportedProgram program;
  std::string entry = findModelEntry(archive, model);
  {
    Json json = parseJson(archive, entry);
    within("'" + archive.name() + "', " + entry, [&] { readProgram(json, program); });
  }

  std::map<std::string, size_t> order;
  for (const InputSpec &spec : program.inputSpecs)
    if (!spec.target.empty())
      order.emplace(spec.target, order.size());
  program.weights = readDirectory(archive, "data/weights/",
                                  "data/weights/" + model + "_weights_config.json", order);
  program.constants = readDirectory(archive, "data/constants/",
                                    "data/constants/" + model + "_constants_config.json", order);
  for (const Weight &weight : program.weights)
    program.weightIndex.emplace(weight.fqn, program.weightIndex.size());
  for (const Weight &constant : program.constants)
    if (!program.weightIndex.emplace(constant.fqn, program.weightIndex.size()).second)
      throw Error("'" + archive.name() + "': '" + constant.fqn +
                  "' is both a weight and a constant");
  for (const InputSpec &spec : program.inputSpecs)
    if ((spec.kind == InputSpec::Kind::Parameter || spec.kind == InputSpec::Kind::Buffer ||
         spec.kind == InputSpec::Kind::TensorConstant) &&
        !program.findWeight(spec.target))
      throw Error("'" + archive.name() + "': the weight directories have no '" + spec.target +
                  "', which the graph reads" +
                  (archive.contains("data/weights/model.pt")
                       ? "; the archive was written by PyTorch 2.8 or earlier, export again"
                       : ""));

  // Views of one storage that differ are not one parameter: the whole window counts.
  auto key = [](const Weight &weight) {
    return std::tie(weight.record, weight.dtype, weight.storageOffset, weight.sizes,
                    weight.strides);
  };
  std::map<decltype(key(program.weights.front())), size_t> groups;
  std::vector<std::vector<std::string>> all;
  for (const Weight &weight : program.weights) {
    if (weight.empty)
      continue;
    auto [it, isNew] = groups.try_emplace(key(weight), all.size());
    if (isNew)
      all.emplace_back();
    all[it->second].push_back(weight.fqn);
  }
  for (std::vector<std::string> &group : all)
    if (group.size() > 1)
      program.ties.push_back(std::move(group));

  if (archive.contains("extra/regimen.json")) {
    program.marks = std::make_shared<const Json>(parseJson(archive, "extra/regimen.json"));
    const Json *version = find(*program.marks, "version");
    if (!version || *version != kMarkVersion)
      throw Error("'" + archive.name() + "', extra/regimen.json: version " +
                  (version ? version->dump() : "missing") + ", this program reads " +
                  std::to_string(kMarkVersion) +
                  "; export the model again with the regimen.export that came with this program");
  }
  return program;
}

const Weight *ExportedProgram::findWeight(const std::string &fqn) const {
  auto it = weightIndex.find(fqn);
  if (it == weightIndex.end())
    return nullptr;
  return it->second < weights.size() ? &weights[it->second]
                                     : &constants[it->second - weights.size()];
}

bool ExportedProgram::hasWeights() const {
  return std::none_of(weights.begin(), weights.end(), [](const Weight &weight) {
    return weight.empty &&
           std::find(weight.sizes.begin(), weight.sizes.end(), 0) == weight.sizes.end();
  });
}

std::span<const std::byte> ExportedProgram::record(const Archive &archive, const Weight &weight) {
  if (weight.usePickle)
    throw Error("'" + archive.name() + "': '" + weight.fqn +
                "' is a tensor subclass or an object that was saved with pickle; export the model "
                "with plain tensors");
  return archive.bytes(weight.record);
}

std::span<const std::byte> ExportedProgram::data(const Archive &archive, const Weight &weight) {
  std::span<const std::byte> whole = record(archive, weight);
  if (!weight.isContiguous())
    throw Error("'" + archive.name() + "': '" + weight.fqn + "' is not contiguous");
  // toWeight() has shown that the window lies in the record, so these products fit.
  uint64_t elements = 1;
  for (int64_t size : weight.sizes)
    elements *= static_cast<uint64_t>(size);
  if (weight.empty || elements == 0)
    return {};
  uint64_t width = elementBytes(weight.dtype);
  return whole.subspan(static_cast<uint64_t>(weight.storageOffset) * width, elements * width);
}
