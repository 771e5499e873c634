//===- regimen-tblgen.cpp - Op tables to C++ and documentation ------------===//
//
//   -gen-aten-schemas   OpSchema of every aten op, its inference hook, and the name lookup (needs TypeRules.td)
//
//===----------------------------------------------------------------------===//
#include "mlir/Tools/mlir-tblgen/MlirTblgenMain.h"

int main(int argc, char **argv) { return mlir::MlirTblgenMain(argc, argv); }
