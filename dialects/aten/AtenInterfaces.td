//===- AtenInterfaces.td - Interfaces of the aten dialect -----------------===//

#ifndef REGIMEN_DIALECTS_ATEN_INTERFACES
#define REGIMEN_DIALECTS_ATEN_INTERFACES

include "mlir/IR/OpBase.td"

def Aten_OpInterface : OpInterface<"AtenOpInterface"> {
  let cppNamespace = "::regimen::aten";
  let description = "What all aten ops share: their ATen schema.";
  let methods = [
    StaticInterfaceMethod<"The ATen schema: name, arguments in order.", "const ::regimen::aten::OpSchema &",
                          "getSchema">,
  ];
}

#endif // REGIMEN_DIALECTS_ATEN_INTERFACES
