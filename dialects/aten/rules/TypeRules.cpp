//===- TypeRules.cpp - Result types of aten ops ---------------------------===//
#include "dialects/aten/rules/TypeRules.h"

using namespace mlir;
using namespace regimen::aten;

LogicalResult rules::likeFirst(const InferArgs &args, SmallVectorImpl<Type> &types) {
  types.push_back(args.operands.front().getType());
  return success();
}
