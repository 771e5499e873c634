//===- AtenSchemas.cpp - The generated schema table -----------------------===//
#include "dialects/aten/AtenOps.h"
#include "dialects/aten/rules/TypeRules.h"
#include "llvm/ADT/StringMap.h"

#include "dialects/aten/AtenSchemas.cpp.inc"
