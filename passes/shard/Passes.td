//===- Passes.td - Passes of the stage shard ------------------*- tablegen -*-===//

#ifndef REGIMEN_PASSES_SHARD
#define REGIMEN_PASSES_SHARD

include "mlir/Pass/PassBase.td"

def FormBucketsPass : Pass<"regimen-form-buckets", "::mlir::ModuleOp"> {
  let summary = "Lay parameters out in flat buckets";
  let description = [{
    Writes one `dist.mesh` and the `dist.bucket` ops that BucketLayout chooses.

    Input:
    ```mlir
    train.parameter @w : tensor<10x10xf32> trainable
    train.parameter @b : tensor<10xf32> trainable
    ```
    Output:
    ```mlir
    dist.mesh @mesh [dp = 1]
    dist.bucket @bucket0 parameters [@w, @b] offsets [0, 128] elements 256 : f32 trainable
    ```
  }];
  let dependentDialects = ["::regimen::dist::DistDialect"];
  let options = [
    Option<"bucketBytes", "bucket-bytes", "uint64_t", "26214400", "Largest bucket of several parameters, in bytes">,
    Option<"dp", "dp", "int64_t", "1", "Data-parallel ranks">,
    Option<"zeroStage", "zero-stage", "int64_t", "0", "What is sharded over the ranks: ZeRO stage 0 to 3">,
    Option<"persistBytes", "persist-bytes", "uint64_t", "0", "Parameters smaller than this stay whole at stage 3">,
    Option<"layout", "layout", "std::string", "\"\"",
           "Names of the parameters of each bucket, in order, as a JSON list of lists; BucketLayout's choice if empty">,
  ];
}

def ReduceGradientsPass : Pass<"regimen-reduce-gradients", "::mlir::ModuleOp"> {
  let summary = "Take the mean of gradients over the ranks";
  let description = [{
    A bucket is reduced where the last of its gradients is written: at stage 0 by all_reduce, from stage 1 on by
    reduce_scatter. Stages 0 and 1 reduce once a step, in the micro-step that contributes last, which is a program of its
    own where there are several; stages 2 and 3 in every micro-step, later ones adding to the shard, so that what a
    micro-step writes are its own contributions alone.

    A backward that a caller drives may be the last one. So stages 0 and 1 reduce in each, first or later, unless the
    variant is `local`; a later one adds to what is there, and reduces the sum. Stages 2 and 3 reduce in each, `local` or
    not: the first one's contributions become the shard; a later one's, with zeros for the bucket's other gradients, are
    added to it, and what has no gradient yet must hold zeros there. A bucket to which a backward contributes nothing is
    not reduced, and gradients that are returned are the rank's own.

    ```mlir
    train.write %dw, @"w:grad" : tensor<4x2xf32>
    // becomes
    train.write %dw, @"w:grad" : tensor<4x2xf32>
    %reduce = dist.start reduce_scatter @bucket0
    dist.wait %reduce
    ```
  }];
  let dependentDialects = ["::regimen::aten::AtenDialect", "::regimen::dist::DistDialect"];
}

def GatherParametersPass : Pass<"regimen-gather-parameters", "::mlir::ModuleOp"> {
  let summary = "Gather sharded parameters around their uses";
  let description = [{
    At stage 3. A bucket is gathered before the first use of its parameters in the forward and released after the last,
    and again in the backward; views of parameters are remade there. Each segment of a suspended micro-step gathers for
    itself.

    ```mlir
    %w = train.read @w : tensor<4x2xf32>
    %y = aten.mm(%x, %w) : ...
    // becomes
    %gather = dist.start all_gather @bucket0
    dist.wait %gather
    %w = train.read @w : tensor<4x2xf32>
    %y = aten.mm(%x, %w) : ...
    dist.release @bucket0
    ```
  }];
  let dependentDialects = ["::regimen::dist::DistDialect"];
}

def ShardUpdatePass : Pass<"regimen-shard-update", "::mlir::ModuleOp"> {
  let summary = "Let every rank update its shards";
  let description = [{
    From stage 1 on. The update's elementwise ops compute on segments; the global norm is merged over the ranks;
    parameters that every rank holds whole are gathered when the last of their bucket is written.

    ```mlir
    %p = train.read @w : tensor<4x2xf32>
    %q = aten.sub.Tensor(%p, %g) : ...
    train.write %q, @w : tensor<4x2xf32>
    // becomes
    %p = train.read @"w:segment" : tensor<8xf32>
    %q = aten.sub.Tensor(%p, %g) : ...
    train.write %q, @"w:segment" : tensor<8xf32>
    %gather = dist.start all_gather @bucket0
    dist.wait %gather
    ```
  }];
  let dependentDialects = ["::regimen::dist::DistDialect"];
}

def VerifyShardPass : Pass<"regimen-verify-shard", "::mlir::ModuleOp"> {
  let summary = "Prove placement, reductions and gathers";
  let description = [{
    1. There is one mesh; every parameter is in exactly one bucket; a bucket's length divides into the mesh's shards.
    2. Sharded parameters are read, and what is read of them used, only between the end of a gather and the one release
       of it; every collective is waited for once, in its own program.
    3. Each gradient is reduced once by every micro-step that has to, after it was written and never touched again. What
       is added to a shard was written for every gradient of the bucket.
    4. The update touches of a sharded state its segments alone, and gathers what every rank holds whole once, after the
       last write.
    5. The bytes that a step sends are the closed form of each bucket's stage.
    That parameters fit and do not overlap in a bucket is the op's own verifier's.
  }];
}

#endif // REGIMEN_PASSES_SHARD
