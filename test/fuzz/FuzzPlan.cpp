//===- FuzzPlan.cpp - Any bytes as a plan file -----------------------------===//
//
// What the validator accepts must also survive the reports and come back from its own bytes.
//
//===----------------------------------------------------------------------===//

#include "formats/Error.h"
#include "formats/plan/Plan.h"

#include <cstdlib>

using namespace regimen;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try {
    plan::fb::PlanT plan = plan::parse(std::as_bytes(std::span(data, size)), "input");
    if (!plan::validate(plan).empty())
      return 0;
    plan::print(plan);
    plan::memory(plan);
    std::vector<std::byte> bytes = plan::serialize(plan);
    if (plan::serialize(plan::parse(bytes, "copy")) != bytes)
      std::abort();
  } catch (const Error &) {
  }
  return 0;
}
