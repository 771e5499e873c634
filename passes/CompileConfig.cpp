//===- CompileConfig.cpp - The compiler's options -------------------------===//
#include "passes/CompileConfig.h"

#include "formats/Error.h"
#include "formats/MappedFile.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

using nlohmann::json;

namespace regimen {
namespace {

/// A configuration is a page of text; what is larger or deeper is another file, or made to break.
constexpr size_t kMostBytes = 1 << 20;
constexpr int kDeepest = 16;

/// Parses JSON; nullopt where it is none. Throws Error for what is nested too deeply, which the
/// recursive functions of a JSON value would not survive.
std::optional<json> parse(std::string_view text, bool allowExceptions) {
  auto watch = [](int depth, json::parse_event_t, json &) {
    if (depth > kDeepest)
      throw Error("nested more than " + std::to_string(kDeepest) + " levels deep");
    return true;
  };
  json value = json::parse(text, watch, allowExceptions);
  return value.is_discarded() ? std::nullopt : std::optional(std::move(value));
}

/// A text for a message: what is longer than anything meaningful is cut.
std::string shown(std::string_view text) {
  constexpr size_t most = 200;
  return std::string(text.substr(0, most)) + (text.size() > most ? "..." : "");
}

/// Why a value does not fit; `Key::apply` adds which key and value.
[[noreturn]] void mismatch(const std::string &expected) { throw std::invalid_argument(expected); }

double number(const json &value, double low, double high = std::numeric_limits<double>::max()) {
  if (!value.is_number() || !(value.get<double>() >= low) || !(value.get<double>() <= high))
    mismatch(high == std::numeric_limits<double>::max()
                 ? "a number of at least " + json(low).dump()
                 : "a number from " + json(low).dump() + " to " + json(high).dump());
  return value.get<double>();
}

uint64_t integer(const json &value, uint64_t low, uint64_t high) {
  if (!value.is_number_integer() || (value.is_number_integer() && value.get<int64_t>() < 0) ||
      value.get<uint64_t>() < low || value.get<uint64_t>() > high)
    mismatch("an integer from " + std::to_string(low) + " to " + std::to_string(high));
  return value.get<uint64_t>();
}

/// A number of bytes, or text with a unit: "80GiB", "1.5 GB", "900000".
uint64_t byteSize(const json &value) {
  constexpr const char *expected =
      "null, auto, a number of bytes, or one with a unit such as \"80GiB\"";
  constexpr double most = 9e18;
  if (value.is_number_integer())
    return integer(value, 1, static_cast<uint64_t>(most));
  if (!value.is_string())
    mismatch(expected);
  const auto &text = value.get_ref<const std::string &>();
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(static_cast<const char *>(end), text.data() + text.size());
  unit.erase(0, unit.find_first_not_of(' ') == std::string::npos ? unit.size()
                                                                 : unit.find_first_not_of(' '));
  static constexpr std::array<std::pair<const char *, double>, 10> units = {
      {{"", 1},
       {"B", 1},
       {"KB", 1e3},
       {"MB", 1e6},
       {"GB", 1e9},
       {"TB", 1e12},
       {"KiB", 1024},
       {"MiB", 1048576},
       {"GiB", 1073741824},
       {"TiB", 1099511627776}}};
  auto known = std::find_if(units.begin(), units.end(),
                            [&](const auto &entry) { return unit == entry.first; });
  if (error != std::errc() || known == units.end() || !(number * known->second >= 1) ||
      number * known->second > most)
    mismatch(expected);
  return static_cast<uint64_t>(number * known->second);
}

bool boolean(const json &value) {
  if (!value.is_boolean())
    mismatch("true or false");
  return value.get<bool>();
}

std::string choice(const json &value, std::initializer_list<const char *> names) {
  std::string all;
  for (const char *name : names) {
    if (value.is_string() && value.get<std::string>() == name)
      return name;
    all += (all.empty() ? "" : ", ") + std::string(name);
  }
  mismatch("one of " + all);
}

std::vector<std::string> globs(const json &value) {
  if (value.is_string())
    return {value.get<std::string>()};
  if (!value.is_array() ||
      !std::all_of(value.begin(), value.end(), [](const json &item) { return item.is_string(); }))
    mismatch("a list of globs over parameter names");
  return value.get<std::vector<std::string>>();
}

std::vector<OptimizerConfig::Group> groups(const json &value) {
  constexpr const char *expected =
      R"(a list of objects like {"params": ["*.bias"], "lr": 1e-4, "weight_decay": 0})";
  if (!value.is_array())
    mismatch(expected);
  std::vector<OptimizerConfig::Group> result;
  for (const json &item : value) {
    if (!item.is_object() || !item.contains("params"))
      mismatch(expected);
    OptimizerConfig::Group &group = result.emplace_back();
    for (const auto &[name, field] : item.items()) {
      if (name == "params")
        group.params = globs(field);
      else if (name == "lr")
        group.lr = number(field, 0.0);
      else if (name == "weight_decay")
        group.weightDecay = number(field, 0.0);
      else
        mismatch(std::string(expected) + ", without '" + name + "'");
    }
  }
  return result;
}

std::vector<std::string> names(const json &value, const char *expected) {
  if (!value.is_array() ||
      !std::all_of(value.begin(), value.end(), [](const json &item) { return item.is_string(); }))
    mismatch(expected);
  return value.get<std::vector<std::string>>();
}

/// Indices that ascend.
std::vector<int64_t> indices(const json &value) {
  constexpr const char *expected = "ascending indices";
  if (!value.is_array())
    mismatch(expected);
  std::vector<int64_t> result;
  for (const json &item : value) {
    int64_t index = int64_t(integer(item, 0, 1 << 20));
    if (!result.empty() && index <= result.back())
      mismatch(expected);
    result.push_back(index);
  }
  return result;
}

std::vector<BackwardConfig> backwards(const json &value) {
  constexpr const char *expected =
      R"(a list of objects like {"outputs": [0], "inputs": [], "parameters": true, "gradients": "first", "retain": false, "local": false})";
  if (!value.is_array())
    mismatch(expected);
  std::vector<BackwardConfig> result;
  for (const json &item : value) {
    if (!item.is_object() || !item.contains("outputs"))
      mismatch(expected);
    BackwardConfig &variant = result.emplace_back();
    for (const auto &[name, field] : item.items()) {
      if (name == "outputs")
        variant.outputs = indices(field);
      else if (name == "inputs")
        variant.inputs = indices(field);
      else if (name == "parameters" && field.is_array())
        variant.parameters = names(field, expected);
      else if (name == "parameters" && field != json(true))
        mismatch(expected);
      else if (name == "gradients")
        variant.gradients =
            std::map<std::string, BackwardConfig::Gradients>{
                {"first", BackwardConfig::Gradients::First},
                {"later", BackwardConfig::Gradients::Later},
                {"returned", BackwardConfig::Gradients::Returned}}
                .at(choice(field, {"first", "later", "returned"}));
      else if (name == "retain")
        variant.retain = boolean(field);
      else if (name == "local")
        variant.local = boolean(field);
      else if (name != "parameters")
        mismatch(std::string(expected) + ", without '" + name + "'");
    }
    if (variant.local && variant.gradients == BackwardConfig::Gradients::Returned)
      mismatch(
          R"("local" only with "gradients" first or later: what is returned is never reduced)");
  }
  return result;
}

/// Whether what a key of memory.offload is about goes to host memory.
bool toHost(const json &value) {
  if (value != "none" && value != "cpu")
    mismatch("none or cpu; nvme is not built yet");
  return value == "cpu";
}

/// One key of the configuration reference.
struct Key {
  json defaultValue;
  /// Stores a value; null for a key whose feature is not built, which takes its default only.
  std::function<void(CompileConfig &, const json &)> store;
};

std::map<std::string, Key, std::less<>> makeKeys() {
  using C = CompileConfig;
  constexpr uint64_t many = std::numeric_limits<int64_t>::max();
  std::map<std::string, Key, std::less<>> keys;
  keys["optimizer.type"] = {
      "adamw", [](C &c, const json &v) { c.optimizer.type = choice(v, {"adamw", "sgd", "none"}); }};
  keys["optimizer.lr"] = {1e-3, [](C &c, const json &v) { c.optimizer.lr = number(v, 0.0); }};
  keys["optimizer.weight_decay"] = {nullptr, [](C &c, const json &v) {
                                      if (!v.is_null())
                                        c.optimizer.weightDecay = number(v, 0.0);
                                    }};
  keys["optimizer.betas"] = {{0.9, 0.999}, [](C &c, const json &v) {
                               if (!v.is_array() || v.size() != 2)
                                 mismatch("a pair of numbers in [0, 1)");
                               c.optimizer.beta1 = number(v[0], 0.0, std::nextafter(1.0, 0.0));
                               c.optimizer.beta2 = number(v[1], 0.0, std::nextafter(1.0, 0.0));
                             }};
  keys["optimizer.eps"] = {1e-8, [](C &c, const json &v) { c.optimizer.eps = number(v, 0.0); }};
  keys["optimizer.momentum"] = {0.0,
                                [](C &c, const json &v) { c.optimizer.momentum = number(v, 0.0); }};
  keys["optimizer.nesterov"] = {false,
                                [](C &c, const json &v) { c.optimizer.nesterov = boolean(v); }};
  keys["optimizer.no_decay"] = {json::array(),
                                [](C &c, const json &v) { c.optimizer.noDecay = globs(v); }};
  keys["optimizer.groups"] = {json::array(),
                              [](C &c, const json &v) { c.optimizer.groups = groups(v); }};
  keys["optimizer.schedule.type"] = {"constant", [](C &c, const json &v) {
                                       c.schedule.type =
                                           choice(v, {"constant", "linear", "cosine"});
                                     }};
  keys["optimizer.schedule.warmup_steps"] = {
      0, [](C &c, const json &v) { c.schedule.warmupSteps = integer(v, 0, many); }};
  keys["optimizer.schedule.total_steps"] = {
      0, [](C &c, const json &v) { c.schedule.totalSteps = integer(v, 0, many); }};
  keys["optimizer.schedule.min_lr"] = {
      0.0, [](C &c, const json &v) { c.schedule.minLr = number(v, 0.0); }};
  keys["mesh.dp"] = {1, [](C &c, const json &v) { c.dp = integer(v, 1, 1 << 16); }};
  keys["zero.stage"] = {0, [](C &c, const json &v) { c.zero.stage = integer(v, 0, 3); }};
  keys["zero.bucket_bytes"] = {
      25 << 20, [](C &c, const json &v) { c.zero.bucketBytes = integer(v, 1, many); }};
  keys["zero.overlap"] = {true, [](C &c, const json &v) { c.zero.overlap = boolean(v); }};
  keys["zero.prefetch_bytes"] = {"auto", [](C &c, const json &v) {
                                   c.zero.prefetchBytes.reset();
                                   if (v != "auto")
                                     c.zero.prefetchBytes = integer(v, 0, many);
                                 }};
  keys["zero.persist_bytes"] = {
      0, [](C &c, const json &v) { c.zero.persistBytes = integer(v, 0, many); }};
  keys["comm.reduction"] = {"ordered", [](C &c, const json &v) {
                              c.ringReduction = choice(v, {"ordered", "ring"}) == "ring";
                            }};
  keys["clip_grad_norm"] = {nullptr, [](C &c, const json &v) {
                              if (v.is_null())
                                c.clipGradNorm.reset();
                              else
                                c.clipGradNorm = number(v, std::numeric_limits<double>::min());
                            }};
  keys["accumulate"] = {1, [](C &c, const json &v) { c.accumulate = integer(v, 1, 1 << 20); }};
  keys["loss"] = {0, [](C &c, const json &v) {
                    if (v.is_string())
                      c.loss = v.get<std::string>();
                    else
                      c.loss = int64_t(integer(v, 0, 1 << 20));
                  }};
  keys["fuse.enable"] = {true, [](C &c, const json &v) { c.fuse = boolean(v); }};
  keys["target.arch"] = {"native",
                         [](C &c, const json &v) { c.target.arch = choice(v, {"native"}); }};
  keys["target.threads"] = {1, [](C &c, const json &v) { c.target.threads = integer(v, 1, 4096); }};
  keys["driver"] = {"run", [](C &c, const json &v) {
                      c.driver = std::map<std::string, Driver>{{"run", Driver::Run},
                                                               {"python", Driver::Python},
                                                               {"both", Driver::Both}}
                                     .at(choice(v, {"run", "python", "both"}));
                    }};
  keys["evaluation"] = {false, [](C &c, const json &v) { c.evaluation = boolean(v); }};
  keys["backward"] = {nullptr, [](C &c, const json &v) {
                        c.backward.reset();
                        if (!v.is_null())
                          c.backward = backwards(v);
                      }};
  keys["update"] = {nullptr, [](C &c, const json &v) {
                      c.update.reset();
                      if (!v.is_null())
                        c.update = names(v, "a list of parameter names");
                    }};
  keys["layout"] = {nullptr, [](C &c, const json &v) {
                      constexpr const char *expected = "a list of lists of parameter names";
                      c.layout.reset();
                      if (v.is_null())
                        return;
                      if (!v.is_array())
                        mismatch(expected);
                      c.layout.emplace();
                      for (const json &bucket : v)
                        c.layout->push_back(names(bucket, expected));
                    }};
  keys["memory.frames"] = {"auto", [](C &c, const json &v) {
                             c.frames.reset();
                             if (v != "auto")
                               c.frames = uint32_t(integer(v, 1, 1 << 20));
                           }};
  keys["memory.limit"] = {nullptr, [](C &c, const json &v) {
                            c.memory.limit.reset();
                            c.memory.limitIsMachines = v == "auto";
                            if (!v.is_null() && v != "auto")
                              c.memory.limit = byteSize(v);
                          }};
  keys["memory.remat"] = {"none", [](C &c, const json &v) {
                            if (v.is_number()) {
                              c.memory.remat = Remat::Steps;
                              c.memory.rematSteps = integer(v, 0, 1 << 20);
                              return;
                            }
                            c.memory.remat = std::map<std::string, Remat>{
                                {"none", Remat::None},
                                {"auto", Remat::Auto},
                                {"layers", Remat::Layers},
                                {"full",
                                 Remat::Full}}.at(choice(v, {"none", "auto", "layers", "full"}));
                          }};
  keys["memory.offload.optimizer"] = {
      "none", [](C &c, const json &v) { c.memory.offloadOptimizer = toHost(v); }};
  keys["memory.offload.params"] = {
      "none", [](C &c, const json &v) { c.memory.offloadParameters = toHost(v); }};
  keys["memory.offload.activations"] = {
      "none", [](C &c, const json &v) { c.memory.offloadActivations = toHost(v); }};
  // Known, and built with later releases.
  keys["mesh.tp"] = keys["mesh.sp"] = {1, {}};
  keys["precision.autocast"] = keys["precision.loss_scale"] = {"none", {}};
  keys["precision.params"] = keys["precision.grads"] =
      keys["precision.optimizer_states"] = {"fp32", {}};
  keys["precision.master_weights"] = keys["precision.rounding"] = {"auto", {}};
  keys["memory.nvme_path"] = {nullptr, {}};
  keys["target.device"] = {"cpu", {}};
  return keys;
}

const std::map<std::string, Key, std::less<>> &keyTable() {
  static const std::map<std::string, Key, std::less<>> keys = makeKeys();
  return keys;
}

/// Levenshtein distance.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view key) {
  const auto &keys = keyTable();
  return std::min_element(keys.begin(), keys.end(),
                          [&](const auto &x, const auto &y) {
                            return distance(key, x.first) < distance(key, y.first);
                          })
      ->first;
}

} // namespace

