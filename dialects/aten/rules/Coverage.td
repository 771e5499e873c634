//===- Coverage.td - All tables together, for the coverage page -----------===//

include "dialects/aten/rules/TypeRules.td"
include "dialects/aten/rules/Vjp.td"
include "dialects/aten/rules/Kernels.td"
