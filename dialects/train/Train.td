//===- Train.td - The train dialect: what turns a model into training -----===//
//
// In:  a `forward` program of aten ops over parameters and buffers (from import).
// Out: `micro_step` programs, which add to gradients, and one `update` program, which applies the optimizer.
//
//   train.parameter @"fc.weight" : tensor<4x2xf32> trainable
//   train.gradient @"fc.weight:grad" of @"fc.weight" : tensor<4x2xf32>
//   train.state @"fc.weight:exp_avg" of @"fc.weight" slot "exp_avg" : tensor<4x2xf32>
//   train.program @micro_step_first micro_step contribution(first) inputs ["x"] outputs ["loss"] loss 0 {
//   ^bb0(%x: tensor<3x2xf32>):
//     %w = train.read @"fc.weight" : tensor<4x2xf32>
//     ...
//     train.write %dw, @"fc.weight:grad" : tensor<4x2xf32>
//     train.return %loss : tensor<f32>
//   }
//
//===----------------------------------------------------------------------===//

#ifndef REGIMEN_DIALECTS_TRAIN
#define REGIMEN_DIALECTS_TRAIN

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Train_Dialect : Dialect {
  let name = "train";
  let cppNamespace = "::regimen::train";
  let summary = "Parameters, model states, programs and the optimizer's inputs";
  let useDefaultAttributePrinterParser = 1;
}

// Without the blank that a format's first variable gets.
class Train_EnumAttr<EnumInfo info, string mnemonic> : EnumAttr<Train_Dialect, info, mnemonic> {
  let assemblyFormat = "`` $value";
}

class Train_Op<string mnemonic, list<Trait> traits = []> : Op<Train_Dialect, mnemonic, traits>;

def Train_Tensor : RankedTensorOf<[AnyType]>;

//===----------------------------------------------------------------------===//
// Storage: what lives as long as the run
//===----------------------------------------------------------------------===//

def Train_StorageOpInterface : OpInterface<"StorageOpInterface"> {
  let cppNamespace = "::regimen::train";
  let description = "A named tensor that outlives programs; read and written by symbol.";
  let methods = [InterfaceMethod<"The tensor's type.", "::mlir::RankedTensorType", "getTensorType">];
}

class Train_StorageOp<string mnemonic, list<Trait> traits = []>
    : Train_Op<mnemonic, !listconcat(traits, [Symbol, DeclareOpInterfaceMethods<Train_StorageOpInterface>])> {
  let extraClassDefinition = [{
    ::mlir::RankedTensorType $cppClass::getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
  }];
}

def Train_ParameterOp : Train_StorageOp<"parameter"> {
  let summary = "A parameter of the module, named by its first FQN";
  let description = [{
    `aliases` are the further FQNs of a tied parameter, in the order of the module. `group` is the index of the
    optimizer's parameter group.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, UnitAttr:$trainable,
                   DefaultValuedAttr<I64Attr, "0">:$group,
                   DefaultValuedAttr<StrArrayAttr, "{}">:$aliases);
  let assemblyFormat = [{
    $sym_name `:` $type (`trainable` $trainable^)? (`group` $group^)? (`aliases` $aliases^)? attr-dict
  }];
}

def Train_BufferOp : Train_StorageOp<"buffer"> {
  let summary = "A buffer of the module; `persistent` ones are in its state dict";
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, UnitAttr:$persistent,
                   OptionalAttr<ElementsAttr>:$value);
  let description = [{
    `value` holds the initial value of a non-persistent buffer; persistent ones start from the weights.
  }];
  let assemblyFormat = "$sym_name `:` $type (`persistent` $persistent^)? (`=` $value^)? attr-dict";
}

def Train_GradientOp : Train_StorageOp<"gradient", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The gradient of a parameter, averaged over micro-steps";
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$parameter, TypeAttr:$type);
  let assemblyFormat = "$sym_name `of` $parameter `:` $type attr-dict";
}

def Train_StateOp : Train_StorageOp<"state", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "An optimizer state of a parameter; `slot` is torch.optim's name for it";
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$parameter, StrAttr:$slot, TypeAttr:$type);
  let assemblyFormat = "$sym_name `of` $parameter `slot` $slot `:` $type attr-dict";
}

