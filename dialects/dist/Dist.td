//===- Dist.td - The dist dialect: where model states live -----*- tablegen -*-===//
//
// Meshes, buckets and the communication that sharding needs. A mesh names the axes of ranks; a bucket lays parameters
// end to end in one flat buffer, which is gathered, reduced and sharded as a whole. Gradients and optimizer states of a
// bucket have the same layout. Rank r's shard of a bucket is its r-th equal part.
//
//   dist.mesh @mesh [dp = 2]
//   dist.bucket @bucket0 parameters [@w, @b] offsets [0, 576] elements 1024 : f32 trainable zero 3
//   dist.segment @"w:segment" of @w in @bucket0 : tensor<512xf32>
//   train.program @micro_step_first ... {
//     %gather = dist.start all_gather @bucket0              // comm lane
//     dist.wait %gather
//     %w = train.read @w : tensor<18x32xf32>                // until the release
//     ...
//     dist.release @bucket0
//     train.write %dw, @"w:grad" : tensor<18x32xf32>        // local, until the reduction
//     %reduce = dist.start reduce_scatter @bucket0
//     dist.wait %reduce
//   }
//
//===----------------------------------------------------------------------===//

#ifndef REGIMEN_DIALECTS_DIST
#define REGIMEN_DIALECTS_DIST

include "dialects/dist/DistEnums.td"
include "dialects/train/Train.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Dist_Dialect : Dialect {
  let name = "dist";
  let cppNamespace = "::regimen::dist";
  let summary = "Meshes of ranks, buckets of model states, and collectives over them";
  let dependentDialects = ["::regimen::train::TrainDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

class Dist_Op<string mnemonic, list<Trait> traits = []> : Op<Dist_Dialect, mnemonic, traits>;

def Dist_MeshOp : Dist_Op<"mesh", [Symbol]> {
  let summary = "The named axes of ranks; the last axis varies fastest";
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$axes, DenseI64ArrayAttr:$sizes);
  let assemblyFormat = "$sym_name custom<MeshAxes>($axes, $sizes) attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Size of axis `axis`, 1 if the mesh lacks it.
    int64_t getAxisSize(::llvm::StringRef axis);
  }];
}

def Dist_BucketOp : Dist_Op<"bucket", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Parameters laid end to end in one flat buffer";
  let description = [{
    `offsets` and `elements` count elements of `element_type`. Every parameter starts at a multiple of 64 and `elements`,
    the padded length, is a multiple of 256 for every rank that holds a shard. Offsets ascend in the order of
    `parameters`, which is the order of first use. `zero` is the ZeRO stage of the bucket: from 1 on each rank holds its
    shard of the optimizer states only, from 2 on also of the gradients, at 3 also of the parameters. What lasts of the
    optimizer states of a `host_states` bucket, and of the sharded parameters of a `host_parameters` one, is in host
    memory.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypedArrayAttrBase<FlatSymbolRefAttr, "parameters">:$parameters,
                   DenseI64ArrayAttr:$offsets, I64Attr:$elements, TypeAttr:$element_type, UnitAttr:$trainable,
                   DefaultValuedAttr<I64Attr, "0">:$zero, UnitAttr:$host_states, UnitAttr:$host_parameters);
  let assemblyFormat = [{
    $sym_name `parameters` $parameters `offsets` $offsets `elements` $elements `:` $element_type
    (`trainable` $trainable^)? (`zero` $zero^)? (`host_states` $host_states^)? (`host_parameters` $host_parameters^)?
    attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Every parameter starts at a multiple of this many elements.
    static constexpr int64_t kParameterAlignment = 64;
    /// Every shard is a multiple of this many elements.
    static constexpr int64_t kShardAlignment = 256;
    bool shardsStates() { return getZero() >= 1; }
    bool shardsGradients() { return getZero() >= 2; }
    bool shardsParameters() { return getZero() >= 3; }
  }];
}

