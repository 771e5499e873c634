//===- Json.h - Checked access to parsed JSON (internal) --------*- C++ -*-===//
#ifndef REGIMEN_FORMATS_PT2_JSON_H
#define REGIMEN_FORMATS_PT2_JSON_H

#include "formats/pt2/ExportedProgram.h"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace regimen::pt2 {

using Json = nlohmann::json;

/// Member of an object; null when absent, JSON null, or `object` is no object.
const Json *find(const Json &object, const char *key);
/// Member of an object; throws Error when find() gives null.
const Json &get(const Json &object, const char *key);
/// The one non-null member of a union like {"as_int": 3}; throws Error if there is none.
std::pair<const std::string &, const Json &> unionMember(const Json &object);

// Values of the wanted type; throw Error that shows what was there instead.
int64_t toInt(const Json &value);
double toDouble(const Json &value); // also "Infinity", "-Infinity" and "NaN"
bool toBool(const Json &value);
const std::string &toString(const Json &value);
const Json &toArray(const Json &value);
const Json &toObject(const Json &value);

std::string stringOr(const Json &object, const char *key, const std::string &fallback);
bool boolOr(const Json &object, const char *key, bool fallback);

DType toDType(const Json &value);
Device toDevice(const Json &value);
/// {"as_int": n} or {"as_expr": {"expr_str": ...}}.
Expr toSize(const Json &value);
TensorMeta toTensorMeta(const Json &value);
/// `depth` counts graphs inside of arguments.
Argument toArgument(const Json &value, unsigned depth);
Graph toGraph(const Json &value, unsigned depth);

/// Runs `body`; an Error leaves with `where` in front of its message.
template <typename Body> auto within(const std::string &where, Body &&body) -> decltype(body());

} // namespace regimen::pt2

#include "formats/Error.h"

template <typename Body>
auto regimen::pt2::within(const std::string &where, Body &&body) -> decltype(body()) {
  try {
    return body();
  } catch (const Error &error) {
    throw Error(where + ": " + error.what());
  }
}

#endif // REGIMEN_FORMATS_PT2_JSON_H
