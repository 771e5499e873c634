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
    seed("config", "nested", toBytes(R"({{"accumulate": 2, "optimizer": {"type": "sgd", "lr": 1e-2,
      "momentum": 0.9, "nesterov": true, "no_decay": ["*.bias"],
      "groups": [{"params": ["a.*"], "lr": 0.1, "weight_decay": 0}],
      "schedule": {"type": "linear", "warmup_steps": 3, "total_steps": 9, "min_lr": 1e-5}}})"));
    seed("config", "dotted", toBytes(R"({{"optimizer.betas": [0.9, 0.95], "clip_grad_norm": null,
      "loss": "out", "fuse.enable": false, "mesh.dp": 1, "zero.bucket_bytes": 1048576})"));
    seed("config", "assignment", toBytes("=optimizer.type=adamw"));
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