def Dist_SegmentOp : Dist_Op<"segment", [
    Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<Train_StorageOpInterface>]> {
  let summary = "The part of a model state that lies in a rank's shard of its bucket";
  let description = [{
    `storage` is a parameter of the bucket, its gradient or one of its states. The part is flat, and another one on every
    rank; the type is that of the largest, the smaller of the storage and the shard. Only elementwise ops compute on it.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$storage, FlatSymbolRefAttr:$bucket, TypeAttr:$type);
  let assemblyFormat = "$sym_name `of` $storage `in` $bucket `:` $type attr-dict";
  let extraClassDefinition = [{
    ::mlir::RankedTensorType $cppClass::getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
  }];
}

//===----------------------------------------------------------------------===//
// Communication
//===----------------------------------------------------------------------===//

def Dist_Pending : TypeDef<Dist_Dialect, "Pending"> {
  let mnemonic = "pending";
  let summary = "A collective that was started";
}

def Dist_CollectiveAttr : EnumAttr<Dist_Dialect, Dist_Collective, "collective"> {
  let assemblyFormat = "`` $value";
}

def Dist_StartOp : Dist_Op<"start", [MemoryEffects<[MemRead, MemWrite]>,
                                     DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Starts a collective over a bucket";
  let description = [{
    `all_gather` brings the parameters of a bucket together from the ranks' shards: where they are sharded, for
    train.read until the release, else in place. `reduce_scatter` and `all_reduce` take the mean over the ranks of the
    bucket's gradients as the program wrote them; after the first each rank has its shard. With `accumulate` the mean is
    added to the shard's gradients.
  }];
  let arguments = (ins Dist_CollectiveAttr:$collective, FlatSymbolRefAttr:$bucket, UnitAttr:$accumulate);
  let results = (outs Dist_Pending:$pending);
  let assemblyFormat = "$collective $bucket (`accumulate` $accumulate^)? attr-dict";
}

def Dist_WaitOp : Dist_Op<"wait", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Goes on when a collective is done";
  let arguments = (ins Dist_Pending:$pending);
  let assemblyFormat = "$pending attr-dict";
}

def Dist_ReleaseOp : Dist_Op<"release", [MemoryEffects<[MemRead, MemWrite]>,
                                         DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Gives up the gathered parameters of a bucket";
  let arguments = (ins FlatSymbolRefAttr:$bucket);
  let assemblyFormat = "$bucket attr-dict";
}

def Dist_SumOfSquaresOp : Dist_Op<"sum_of_squares", [Pure]> {
  let summary = "The exact sum of the squares of all elements, as limbs of a fixed-point number";
  let arguments = (ins Variadic<Train_Tensor>:$tensors);
  let results = (outs Train_Tensor:$result);
  let assemblyFormat = "$tensors attr-dict `:` functional-type($tensors, $result)";
}

def Dist_ShareOp : Dist_Op<"share", [Pure]> {
  let summary = "The values of all ranks, one a row";
  let arguments = (ins Train_Tensor:$value);
  let results = (outs Train_Tensor:$result);
  let assemblyFormat = "$value attr-dict `:` functional-type($value, $result)";
  let hasVerifier = 1;
}

def Dist_NormOfSquaresOp : Dist_Op<"norm_of_squares", [Pure]> {
  let summary = "The square root of sums of squares added up, rounded once";
  let arguments = (ins Train_Tensor:$sums);
  let results = (outs Train_Tensor:$result);
  let assemblyFormat = "$sums attr-dict `:` functional-type($sums, $result)";
}

//===----------------------------------------------------------------------===//
// Moves between the memories of device and host
//===----------------------------------------------------------------------===//

def Dist_SpaceAttr : EnumAttr<Dist_Dialect, Dist_Space, "space"> {
  let assemblyFormat = "`` $value";
}

def Dist_MoveOp : Dist_Op<"move", [Pure, SameOperandsAndResultType]> {
  let summary = "A value in the other memory";
  let description = [{
    It starts where it stands, on lane copy, behind what was started there before. What uses the result waits for it; the
    storage of the operand is in use until something waits. Every other op has all its tensors in one memory, and runs
    there.
  }];
  let arguments = (ins Train_Tensor:$value, Dist_SpaceAttr:$to);
  let results = (outs Train_Tensor:$result);
  let assemblyFormat = "$value `to` $to attr-dict `:` type($value)";
}

def Dist_MovedOp : Dist_Op<"moved", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Goes on when a move is done, so that the storage of what was moved is free";
  let arguments = (ins Train_Tensor:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
  let hasVerifier = 1;
}

#endif // REGIMEN_DIALECTS_DIST
