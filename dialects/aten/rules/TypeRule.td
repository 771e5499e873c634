#ifndef REGIMEN_DIALECTS_ATEN_RULES_TYPERULE
#define REGIMEN_DIALECTS_ATEN_RULES_TYPERULE

include "mlir/IR/OpBase.td"

/// Ops whose result types come from one rule: a function of regimen::aten::rules (TypeRules.h).
class TypeRule<string cppFunction, list<Op> opList> {
  string function = cppFunction;
  list<Op> ops = opList;
}

#endif // REGIMEN_DIALECTS_ATEN_RULES_TYPERULE
