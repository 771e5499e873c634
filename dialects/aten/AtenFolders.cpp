//===- AtenFolders.cpp - Folders of the aten dialect ----------------------===//
#include "dialects/aten/AtenOps.h"

using namespace regimen::aten;

mlir::OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }
