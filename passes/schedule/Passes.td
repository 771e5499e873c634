//===- Passes.td - Passes of the stage schedule ---------------*- tablegen -*-===//

#ifndef REGIMEN_PASSES_SCHEDULE
#define REGIMEN_PASSES_SCHEDULE

include "mlir/Pass/PassBase.td"

def LowerToExecPass : Pass<"regimen-lower-to-exec", "::mlir::ModuleOp"> {
  let summary = "Turn train programs into instruction lists over buffers";
  let description = [{
    Every tensor gets the strides that it has in eager PyTorch and a place: a static buffer, a buffer of the program, or
    a window of either. Every op gets a kernel. Values that are written to storage are made there where no read of the
    old value is overtaken; views run nothing. Inputs are loaded on lane copy, at the start.

    Input:
    ```mlir
    train.parameter @w : tensor<4x2xf32> trainable
    train.program @update update inputs [] outputs [] {
      %w = train.read @w : tensor<4x2xf32>
      %half = arith.constant 0.5 : f64
      %new = aten.mul.Scalar(%w, %half) : (tensor<4x2xf32>, f64) -> tensor<4x2xf32>
      train.write %new, @w : tensor<4x2xf32>
    }
    ```
    Output:
    ```mlir
    train.parameter @w : tensor<4x2xf32> trainable
    exec.static @"w:storage" bytes 32 category(params)
    exec.bind @w at @"w:storage"[0] : memref<4x2xf32>
    exec.program @update update inputs [] outputs [] {
      %storage = exec.get @"w:storage"
      %w = exec.view %storage[0] : memref<4x2xf32>
      exec.call "aten::mul.out" out(%w, scalar_float 0.5) -> (%w) : (memref<4x2xf32>) -> (memref<4x2xf32>)
      exec.return
    }
    ```
  }];
  let dependentDialects = ["::regimen::exec::ExecDialect"];
  let options = [
    Option<"fuse", "fuse", "bool", "true", "Use the default path's kernels; false is the reference path">,
    Option<"threads", "threads", "int64_t", "1", "Threads a rank, for the bounds of kernels' temporaries">,
    Option<"ring", "ring", "bool", "false", "Reduce gradients by a ring, for the bounds of its temporaries">,
  ];
}

def ScheduleCollectivesPass : Pass<"regimen-schedule-collectives", "::regimen::train::ProgramOp"> {
  let summary = "Start gathers earlier and wait for reductions later, so that they run beside kernels";
  let description = [{
    A gather of sharded parameters starts as long before its use as it may take by the times of passes/cost; a reduction is
    waited for late. At most two buckets are gathered at one time, and four windows of gradients held.
    Gathers keep their order, and so do reductions; a gather may pass the start of a reduction. Parameters that an update gathers are waited for at its end.

    ```mlir
    %0 = aten.mm(...)
    %gather = dist.start all_gather @bucket1
    dist.wait %gather
    // becomes
    %gather = dist.start all_gather @bucket1
    %0 = aten.mm(...)
    dist.wait %gather
    ```
  }];
  let dependentDialects = ["::regimen::dist::DistDialect"];
  let options = [
    Option<"threads", "threads", "int64_t", "1", "Threads a rank">,
    Option<"mostBytes", "most-bytes", "int64_t", "-1", "Buckets above this are not gathered ahead; -1: all may be">,
  ];
}

def AssignEventsPass : Pass<"regimen-assign-events", "::regimen::exec::ProgramOp"> {
  let summary = "Order accesses of the same bytes from different lanes by events";
  let description = [{
    An instruction that touches what another lane wrote, or writes what it touched, waits for an event that the other
    lane records behind its instruction, unless earlier events order the two already.
  }];
}

def VerifySchedulePass : Pass<"regimen-verify-schedule", "::mlir::ModuleOp"> {
  let summary = "Prove the stage's invariants";
  let description = [{
    Every pair of conflicting accesses is ordered; what is read was written before; every wait has its record before it
    in the program, every event one record; every storage symbol is placed, and no two overlap. Only moves touch two
    memories.
  }];
}

#endif // REGIMEN_PASSES_SCHEDULE
