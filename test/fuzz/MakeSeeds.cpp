//===- MakeSeeds.cpp - Writes a seed corpus for each fuzzer ----------------===//

#include "test/formats/Samples.h"

#include <cstdio>
#include <exception>

using namespace regimen;
using namespace regimen::samples;

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make-seeds FOLDER\n");
    return 2;
  }
  try {
    std::filesystem::path folder = argv[1];
    auto seed = [&](const char *reader, const char *name, const Bytes &bytes) {
      std::filesystem::create_directories(folder / reader);
      writeFile(folder / reader / name, bytes);
    };
    seed("pt2", "archive", archiveBytes());
    seed("pt2", "zip64", zip(pt2Entries(), {true, false, "comment"}));
    seed("pt2", "model.json", toBytes(pt2Entries()[6].second));
    seed("safetensors", "sample", safetensorsBytes());
    seed("plan", "sample", plan::serialize(samplePlan()));
    seed("expr", "srepr",
         toBytes("Add(Mul(Integer(2), Symbol('s72', positive=True, integer=True)), Integer(-1))"));
    seed("expr", "infix", toBytes("Max(2, 8*s0 - (s1 + 1)//3 % 4**2, FloorDiv(s0, Mod(s1, 5)))"));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "make-seeds: %s\n", error.what());
    return 1;
  }
  return 0;
}
