//===- Passes.td - Passes of the stage budget ------------------*- tablegen -*-===//

#ifndef REGIMEN_PASSES_BUDGET
#define REGIMEN_PASSES_BUDGET

include "mlir/Pass/PassBase.td"

def RecomputePass : Pass<"regimen-recompute", "::regimen::train::ProgramOp"> {
  let summary = "Makes values of the forward again where the backward needs them";
  let description = [{
    In a micro-step whose forward and backward are one program yet: with train.suspend, or with the loss's seed. What
    `mode` leaves to be saved keeps its value; everything else that the backward needs is computed again from that,
    right before its first use there, by the same ops on the same operands, so that no bit changes.

    ```mlir
    %a = aten.mm(%x, %w) : ...
    %b = aten.gelu(%a) : ...
    %y = aten.mm(%b, %v) : ...
    %s = train.seed accumulate 1 : tensor<f32>
    %dv = aten.mm(%bt, %dy) : ...        // needs %b
    // becomes
    %s = train.seed accumulate 1 : tensor<f32>
    %b2 = aten.gelu(%a) : ...
    %dv = aten.mm(%bt2, %dy) : ...
    ```
  }];
  let options = [
    Option<"mode", "mode", "std::string", "\"none\"",
           "none; layers: what moves more bytes than it computes; full: all but values between layers">,
    Option<"steps", "steps", "int64_t", "-1", "Only so many steps of a layer to layers or full; -1: all">,
  ];
}

#endif // REGIMEN_PASSES_BUDGET
