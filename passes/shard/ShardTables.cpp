//===- ShardTables.cpp - Buckets by what lies in them ---------------------===//
#include "passes/shard/ShardTables.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

ShardTables::ShardTables(ModuleOp module) {
  for (auto mesh : module.getOps<dist::MeshOp>())
    dp = mesh.getAxisSize("dp");
  for (auto bucket : module.getOps<dist::BucketOp>())
    for (auto name : bucket.getParameters().getAsRange<FlatSymbolRefAttr>()) {
      buckets[name.getValue()] = bucket;
      parameters.insert(name.getValue());
    }
  for (auto gradient : module.getOps<train::GradientOp>()) {
    dist::BucketOp bucket = buckets.lookup(gradient.getParameter());
    buckets[gradient.getSymName()] = bucket;
    gradients.insert(gradient.getSymName());
    reduced.insert(bucket);
  }
  for (auto state : module.getOps<train::StateOp>())
    buckets[state.getSymName()] = buckets.lookup(state.getParameter());
}