void CompileConfig::set(std::string_view key, const json &value) {
  const auto &keys = keyTable();
  auto it = keys.find(key);
  if (it == keys.end())
    throw Error("unknown configuration key '" + shown(key) + "'; the nearest known one is '" +
                nearest(shown(key)) + "'");
  if (!it->second.store) {
    if (value != it->second.defaultValue)
      throw Error("configuration key '" + std::string(key) + "' = " + shown(value.dump()) +
                  ": this feature is not built yet; the only value is " +
                  it->second.defaultValue.dump());
    return;
  }
  try {
    it->second.store(*this, value);
  } catch (const std::invalid_argument &expected) {
    throw Error("configuration key '" + std::string(key) + "' = " + shown(value.dump()) +
                ": expected " + expected.what());
  }
  auto old = std::find_if(assigned.begin(), assigned.end(),
                          [&](const auto &pair) { return pair.first == key; });
  if (old != assigned.end())
    old->second = value.dump();
  else
    assigned.emplace_back(key, value.dump());
  bool decayGiven = std::any_of(assigned.begin(), assigned.end(), [](const auto &pair) {
    return pair.first == "optimizer.weight_decay" && pair.second != "null";
  });
  if (key == "optimizer.type" && !decayGiven)
    optimizer.weightDecay = optimizer.type == "sgd" ? 0.0 : 1e-2;
}

