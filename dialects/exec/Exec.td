//===- Exec.td - The exec dialect: what the runtime does --------*- tablegen -*-===//
//
// In:  train programs whose values have layouts (passes/schedule).
// Out: buffers with arenas and offsets (passes/allocate), written to a plan (passes/emit).
//
//   exec.arena @params class(static) space(device)
//   exec.static @params.0 bytes 512 category(params)
//   exec.bind @"fc.weight" at @params.0[0] : memref<4x8xf32>
//   exec.program @update update inputs [] outputs [] {
//     %lr = train.hyper lr group 0
//     %params = exec.get @params.0
//     %w = exec.view %params[0] : memref<4x8xf32>
//     %work = exec.buffer "addmm" bytes 128 category(workspace)
//     %y = exec.view %work[0] : memref<4x8xf32>
//     exec.call "aten::mul.out" out (%w, %lr) -> (%y) : (memref<4x8xf32>, f64) -> (memref<4x8xf32>)
//     exec.return
//   }
//
// A tensor is a strided window of a buffer, typed by a memref: sizes, strides, element type. Names and metadata of model
// states stay in the train.parameter, train.gradient, train.state and train.buffer ops; exec.bind places them.
//
//===----------------------------------------------------------------------===//

#ifndef REGIMEN_DIALECTS_EXEC
#define REGIMEN_DIALECTS_EXEC

include "dialects/dist/Dist.td"
include "dialects/exec/ExecEnums.td"
include "dialects/exec/ExecInterfaces.td"
include "dialects/train/Train.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Exec_Dialect : Dialect {
  let name = "exec";
  let cppNamespace = "::regimen::exec";
  let summary = "Buffers, lanes, events and kernel calls";
  let dependentDialects = ["::regimen::dist::DistDialect", "::regimen::train::TrainDialect"];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

class Exec_Op<string mnemonic, list<Trait> traits = []> : Op<Exec_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Types and attributes
//===----------------------------------------------------------------------===//

def Exec_Buffer : TypeDef<Exec_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "A byte range of an arena";
}
def Exec_Tensor : MemRefOf<[F64, F32, F16, BF16, I64, I32, I16, I8, UI8, I1]>;

// Without the blank that a format's first variable gets.
class Exec_EnumAttr<EnumInfo info, string mnemonic> : EnumAttr<Exec_Dialect, info, mnemonic> {
  let assemblyFormat = "`` $value";
}
def Exec_MemoryClassAttr : Exec_EnumAttr<Exec_MemoryClass, "memory_class">;
def Exec_MemorySpaceAttr : Exec_EnumAttr<Exec_MemorySpace, "memory_space">;
def Exec_CategoryAttr : Exec_EnumAttr<Exec_Category, "category">;
def Exec_LaneAttr : Exec_EnumAttr<Exec_Lane, "lane">;
def Exec_KernelModeAttr : Exec_EnumAttr<Exec_KernelMode, "kernel_mode">;

def Exec_ArgAttr : AttrDef<Exec_Dialect, "Arg"> {
  let mnemonic = "arg";
  let summary = "What stands for one argument of a call";
  let description = [{
    `value` by kind: `tensor` and `register` take one operand, `tensors` as many as its I64 integer says,
    `optional_tensors` one per true element of its bool array; `int`, `scalar_int`: IntegerAttr i64; `float`,
    `scalar_float`: FloatAttr f64; `bool`, `scalar_bool`: BoolAttr; `ints`, `floats`, `bools`: Dense*ArrayAttr; `dtype`:
    TypeAttr; `string`: StringAttr; `default` and `none`: null.
  }];
  let parameters = (ins EnumParameter<Exec_ArgKind>:$kind, OptionalParameter<"::mlir::Attribute">:$value);
  let assemblyFormat = "`<` $kind (`,` $value^)? `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// How many operands of the call it takes.
    size_t getNumOperands() const;
  }];
}
def Exec_ArgsAttr : TypedArrayAttrBase<Exec_ArgAttr, "arguments in the order of the kernel's schema">;

