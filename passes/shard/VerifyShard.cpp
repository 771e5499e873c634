//===- VerifyShard.cpp - Prove that every parameter has one place ---------===//
#include "dialects/train/TrainDialect.h"
#include "passes/shard/Passes.h"

using namespace mlir;

namespace regimen::passes {
#define GEN_PASS_DEF_VERIFYSHARDPASS
#include "passes/shard/Passes.h.inc"

namespace {

struct VerifyShardPass : impl::VerifyShardPassBase<VerifyShardPass> {
  void runOnOperation() override {
    if (failed(verify(getOperation())))
      signalPassFailure();
  }

  static LogicalResult verify(ModuleOp module) {
    auto meshes = llvm::to_vector(module.getOps<dist::MeshOp>());
    if (meshes.size() != 1)
      return module.emitError() << "has " << meshes.size() << " meshes after shard, needs one";
    int64_t ranks = meshes.front().getAxisSize("dp");

    llvm::StringMap<dist::BucketOp> placed;
    for (auto bucket : module.getOps<dist::BucketOp>()) {
      if (bucket.getElements() % (dist::BucketOp::kShardAlignment * ranks))
        return bucket.emitOpError()
               << "has " << bucket.getElements() << " elements, which do not divide into " << ranks
               << " shards of a multiple of " << dist::BucketOp::kShardAlignment;
      for (auto name : bucket.getParameters().getAsRange<FlatSymbolRefAttr>()) {
        auto [it, isNew] = placed.try_emplace(name.getValue(), bucket);
        if (isNew)
          continue;
        auto error = bucket.emitOpError() << "holds " << name << ", which another bucket holds";
        error.attachNote(it->second.getLoc()) << "the other bucket";
        return error;
      }
    }
    for (auto parameter : module.getOps<train::ParameterOp>())
      if (!placed.contains(parameter.getSymName()))
        return parameter.emitOpError() << "is in no bucket";
    return success();
  }
};

} // namespace
} // namespace regimen::passes
