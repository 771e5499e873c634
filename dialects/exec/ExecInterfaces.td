//===- ExecInterfaces.td - Interfaces of the exec dialect -------*- tablegen -*-===//

#ifndef REGIMEN_DIALECTS_EXEC_INTERFACES
#define REGIMEN_DIALECTS_EXEC_INTERFACES

include "mlir/IR/OpBase.td"

def Exec_InstructionOpInterface : OpInterface<"InstructionOpInterface"> {
  let cppNamespace = "::regimen::exec";
  let description = "What a lane runs. Tensors are values of exec.view; scratch counts as a written buffer.";
  let methods = [
    InterfaceMethod<"The lane that runs it.", "::regimen::exec::Lane", "getLane">,
    InterfaceMethod<"The tensors it reads.", "::llvm::SmallVector<::mlir::Value>", "getReadTensors">,
    InterfaceMethod<"The tensors it writes.", "::llvm::SmallVector<::mlir::Value>", "getWrittenTensors">,
    InterfaceMethod<"The buffer of its temporaries, or null.", "::mlir::Value", "getScratchBuffer", (ins), "",
                    "return {};">,
  ];
}

#endif // REGIMEN_DIALECTS_EXEC_INTERFACES