def Exec_SegmentAttr : AttrDef<Exec_Dialect, "Segment"> {
  let mnemonic = "segment";
  let summary = "The part of a model state that lies in the rank's shard of its bucket";
  let description = [{
    Of elements `begin` to `begin + elements` of a bucket those in elements `r * shard` to `(r + 1) * shard`, on rank r;
    maybe none. In its buffer the part starts as `place` says: `whole`, where the buffer is the whole bucket; `shard`,
    where it is the shard; `own`, at the buffer's start. A tensor's type gives the largest number of elements.
  }];
  let parameters = (ins "int64_t":$begin, "int64_t":$elements, "int64_t":$shard, EnumParameter<Exec_SegmentPlace>:$place);
  let assemblyFormat = "`<` $begin `,` $elements `,` $shard `,` $place `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Elements that the largest part has.
    int64_t getMostElements() const { return std::min(getElements(), getShard()); }
    /// The same part in another buffer.
    SegmentAttr in(SegmentPlace place) const {
      return get(getContext(), getBegin(), getElements(), getShard(), place);
    }
  }];
}

//===----------------------------------------------------------------------===//
// Module level: arenas, static buffers, placement of model states
//===----------------------------------------------------------------------===//

def Exec_ArenaOp : Exec_Op<"arena", [Symbol]> {
  let summary = "One allocation in which buffers have offsets; `bytes` is known after allocation";
  let arguments = (ins SymbolNameAttr:$sym_name, Exec_MemoryClassAttr:$memory_class, Exec_MemorySpaceAttr:$space,
                   OptionalAttr<I64Attr>:$bytes);
  let assemblyFormat = [{
    $sym_name `class` `` `(` $memory_class `)` `space` `` `(` $space `)` (`bytes` $bytes^)? attr-dict
  }];
}

def Exec_StaticOp : Exec_Op<"static", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A buffer that lives as long as the run";
  let description = "With a `value` it is a constant: its contents, contiguous from byte 0.";
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$bytes, Exec_CategoryAttr:$category,
                   OptionalAttr<FlatSymbolRefAttr>:$arena, OptionalAttr<I64Attr>:$offset,
                   OptionalAttr<ElementsAttr>:$value,
                   DefaultValuedAttr<Exec_MemorySpaceAttr, "MemorySpace::Device">:$space);
  let assemblyFormat = [{
    $sym_name `bytes` $bytes `category` `` `(` $category `)` (`space` `` `(` $space^ `)`)? (`in` $arena^ `[` $offset `]`)?
    (`=` $value^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Exec_FrameOp : Exec_Op<"frame", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A buffer that lives from a forward to its backward";
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$bytes, Exec_CategoryAttr:$category,
                   OptionalAttr<FlatSymbolRefAttr>:$arena, OptionalAttr<I64Attr>:$offset);
  let assemblyFormat = [{
    $sym_name `bytes` $bytes `category` `` `(` $category `)` (`in` $arena^ `[` $offset `]`)? attr-dict
  }];
  let hasVerifier = 1;
}

def Exec_BindOp : Exec_Op<"bind", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Places a storage symbol of the train dialect in a static or frame buffer";
  let description = [{
    `offset` is in bytes. What a forward saves keeps the strides that it has there. A `segment` starts at another byte on
    every rank; `offset` is then that of the whole state in a buffer of the whole bucket, else 0.
  }];
  let arguments = (ins FlatSymbolRefAttr:$storage, FlatSymbolRefAttr:$buffer, I64Attr:$offset,
                   OptionalAttr<Exec_SegmentAttr>:$segment, TypeAttr:$type);
  let assemblyFormat = "$storage `at` $buffer `[` $offset `]` (`segment` `` $segment^)? `:` $type attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MemRefType getTensorType() { return ::llvm::cast<::mlir::MemRefType>(getType()); }
  }];
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