void CompileConfig::merge(const json &object) {
  if (!object.is_object())
    throw Error("a configuration is a JSON object, not " + std::string(object.type_name()));
  std::function<void(const std::string &, const json &)> walk = [&](const std::string &prefix,
                                                                    const json &node) {
    for (const auto &[name, value] : node.items()) {
      std::string key = prefix.empty() ? name : prefix + "." + name;
      if (value.is_object())
        walk(key, value);
      else
        set(key, value);
    }
  };
  walk("", object);
}

void CompileConfig::mergeText(std::string_view text) {
  try {
    if (text.size() > kMostBytes)
      throw Error("a configuration has at most " + std::to_string(kMostBytes) +
                  " bytes, this has more");
    merge(*parse(text, /*allowExceptions=*/true));
  } catch (const json::exception &error) {
    throw Error(error.what());
  }
}

void CompileConfig::mergeFile(const std::string &path) {
  MappedFile file = MappedFile::open(path);
  try {
    mergeText({reinterpret_cast<const char *>(file.bytes().data()), file.bytes().size()});
  } catch (const Error &error) {
    throw Error(path + ": " + error.what());
  }
}

void CompileConfig::setAssignment(std::string_view assignment) {
  size_t equals = assignment.find('=');
  if (equals == std::string_view::npos)
    throw Error("--set " + shown(assignment) + ": expected key=value");
  std::string_view key = assignment.substr(0, equals), text = assignment.substr(equals + 1);
  try {
    json value = parse(text, /*allowExceptions=*/false).value_or(json(text));
    if (value.is_string())
      (void)value.dump(); // throws where a bare string is not UTF-8
    set(key, value);
  } catch (const json::exception &) {
    throw Error("--set " + shown(key) + ": the value is not UTF-8");
  }
}

