//===- Aten.td - All ops of the aten dialect ------------------------------===//

#ifndef REGIMEN_DIALECTS_ATEN
#define REGIMEN_DIALECTS_ATEN

include "dialects/aten/AtenOps.td"

def Aten_ConstantOp : Op<Aten_Dialect, "constant", [
    Pure, ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "A tensor whose value is known at compile time";
  let description = [{
    What folding leaves, and the small tensors that an export embeds. It has no ATen schema: the plan stores the value.

    ```mlir
    %mask = aten.constant dense<[[true, false], [true, true]]> : tensor<2x2xi1>
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Aten_Tensor:$result);
  let assemblyFormat = "$value attr-dict";
  let hasFolder = 1;
}

#endif // REGIMEN_DIALECTS_ATEN