def Exec_ProgramOp : Exec_Op<"program", [
    IsolatedFromAbove, Symbol, SingleBlockImplicitTerminator<"ReturnOp">]> {
  let summary = "A straight-line list of instructions";
  let description = [{
    Besides instructions it holds what they refer to (exec.get, exec.buffer, exec.view) and scalar computations in f64
    (arith, math, train.hyper), whose values are the program's registers. `events` counts the events used.
    Inputs are loaded by exec.load_input, or are there from the start by exec.given, by index into `inputs`; exec.return
    names the outputs' tensors. What a caller `takes` and `gives` is as in train.program.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Train_RoleAttr:$role,
                   DefaultValuedAttr<Train_ContributionAttr, "::regimen::train::Contribution::None">:$contribution,
                   StrArrayAttr:$inputs, StrArrayAttr:$outputs, OptionalAttr<I64Attr>:$loss,
                   OptionalAttr<I64Attr>:$grad_norm, DefaultValuedAttr<I64Attr, "0">:$events,
                   OptionalAttr<I64Attr>:$lower_bound,
                   DefaultValuedAttr<Train_SegmentAttr, "::regimen::train::Segment::Whole">:$segment,
                   OptionalAttr<Train_PortsAttr>:$takes, OptionalAttr<Train_PortsAttr>:$gives,
                   OptionalAttr<Train_DependencesAttr>:$dependences, OptionalAttr<Train_PortsAttr>:$keeps,
                   OptionalAttr<Train_VariantAttr>:$variant);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name $role (`contribution` `(` $contribution^ `)`)? (`segment` `(` $segment^ `)`)? `inputs` $inputs
    (`takes` $takes^)? `outputs` $outputs (`gives` $gives^)? (`dependences` $dependences^)? (`keeps` $keeps^)? (`loss` $loss^)?
    (`grad_norm` $grad_norm^)? (`variant` $variant^)? (`events` $events^)? (`lower_bound` $lower_bound^)?
    attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The instructions in order; an instruction's index in the plan is its index here.
    ::llvm::SmallVector<InstructionOpInterface> getInstructions();
  }];
}

def Exec_ReturnOp : Exec_Op<"return", [Pure, Terminator, HasParent<"ProgramOp">]> {
  let summary = "The outputs of a program";
  let arguments = (ins Variadic<Exec_Tensor>:$values);
  let builders = [OpBuilder<(ins), "build($_builder, $_state, ::mlir::ValueRange());">];
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

//===----------------------------------------------------------------------===//
// What instructions refer to
//===----------------------------------------------------------------------===//

def Exec_GetOp : Exec_Op<"get", [Pure, HasParent<"ProgramOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A static or frame buffer, inside a program";
  let arguments = (ins FlatSymbolRefAttr:$symbol);
  let results = (outs Exec_Buffer:$buffer);
  let assemblyFormat = "$symbol attr-dict";
}

def Exec_BufferOp : Exec_Op<"buffer", [
    HasParent<"ProgramOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A buffer of the program, alive from the first to the last instruction that touches it";
  let description = "`name` is for people. `arena` and `offset` (bytes) are known after allocation.";
  let arguments = (ins StrAttr:$name, I64Attr:$bytes, Exec_CategoryAttr:$category,
                   OptionalAttr<FlatSymbolRefAttr>:$arena, OptionalAttr<I64Attr>:$offset,
                   DefaultValuedAttr<Exec_MemorySpaceAttr, "MemorySpace::Device">:$space);
  let results = (outs Res<Exec_Buffer, "", [MemAlloc]>:$buffer);
  let assemblyFormat = [{
    $name `bytes` $bytes `category` `` `(` $category `)` (`space` `` `(` $space^ `)`)? (`in` $arena^ `[` $offset `]`)?
    attr-dict
  }];
  let hasVerifier = 1;
}

def Exec_ViewOp : Exec_Op<"view", [Pure, HasParent<"ProgramOp">]> {
  let summary = "A strided window of a buffer, `offset` bytes from its start";
  let description = "Of a `segment` each rank has another part; see exec.bind.";
  let arguments = (ins Exec_Buffer:$buffer, I64Attr:$offset, OptionalAttr<Exec_SegmentAttr>:$segment);
  let results = (outs Exec_Tensor:$tensor);
  let assemblyFormat = "$buffer `[` $offset `]` (`segment` `` $segment^)? attr-dict `:` type($tensor)";
  let builders = [OpBuilder<(ins "::mlir::MemRefType":$type, "::mlir::Value":$buffer, "int64_t":$offset), [{
    build($_builder, $_state, type, buffer, $_builder.getI64IntegerAttr(offset), SegmentAttr());
  }]>];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Bytes of the buffer, from the first to behind the last, that the tensor has on any rank.
    std::pair<int64_t, int64_t> getSpan() {
      return spanOf(::llvm::cast<::mlir::MemRefType>(getType()), getOffset(), getSegmentAttr());
    }
  }];
}

