//===- Passes.td - Import: an exported graph, cleaned ---------------------===//

#ifndef REGIMEN_PASSES_IMPORT_PASSES
#define REGIMEN_PASSES_IMPORT_PASSES

include "mlir/Pass/PassBase.td"

def FoldConstants : Pass<"regimen-fold-constants", "::regimen::train::ProgramOp"> {
  let summary = "Evaluates integer and boolean ops on constants";
  let description = [{
    Exports compute positions and masks from `arange`; at static shapes these are constants. Float math stays: its bits
    are its kernels'. Ops whose result outgrows their operands (a mask from two ranges) stay too when it is large, and
    so does an `expand`, whose operand is stored instead. Equal constants are shared, at the start of the program.

    ```mlir
    %p = aten.arange(%c4) {dtype = i64} : (i64) -> tensor<4xi64>
    %u = aten.unsqueeze(%p) {dim = 0 : i64} : (tensor<4xi64>) -> tensor<1x4xi64>
    // becomes
    %u = aten.constant dense<[[0, 1, 2, 3]]> : tensor<1x4xi64>
    ```
  }];
  let dependentDialects = ["::regimen::aten::AtenDialect"];
  let options = [
    Option<"maxElements", "max-elements", "int64_t", /*default=*/"1 << 20",
           "Largest constant, in elements, of an op that outgrows its operands">,
  ];
  let statistics = [
    Statistic<"numFolded", "folded", "Ops evaluated">,
    Statistic<"numConstants", "constants", "Constants that remain">,
  ];
}

def RecognizeCausalMask : Pass<"regimen-recognize-causal-mask", "::regimen::train::ProgramOp"> {
  let summary = "Replaces an attention mask that is known to be causal by is_causal";
  let description = [{
    Attention with `is_causal` gives the bits of attention with the explicit mask, without storing or computing it, and
    lets kernels skip the upper triangle. Queries and keys must be of one length. Other masks stay.
  }];
  let dependentDialects = ["::regimen::aten::AtenDialect"];
  let statistics = [Statistic<"numRecognized", "recognized", "Masks replaced">];
}

def DropIdentities : Pass<"regimen-drop-identities", "::regimen::train::ProgramOp"> {
  let summary = "Removes `alias` and those `clone`s that copy a tensor as it is";
  let description = [{
    A `clone` that keeps the memory format gives a dense tensor its own strides again, so that later kernels see the same
    thing without it. It stays where its operand may have gaps or overlaps (`slice`, `expand` and the like), and where
    the operand has other uses: gradients of several uses are added in the order of the graph, which would change.
    `detach` stays, it stops gradients.
  }];
  let statistics = [Statistic<"numDropped", "dropped", "Ops removed">];
}

def DropDeadCode : Pass<"regimen-drop-dead-code", "::regimen::train::ProgramOp"> {
  let summary = "Removes ops without effect whose results nobody uses";
  let statistics = [Statistic<"numDropped", "dropped", "Ops removed">];
}

def VerifyImport : Pass<"regimen-verify-import", "::mlir::ModuleOp"> {
  let summary = "Proves what the import stage promises";
  let description = [{
    One `forward` program with a loss, and an `evaluation` program where it was exported on its own; every op in them
    known; every storage symbol they name declared; only buffers written, by the forward, each once, after all reads.
  }];
}

#endif // REGIMEN_PASSES_IMPORT_PASSES
