//===- MutationTest.cpp - Broken bytes are errors, never crashes -----------===//
//
// The fuzzers' property on a fixed walk, so that every run of the tests covers it: change bytes of
// valid files, and reading gives a value or an Error. Sanitizer builds see what goes wrong
// silently.
//
//===----------------------------------------------------------------------===//

#include "formats/Error.h"
#include "formats/pt2/ExportedProgram.h"
#include "formats/safetensors/Safetensors.h"
#include "test/formats/Samples.h"

#include <gtest/gtest.h>

using namespace regimen;
using namespace regimen::samples;

/// Feeds every single-bit and all-ones change, and truncations; counts how many are still accepted.
template <typename Read> static size_t walk(const Bytes &original, Read read) {
  size_t accepted = 0;
  auto attempt = [&](const Bytes &bytes) {
    try {
      read(bytes);
      ++accepted;
    } catch (const Error &error) {
      EXPECT_NE(std::string(error.what()), "");
    }
  };
  Bytes bytes = original;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (std::byte change : {std::byte{1}, std::byte{0x80}, ~original[i]}) {
      bytes[i] = original[i] ^ change;
      attempt(bytes);
    }
    bytes[i] = original[i];
  }
  for (size_t size = 0; size < original.size(); size += 7)
    attempt(Bytes(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(size)));
  return accepted;
}

TEST(Mutation, OfArchives) {
  size_t accepted = walk(archiveBytes(), [](const Bytes &bytes) {
    pt2::Archive archive = pt2::Archive::fromBytes(bytes, "x");
    pt2::ExportedProgram program = pt2::ExportedProgram::load(archive);
    for (const pt2::Weight &weight : program.weights)
      pt2::ExportedProgram::data(archive, weight);
  });
  // Timestamps, padding and local headers' copies may change without harm; contents may not.
  EXPECT_LT(accepted, archiveBytes().size());
}

TEST(Mutation, OfModelJson) {
  // The CRC hides the JSON from the walk above, so here it is made anew.
  auto entries = pt2Entries();
  std::string &model = entries[6].second;
  std::string original = model;
  for (size_t i = 0; i < original.size(); i += 3) {
    model[i] = static_cast<char>(original[i] ^ 0x11);
    Bytes bytes = zip(entries);
    try {
      pt2::ExportedProgram::load(pt2::Archive::fromBytes(bytes, "x"));
    } catch (const Error &) {
    }
    model[i] = original[i];
  }
}

TEST(Mutation, OfSafetensors) {
  walk(samples::safetensorsBytes(),
       [](const Bytes &bytes) { safetensors::File::fromBytes(bytes, "x"); });
}

TEST(Mutation, OfPlans) {
  walk(plan::serialize(samples::samplePlan()), [](const Bytes &bytes) {
    plan::fb::PlanT plan = plan::parse(bytes, "x");
    // What the validator accepts, the reports must survive.
    if (plan::validate(plan).empty()) {
      plan::print(plan);
      plan::memory(plan);
    }
  });
}
