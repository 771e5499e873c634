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

def OffloadStatesPass : Pass<"regimen-offload-states", "::mlir::ModuleOp"> {
  let summary = "Keeps model states in host memory, and moves what the update needs";
  let description = [{
    With `optimizer`, states of the optimizer are on the host, and so is what the update computes of them: gradients and
    parameters move there, new parameters back. What the update does without states, such as the norm, stays where it is.
    The fused kernel becomes one a bucket. Moves for one such kernel, or for the ops of one parameter, start
    before the one ahead begins: two are on the host at a time, and a third on its way back.

    With `parameters`, sharded parameters are on the host: gathers take them from there, and so does the update, which
    runs on the device if the optimizer's states are there.

    ```mlir
    %g = train.read @"w:grad" : tensor<8xf32>
    %m = train.read @"w:momentum_buffer" : tensor<8xf32>
    %n = aten.add.Tensor(%m, %g, %one) : ...
    // becomes
    %g = train.read @"w:grad" : tensor<8xf32>
    %gh = dist.move %g to host : tensor<8xf32>
    %m = train.read @"w:momentum_buffer" : tensor<8xf32>
    %n = aten.add.Tensor(%m, %gh, %one) : ...
    ```
  }];
  let dependentDialects = ["::regimen::dist::DistDialect"];
  let options = [
    Option<"optimizer", "optimizer", "bool", "false", "Optimizer states are on the host">,
    Option<"parameters", "parameters", "bool", "false", "Shards of parameters are on the host">,
  ];
}

def OffloadActivationsPass : Pass<"regimen-offload-activations", "::regimen::train::ProgramOp"> {
  let summary = "Lets values that the backward needs wait in host memory";
  let description = [{
    In a driven micro-step. A value of `leastBytes` or more moves to the host behind its last use in the forward, and back
    where the value that the backward uses before it is used; views are made again there. Two are on
    their way to the host at a time.

    ```mlir
    %a = aten.exp(%x) : ...
    %y = aten.mm(%a, %w) : ...
    ...
    %s = train.seed accumulate 1 : tensor<f32>
    ...
    %dw = aten.mm(%a, %dy) : ...
    // becomes
    %a = aten.exp(%x) : ...
    %y = aten.mm(%a, %w) : ...
    %h = dist.move %a to host : ...
    ...
    dist.moved %h : ...
    %s = train.seed accumulate 1 : tensor<f32>
    %b = dist.move %h to device : ...
    ...
    %dw = aten.mm(%b, %dy) : ...
    ```
  }];
  let dependentDialects = ["::regimen::dist::DistDialect"];
  let options = [
    Option<"leastBytes", "least-bytes", "int64_t", "4096", "Smaller values stay: to move them costs more than they hold">,
  ];
}

#endif // REGIMEN_PASSES_BUDGET
