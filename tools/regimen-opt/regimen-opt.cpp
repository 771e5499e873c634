//===- regimen-opt.cpp - Runs any pass or stage on text -------------------===//
//
//   regimen-opt FILE.mlir --pass-pipeline='builtin.module(regimen-autodiff{config={}})'
//
//===----------------------------------------------------------------------===//
#include "passes/Pipelines.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  regimen::registerAllDialects(registry);
  registry.insert<mlir::func::FuncDialect>();
  regimen::registerAllPasses();
  mlir::registerTransformsPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Regimen optimizer driver\n", registry));
}
