//===- FuzzExpr.cpp - Any text as a size expression ------------------------===//

#include "formats/Error.h"
#include "formats/pt2/Expr.h"

#include <cstdlib>

using namespace regimen;
using regimen::pt2::Expr;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try {
    Expr expr = Expr::parse({reinterpret_cast<const char *>(data), size});
    std::map<std::string, int64_t> bindings;
    for (const std::string &symbol : expr.symbols())
      bindings[symbol] = static_cast<int64_t>(bindings.size()) * 7 - 3;
    expr.str();
    expr.evaluate(bindings);
  } catch (const Error &) {
  }
  return 0;
}
