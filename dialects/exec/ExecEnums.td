//===- ExecEnums.td - Enumerations of the exec dialect -----------*- tablegen -*-===//
//
// Enumerators in the order of formats/plan/plan.fbs.
//
//===----------------------------------------------------------------------===//

#ifndef REGIMEN_DIALECTS_EXEC_ENUMS
#define REGIMEN_DIALECTS_EXEC_ENUMS

include "mlir/IR/EnumAttr.td"

class Exec_Enum<string enumName, string text, list<I32EnumAttrCase> enumerators>
    : I32EnumAttr<enumName, text, enumerators> {
  let cppNamespace = "::regimen::exec";
  let genSpecializedAttr = 0;
}
def Exec_MemoryClass : Exec_Enum<"MemoryClass", "how long an arena's contents live", [
    I32EnumAttrCase<"Static", 0, "static">, I32EnumAttrCase<"Frame", 1, "frame">, I32EnumAttrCase<"Work", 2, "work">,
    I32EnumAttrCase<"Caller", 3, "caller">]>;
def Exec_MemorySpace : Exec_Enum<"MemorySpace", "where an arena is", [
    I32EnumAttrCase<"Device", 0, "device">, I32EnumAttrCase<"Host", 1, "host">]>;
def Exec_Category : Exec_Enum<"Category", "what a buffer counts as in memory reports", [
    I32EnumAttrCase<"Params", 0, "params">, I32EnumAttrCase<"Grads", 1, "grads">,
    I32EnumAttrCase<"Optimizer", 2, "optimizer">, I32EnumAttrCase<"Activations", 3, "activations">,
    I32EnumAttrCase<"Comm", 4, "comm">, I32EnumAttrCase<"Workspace", 5, "workspace">]>;
def Exec_Lane : Exec_Enum<"Lane", "an in-order queue", [
    I32EnumAttrCase<"Compute", 0, "compute">, I32EnumAttrCase<"Comm", 1, "comm">, I32EnumAttrCase<"Copy", 2, "copy">]>;
def Exec_KernelMode : Exec_Enum<"KernelMode", "how a kernel takes its results", [
    I32EnumAttrCase<"Out", 0, "out">, I32EnumAttrCase<"Functional", 1, "functional">,
    I32EnumAttrCase<"InPlace", 2, "in_place">, I32EnumAttrCase<"Own", 3, "own">]>;

def Exec_ArgKind : Exec_Enum<"ArgKind", "what stands for an argument of a call", [
    I32EnumAttrCase<"Default", 0, "default">, I32EnumAttrCase<"None", 1, "none">,
    I32EnumAttrCase<"Tensor", 2, "tensor">, I32EnumAttrCase<"TensorList", 3, "tensors">,
    I32EnumAttrCase<"OptionalTensorList", 4, "optional_tensors">, I32EnumAttrCase<"Int", 5, "int">,
    I32EnumAttrCase<"Float", 6, "float">, I32EnumAttrCase<"Bool", 7, "bool">, I32EnumAttrCase<"IntList", 8, "ints">,
    I32EnumAttrCase<"FloatList", 9, "floats">, I32EnumAttrCase<"BoolList", 10, "bools">,
    I32EnumAttrCase<"DType", 11, "dtype">, I32EnumAttrCase<"String", 12, "string">,
    I32EnumAttrCase<"ScalarInt", 13, "scalar_int">, I32EnumAttrCase<"ScalarFloat", 14, "scalar_float">,
    I32EnumAttrCase<"ScalarBool", 15, "scalar_bool">, I32EnumAttrCase<"ScalarRegister", 16, "register">]>;

def Exec_SegmentPlace : Exec_Enum<"SegmentPlace", "where a rank's segment starts in its buffer", [
    I32EnumAttrCase<"Whole", 0, "whole">, I32EnumAttrCase<"Shard", 1, "shard">, I32EnumAttrCase<"Own", 2, "own">]>;

#endif // REGIMEN_DIALECTS_EXEC_ENUMS
