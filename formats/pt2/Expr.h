//===- Expr.h - Integer expressions over size symbols -----------*- C++ -*-===//
#ifndef REGIMEN_FORMATS_PT2_EXPR_H
#define REGIMEN_FORMATS_PT2_EXPR_H

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace regimen::pt2 {

/// An immutable integer expression, as sympy prints it: `Symbol('s72', positive=True,
/// integer=True)`, `Mul(Integer(8), Symbol('s17'))`, `8*s17 + 1`, `Max(2, s0)`, `(s0//2)`, `Mod(s0,
/// 4)`. Cheap to copy.
class Expr {
public:
  enum class Kind { Constant, Symbol, Add, Mul, FloorDiv, CeilDiv, Mod, Pow, Max, Min };

  /// The constant 0.
  Expr();
  Expr(int64_t value);
  /// Throws Error that quotes the text.
  static Expr parse(std::string_view text);
  static Expr symbol(std::string name);
  static Expr make(Kind kind, std::vector<Expr> operands);

  Kind kind() const;
  bool isConstant() const { return kind() == Kind::Constant; }
  /// Value of a constant.
  int64_t constant() const;
  /// Name of a symbol.
  const std::string &symbolName() const;
  const std::vector<Expr> &operands() const;

  /// Names of all symbols in it.
  std::set<std::string> symbols() const;
  /// Throws Error on an unbound symbol, division by zero, or overflow of 64 bits.
  int64_t evaluate(const std::map<std::string, int64_t> &bindings) const;
  /// Infix text, the same for equal trees.
  std::string str() const;

  bool operator==(const Expr &other) const;

private:
  struct Node;
  explicit Expr(std::shared_ptr<const Node> node) : node(std::move(node)) {}
  std::shared_ptr<const Node> node;
};

} // namespace regimen::pt2

#endif // REGIMEN_FORMATS_PT2_EXPR_H
