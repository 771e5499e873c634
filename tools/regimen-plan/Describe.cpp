//===- Describe.cpp - Bytes and places in words ----------------------------===//
#include "tools/regimen-plan/Describe.h"

#include <cstdio>
#include <iterator>

using namespace regimen;
using namespace regimen::plan;

std::string regimen::plan::sizeText(uint64_t bytes) {
  static constexpr const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
  return text;
}

std::string regimen::plan::makerText(const fb::LocationT &location) {
  std::string text = location.op;
  if (!location.layer.empty())
    text += (text.empty() ? "" : " in ") + location.layer;
  return text;
}

std::string regimen::plan::sourceText(const fb::LocationT &location) {
  return location.file.empty() ? "" : location.file + ":" + std::to_string(location.line);
}

const fb::LocationT &regimen::plan::origin(const fb::PlanT &plan, const fb::BufferT &buffer) {
  return *plan.locations[plan.programs[buffer.program]->instructions[buffer.first]->location];
}