def Exec_GivenOp : Exec_Op<"given", [HasParent<"ProgramOp">]> {
  let summary = "The tensor in which a caller brings input `input`";
  let arguments = (ins I64Attr:$input, Exec_Tensor:$tensor);
  let assemblyFormat = "$input `in` $tensor attr-dict `:` type($tensor)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

class Exec_InstructionOp<string mnemonic, list<Trait> traits = [], list<string> methods = []>
    : Exec_Op<mnemonic, !listconcat([HasParent<"ProgramOp">,
                                     DeclareOpInterfaceMethods<Exec_InstructionOpInterface, methods>], traits)>;

def Exec_CallOp : Exec_InstructionOp<"call", [AttrSizedOperandSegments, MemoryEffects<[MemRead, MemWrite]>],
                                     ["getScratchBuffer"]> {
  let summary = "A kernel call";
  let description = [{
    `args` are the arguments in the order of the kernel's schema, out= arguments excluded; those that stand for tensors
    and registers take `inputs` in order. `outputs` are the tensors written. `scratch` serves the kernel's own
    temporaries. A kernel in place may write every tensor operand and has no results.
  }];
  let arguments = (ins StrAttr:$kernel, Exec_KernelModeAttr:$mode, Exec_ArgsAttr:$args,
                   Variadic<AnyTypeOf<[Exec_Tensor, F64]>>:$inputs, Variadic<Exec_Tensor>:$outputs,
                   Optional<Exec_Buffer>:$scratch, DefaultValuedAttr<Exec_LaneAttr, "Lane::Compute">:$lane);
  let assemblyFormat = [{
    $kernel $mode custom<CallArgs>($inputs, $args) (`->` `(` $outputs^ `)`)? (`scratch` `` `(` $scratch^ `)`)?
    (`lane` `` `(` $lane^ `)`)? attr-dict `:` functional-type($inputs, $outputs)
  }];
  let hasVerifier = 1;
}

def Exec_LoadInputOp : Exec_InstructionOp<"load_input", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Copies what the current micro-batch selects of input `input` into a tensor";
  let arguments = (ins I64Attr:$input, Exec_Tensor:$tensor, DefaultValuedAttr<Exec_LaneAttr, "Lane::Copy">:$lane);
  let assemblyFormat = "$input `->` $tensor (`lane` `` `(` $lane^ `)`)? attr-dict `:` type($tensor)";
  let hasVerifier = 1;
}

def Exec_CollectiveOp : Exec_InstructionOp<"collective", [AttrSizedOperandSegments,
                                                          MemoryEffects<[MemRead, MemWrite]>], ["getScratchBuffer"]> {
  let summary = "Communication of all ranks, entered by all in the same order";
  let description = [{
    `whole` has the parts of all ranks one after the other, `part` the rank's own; without it the rank's part of `whole`
    stands for it. all_gather fills `whole` from the parts. reduce_scatter leaves the mean over the ranks of `whole` in the
    part, or adds it there with `accumulate`; all_reduce leaves it in all of `whole`. `members` are the tensors in `whole`
    that a reduction is about: nothing else of it has a meaning. Without a `bucket` it moves a few numbers, which the
    figures of traffic leave out.
  }];
  let arguments = (ins Dist_CollectiveAttr:$collective, OptionalAttr<FlatSymbolRefAttr>:$bucket, UnitAttr:$accumulate,
                   Exec_Tensor:$whole, Optional<Exec_Tensor>:$part, Variadic<Exec_Tensor>:$members,
                   Optional<Exec_Buffer>:$scratch, DefaultValuedAttr<Exec_LaneAttr, "Lane::Comm">:$lane);
  let assemblyFormat = [{
    $collective ($bucket^)? (`accumulate` $accumulate^)? `whole` `(` $whole `:` type($whole) `)`
    (`part` `(` $part^ `:` type($part) `)`)? (`members` `(` $members^ `:` type($members) `)`)?
    (`scratch` `` `(` $scratch^ `)`)? (`lane` `` `(` $lane^ `)`)? attr-dict
  }];
  let hasVerifier = 1;
}

class Exec_EventOp<string mnemonic> : Exec_InstructionOp<mnemonic, [MemoryEffects<[MemRead, MemWrite]>]> {
  let arguments = (ins I64Attr:$event, Exec_LaneAttr:$lane);
  let assemblyFormat = "$event `lane` `` `(` $lane `)` attr-dict";
  let hasVerifier = 1;
}
def Exec_RecordOp : Exec_EventOp<"record"> {
  let summary = "Marks everything before it on this lane as done";
}
def Exec_WaitOp : Exec_EventOp<"wait"> {
  let summary = "Holds this lane until the event was recorded in this execution of the program";
}

#endif // REGIMEN_DIALECTS_EXEC
