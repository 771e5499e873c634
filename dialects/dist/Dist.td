//===- Dist.td - The dist dialect: where model states live -----*- tablegen -*-===//
//
// Meshes and buckets. A mesh names the axes of ranks; a bucket lays parameters end to end in one flat buffer, which is
// gathered, reduced and sharded as a whole. Gradients and optimizer states of a bucket have the same layout.
//
//   dist.mesh @mesh [dp = 1]
//   dist.bucket @bucket0 parameters [@"fc1.weight", @"fc1.bias"] offsets [0, 576] elements 768 : f32 trainable
//
//===----------------------------------------------------------------------===//

#ifndef REGIMEN_DIALECTS_DIST
#define REGIMEN_DIALECTS_DIST

include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"

def Dist_Dialect : Dialect {
  let name = "dist";
  let cppNamespace = "::regimen::dist";
  let summary = "Meshes of ranks and buckets of model states";
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
    `parameters`, which is the order of first use.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypedArrayAttrBase<FlatSymbolRefAttr, "parameters">:$parameters,
                   DenseI64ArrayAttr:$offsets, I64Attr:$elements, TypeAttr:$element_type, UnitAttr:$trainable);
  let assemblyFormat = [{
    $sym_name `parameters` $parameters `offsets` $offsets `elements` $elements `:` $element_type
    (`trainable` $trainable^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Every parameter starts at a multiple of this many elements.
    static constexpr int64_t kParameterAlignment = 64;
    /// Every shard is a multiple of this many elements.
    static constexpr int64_t kShardAlignment = 256;
  }];
}

#endif // REGIMEN_DIALECTS_DIST
