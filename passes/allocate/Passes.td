//===- Passes.td - Passes of the stage allocate ---------------*- tablegen -*-===//

#ifndef REGIMEN_PASSES_ALLOCATE
#define REGIMEN_PASSES_ALLOCATE

include "mlir/Pass/PassBase.td"

def PlanMemoryPass : Pass<"regimen-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Give every buffer its arena and offset";
  let description = [{
    Static buffers lie end to end in one arena a kind: params, grads, optimizer, buffers, constants. So do frame buffers
    in the arena frame. The other buffers of all programs share one work arena, each program from its start, since no two
    of them run at the same time; a program's layout is MemoryPlanner's. Those of a segment first go where its frame is
    not written yet, or dead already. The caller's buffers have their place. Buffers of the host have arenas of their
    own: host_params, host_optimizer, host_work.

    Input:
    ```mlir
    exec.program @p evaluation inputs [] outputs [] {
      %a = exec.buffer "a" bytes 256 category(activations)
      ...
    }
    ```
    Output:
    ```mlir
    exec.arena @work class(work) space(device) bytes 256
    exec.program @p evaluation inputs [] outputs [] lower_bound 256 {
      %a = exec.buffer "a" bytes 256 category(activations) in @work[0]
      ...
    }
    ```
  }];
  let dependentDialects = ["::regimen::exec::ExecDialect"];
}

def VerifyMemoryPass : Pass<"regimen-verify-memory", "::mlir::ModuleOp"> {
  let summary = "Prove the layout of memory from the IR alone";
  let description = [{
    Every buffer has a place inside its arena; buffers that are alive at the same time do not overlap, by lifetimes that
    this pass finds itself; a program's lower bound is no larger than its arena. Uses nothing of the planner.
  }];
}

#endif // REGIMEN_PASSES_ALLOCATE
