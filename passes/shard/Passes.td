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
    Option<"layout", "layout", "std::string", "\"\"",
           "Names of the parameters of each bucket, in order, as a JSON list of lists; BucketLayout's choice if empty">,
  ];
}

def VerifyShardPass : Pass<"regimen-verify-shard", "::mlir::ModuleOp"> {
  let summary = "Prove that every parameter has one place";
  let description = [{
    There is one mesh; every parameter is in exactly one bucket; a bucket's length divides into the mesh's shards. That
    parameters fit and do not overlap in a bucket is the op's own verifier's.
  }];
}

#endif // REGIMEN_PASSES_SHARD
