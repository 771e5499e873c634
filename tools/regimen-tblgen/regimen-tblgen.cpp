//===- regimen-tblgen.cpp - Op tables to C++ and documentation ------------===//
//
//   -gen-aten-schemas  OpSchemas, inference hooks, lookup by name (TypeRules.td)
//   -gen-vjps          every op's gradient (Vjp.td)
//   -gen-kernels       every op's kernels (Kernels.td)
//   -gen-costs         floating-point operations (Costs.td)
//   -gen-coverage      the page of ops by tables (Coverage.td)
//
//===----------------------------------------------------------------------===//
#include "mlir/Tools/mlir-tblgen/MlirTblgenMain.h"

int main(int argc, char **argv) { return mlir::MlirTblgenMain(argc, argv); }