void CompileConfig::validate() const {
  if (optimizer.nesterov && !(optimizer.type == "sgd" && optimizer.momentum > 0))
    throw Error("optimizer.nesterov needs optimizer.type=sgd and optimizer.momentum above 0");
  // A value that the optimizer does not read would be lost in silence.
  for (const auto &[key, type] :
       {std::pair{"optimizer.betas", "adamw"}, std::pair{"optimizer.eps", "adamw"},
        std::pair{"optimizer.momentum", "sgd"}})
    for (const auto &[name, value] : assigned)
      if (name == key && optimizer.type != "none" && optimizer.type != type &&
          json::parse(value) != keyTable().at(key).defaultValue)
        throw Error(std::string(key) + " is of optimizer.type=" + type +
                    "; this configuration has " + optimizer.type);
  if (memory.offloadParameters && !(zero.stage == 3 && dp > 1))
    throw Error(
        "memory.offload.params needs zero.stage=3 on several ranks (mesh.dp): gathers are what "
        "brings parameters from the host");
  if ((memory.offloadOptimizer || memory.offloadParameters || memory.offloadActivations) &&
      driver != Driver::Run)
    throw Error(
        "memory.offload needs driver=run: for programs that a caller drives it is not built "
        "yet");
  if (optimizer.type == "none" && driver != Driver::Python)
    throw Error("optimizer.type=none needs driver=python: regimen-run has nothing to do without an "
                "optimizer");
  if (evaluation && !isDriven())
    throw Error("evaluation=true adds a program that regimen-run runs: it needs driver=run or "
                "driver=both; with driver=python the plan's inference program evaluates");
  if (driver == Driver::Run && (backward || update || layout || frames))
    throw Error("the keys backward, update, layout and memory.frames are of suspended programs: "
                "they need driver=python or driver=both");
  if (backward && backward->empty() && !(driver == Driver::Python && layout))
    throw Error("backward=[] leaves the update alone, which needs driver=python and the layout of "
                "an earlier compilation");
  if (schedule.type != "constant" && schedule.totalSteps <= schedule.warmupSteps)
    throw Error("optimizer.schedule.type=" + schedule.type +
                " needs optimizer.schedule.total_steps above " + "warmup_steps, " +
                std::to_string(schedule.warmupSteps));
}

std::string CompileConfig::canonical() const {
  json object = json::object();
  for (const auto &[name, key] : keyTable())
    object[name] = key.defaultValue;
  object["optimizer.weight_decay"] = optimizer.weightDecay;
  for (const auto &[name, value] : assigned)
    if (name != "optimizer.weight_decay")
      object[name] = json::parse(value);
  return object.dump();
}

} // namespace regimen
