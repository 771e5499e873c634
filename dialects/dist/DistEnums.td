//===- DistEnums.td - Enumerations of the dist dialect -----------*- tablegen -*-===//
//
// Enumerators in the order of formats/plan/plan.fbs.
//
//===----------------------------------------------------------------------===//

#ifndef REGIMEN_DIALECTS_DIST_ENUMS
#define REGIMEN_DIALECTS_DIST_ENUMS

include "mlir/IR/EnumAttr.td"

def Dist_Collective : I32EnumAttr<"Collective", "what ranks do together", [
    I32EnumAttrCase<"AllGather", 0, "all_gather">, I32EnumAttrCase<"ReduceScatter", 1, "reduce_scatter">,
    I32EnumAttrCase<"AllReduce", 2, "all_reduce">]> {
  let cppNamespace = "::regimen::dist";
  let genSpecializedAttr = 0;
}

def Dist_Space : I32EnumAttr<"Space", "the memory in which a value lies", [
    I32EnumAttrCase<"Device", 0, "device">, I32EnumAttrCase<"Host", 1, "host">]> {
  let cppNamespace = "::regimen::dist";
  let genSpecializedAttr = 0;
}

#endif // REGIMEN_DIALECTS_DIST_ENUMS