def Train_SavedOp : Train_StorageOp<"saved"> {
  let summary = "A value that a forward leaves for its backward";
  let description = "It lives in a frame: from the forward that writes it to the backward that goes on from there.";
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
}

def Train_ReadOp : Train_Op<"read", [
    MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a storage symbol at this point of the program";
  let arguments = (ins FlatSymbolRefAttr:$symbol);
  let results = (outs Train_Tensor:$result);
  let assemblyFormat = "$symbol attr-dict `:` type($result)";
}

def Train_WriteOp : Train_Op<"write", [
    MemoryEffects<[MemWrite]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Replaces the value of a storage symbol";
  let arguments = (ins Train_Tensor:$value, FlatSymbolRefAttr:$symbol);
  let assemblyFormat = "$value `,` $symbol attr-dict `:` type($value)";
}

def Train_AccumulateOp : Train_Op<"accumulate", [
    MemoryEffects<[MemRead, MemWrite]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Adds to the gradient of a parameter that has one, and writes that of one that has none";
  let description = "Which of the two is a run-time input of the parameter's group, as hyperparameters are.";
  let arguments = (ins Train_Tensor:$value, FlatSymbolRefAttr:$symbol, I64Attr:$group);
  let assemblyFormat = "$value `,` $symbol `group` $group attr-dict `:` type($value)";
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

def Train_Segment : I32EnumAttr<"Segment", "the part of a micro-step that a program is", [
    I32EnumAttrCase<"Whole", 0, "whole">, I32EnumAttrCase<"Forward", 1, "forward">,
    I32EnumAttrCase<"Backward", 2, "backward">]> {
  let cppNamespace = "::regimen::train";
  let genSpecializedAttr = 0;
}
def Train_SegmentAttr : Train_EnumAttr<Train_Segment, "segment">;

def Train_PortKind : I32EnumAttr<"PortKind", "what a tensor is to the caller of a program", [
    I32EnumAttrCase<"Argument", 0, "argument">, I32EnumAttrCase<"Output", 1, "output">,
    I32EnumAttrCase<"OutputGradient", 2, "output_gradient">,
    I32EnumAttrCase<"ArgumentGradient", 3, "argument_gradient">,
    I32EnumAttrCase<"ParameterGradient", 4, "parameter_gradient">]> {
  let cppNamespace = "::regimen::train";
  let genSpecializedAttr = 0;
}

def Train_PortAttr : AttrDef<Train_Dialect, "Port"> {
  let mnemonic = "port";
  let summary = "A tensor that the caller of a program brings or takes";
  let description = [{
    Argument or output `index` of the model, the gradient of one, or that of parameter `index` (in the module's order).
    The caller owns its storage.
  }];
  let parameters = (ins EnumParameter<Train_PortKind>:$kind, "int64_t":$index);
  let assemblyFormat = "`<` $kind $index `>`";
}
def Train_PortsAttr : TypedArrayAttrBase<Train_PortAttr, "ports">;

def Train_DependenceAttr : AttrDef<Train_Dialect, "Dependence"> {
  let mnemonic = "depends";
  let summary = "The arguments and parameters, by index, on which an output depends differentiably";
  let parameters = (ins OptionalArrayRefParameter<"int64_t">:$arguments,
                    OptionalArrayRefParameter<"int64_t">:$parameters);
  let assemblyFormat = "`<` (`arguments` `[` $arguments^ `]`)? (`parameters` `[` $parameters^ `]`)? `>`";
}
def Train_DependencesAttr : TypedArrayAttrBase<Train_DependenceAttr, "dependences">;

def Train_VariantAttr : AttrDef<Train_Dialect, "Variant"> {
  let mnemonic = "variant";
  let summary = "Which backward a program is";
  let description = [{
    `outputs` bring a gradient, `arguments` and `parameters` want one (indices, ascending). With `retain` the frame is
    only read. `gradients` are the parameters whose gradient it contributes to: those wanted that have a path. One that is
    `local` leaves its contributions to whole gradients unreduced.
  }];
  let parameters = (ins OptionalArrayRefParameter<"int64_t">:$outputs, OptionalArrayRefParameter<"int64_t">:$arguments,
                    OptionalArrayRefParameter<"int64_t">:$parameters,
                    OptionalArrayRefParameter<"int64_t">:$gradients, DefaultValuedParameter<"bool", "false">:$retain,
                    DefaultValuedParameter<"bool", "false">:$local);
  let assemblyFormat = [{
    `<` (`outputs` `[` $outputs^ `]`)? (`arguments` `[` $arguments^ `]`)? (`parameters` `[` $parameters^ `]`)?
    (`gradients` `[` $gradients^ `]`)? (`retain` $retain^)? (`local` $local^)? `>`
  }];
}

def Train_Role : I32EnumAttr<"Role", "what a program is for", [
    I32EnumAttrCase<"Forward", 0, "forward">, I32EnumAttrCase<"MicroStep", 1, "micro_step">,
    I32EnumAttrCase<"Update", 2, "update">, I32EnumAttrCase<"Evaluation", 3, "evaluation">]> {
  let cppNamespace = "::regimen::train";
  let genSpecializedAttr = 0;
}
def Train_RoleAttr : Train_EnumAttr<Train_Role, "role">;

def Train_Contribution : I32EnumAttr<"Contribution", "which contribution to the gradients a micro-step makes", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"First", 1, "first">, I32EnumAttrCase<"Later", 2, "later">,
    I32EnumAttrCase<"Last", 3, "last">]> {
  let cppNamespace = "::regimen::train";
  let genSpecializedAttr = 0;
}
def Train_ContributionAttr : Train_EnumAttr<Train_Contribution, "contribution">;

def Train_ProgramOp : Train_Op<"program", [
    IsolatedFromAbove, Symbol, SingleBlockImplicitTerminator<"ReturnOp">]> {
  let summary = "A straight-line program over inputs and storage";
  let description = [{
    Block arguments are the inputs, named by `inputs` as in the graph signature; `train.return` gives the outputs,
    named by `outputs`. `loss` is the index of the loss among the outputs, `grad_norm` that of the global gradient norm.

    A program that a caller drives says for each input what it `takes`, and for each output what it `gives`. The caller
    suspends a micro-step between its `segment`s: the forward says on what each output depends and which arguments and
    outputs it `keeps` for some backward, each backward which `variant` it is.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Train_RoleAttr:$role,
                   DefaultValuedAttr<Train_ContributionAttr, "Contribution::None">:$contribution,
                   StrArrayAttr:$inputs, StrArrayAttr:$outputs, OptionalAttr<I64Attr>:$loss,
                   OptionalAttr<I64Attr>:$grad_norm,
                   DefaultValuedAttr<Train_SegmentAttr, "Segment::Whole">:$segment,
                   OptionalAttr<Train_PortsAttr>:$takes, OptionalAttr<Train_PortsAttr>:$gives,
                   OptionalAttr<Train_DependencesAttr>:$dependences, OptionalAttr<Train_PortsAttr>:$keeps,
                   OptionalAttr<Train_VariantAttr>:$variant);
  let regions = (region SizedRegion<1>:$body);
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "Role":$role, "Contribution":$contribution,
                             "::mlir::ArrayAttr":$inputs, "::mlir::ArrayAttr":$outputs, "::mlir::IntegerAttr":$loss,
                             "::mlir::IntegerAttr":$gradNorm)>];
  let assemblyFormat = [{
    $sym_name $role (`contribution` `(` $contribution^ `)`)? (`segment` `(` $segment^ `)`)? `inputs` $inputs
    (`takes` $takes^)? `outputs` $outputs (`gives` $gives^)? (`dependences` $dependences^)? (`keeps` $keeps^)? (`loss` $loss^)?
    (`grad_norm` $grad_norm^)? (`variant` $variant^)? attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
}

def Train_ReturnOp : Train_Op<"return", [Pure, Terminator, HasParent<"ProgramOp">]> {
  let summary = "The outputs of a program";
  let arguments = (ins Variadic<Train_Tensor>:$values);
  let builders = [OpBuilder<(ins), "build($_builder, $_state, ::mlir::ValueRange());">];
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

//===----------------------------------------------------------------------===//
// Suspension, seeds, norms and run-time hyperparameters
//===----------------------------------------------------------------------===//

def Train_SuspendOp : Train_Op<"suspend", [HasParent<"ProgramOp">]> {
  let summary = "Hands outputs to the caller and goes on with their gradients";
  let description = [{
    The one point at which a micro-step stops. `indices` are the model's outputs that bring a gradient, `outputs` their
    values, the results their gradients. A gradient that comes from a caller carries all its factors already.
  }];
  let arguments = (ins Variadic<Train_Tensor>:$outputs, DenseI64ArrayAttr:$indices);
  let results = (outs Variadic<Train_Tensor>:$gradients);
  let assemblyFormat = "$indices `(` $outputs `)` attr-dict `:` functional-type($outputs, $gradients)";
  let hasVerifier = 1;
}

def Train_SeedOp : Train_Op<"seed", [Pure]> {
  let summary = "The gradient of the loss that starts a backward";
  let description = "1 / `accumulate`: the one place where that factor enters a driven program.";
  let arguments = (ins I64Attr:$accumulate);
  let results = (outs Train_Tensor:$result);
  let assemblyFormat = "`accumulate` $accumulate attr-dict `:` type($result)";
}

def Train_GlobalNormOp : Train_Op<"global_norm", [Pure]> {
  let summary = "The 2-norm of all tensors together, whatever their order or partition";
  let arguments = (ins Variadic<Train_Tensor>:$tensors);
  let results = (outs Train_Tensor:$result);
  let assemblyFormat = "$tensors attr-dict `:` functional-type($tensors, $result)";
}

def Train_Hyper : I32EnumAttr<"Hyper", "a run-time input of the update", [
    I32EnumAttrCase<"Lr", 0, "lr">, I32EnumAttrCase<"WeightDecay", 1, "weight_decay">,
    I32EnumAttrCase<"Beta1", 2, "beta1">, I32EnumAttrCase<"Beta2", 3, "beta2">, I32EnumAttrCase<"Eps", 4, "eps">,
    I32EnumAttrCase<"Momentum", 5, "momentum">, I32EnumAttrCase<"Dampening", 6, "dampening">,
    I32EnumAttrCase<"Step", 7, "step">, I32EnumAttrCase<"HasGradient", 8, "has_gradient">]> {
  let cppNamespace = "::regimen::train";
  let genSpecializedAttr = 0;
}
def Train_HyperAttr : Train_EnumAttr<Train_Hyper, "hyper_kind">;

def Train_HyperOp : Train_Op<"hyper", [Pure]> {
  let summary = "A hyperparameter of a parameter group, read when the program starts";
  let description = "`step` counts updates from 1; `has_gradient` is 1 where the parameter has a gradient already, else 0.";
  let arguments = (ins Train_HyperAttr:$kind, I64Attr:$group);
  let results = (outs F64:$result);
  let assemblyFormat = "$kind `group` $group attr-dict";
}

def Train_FusedAdamWOp : Train_Op<"fused_adamw", [
    SameVariadicOperandSize, SameVariadicResultSize, Pure]> {
  let summary = "One AdamW step of many parameters by one kernel, with the bits of torch's fused kernel";
  let arguments = (ins Variadic<Train_Tensor>:$parameters, Variadic<Train_Tensor>:$gradients,
                   Variadic<Train_Tensor>:$exp_avgs, Variadic<Train_Tensor>:$exp_avg_sqs, I64Attr:$group);
  let results = (outs Variadic<Train_Tensor>:$new_parameters, Variadic<Train_Tensor>:$new_exp_avgs,
                 Variadic<Train_Tensor>:$new_exp_avg_sqs);
  let assemblyFormat = [{
    `group` $group `parameters` `(` $parameters `)` `gradients` `(` $gradients `)` `exp_avgs` `(` $exp_avgs `)`
    `exp_avg_sqs` `(` $exp_avg_sqs `)` attr-dict `:` functional-type(operands, results)
  }];
}

#endif // REGIMEN_DIALECTS_TRAIN
