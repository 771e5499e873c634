#include "formats/pt2/Expr.h"

#include "formats/Error.h"

#include <algorithm>
#include <cctype>
#include <charconv>

using namespace regimen;
using namespace regimen::pt2;

struct Expr::Node {
  Kind kind;
  int64_t value = 0;
  std::string name;
  std::vector<Expr> operands;
};

/// Deepest nesting that parses; real expressions have a handful of levels.
static constexpr unsigned kMaxDepth = 200;

Expr::Expr() : Expr(int64_t{0}) {}
Expr::Expr(int64_t value) : node(std::make_shared<Node>(Node{Kind::Constant, value, {}, {}})) {}

Expr Expr::symbol(std::string name) {
  return Expr(std::make_shared<const Node>(Node{Kind::Symbol, 0, std::move(name), {}}));
}

Expr Expr::make(Kind kind, std::vector<Expr> operands) {
  return Expr(std::make_shared<const Node>(Node{kind, 0, {}, std::move(operands)}));
}

Expr::Kind Expr::kind() const { return node->kind; }
int64_t Expr::constant() const { return node->value; }
const std::string &Expr::symbolName() const { return node->name; }
const std::vector<Expr> &Expr::operands() const { return node->operands; }

bool Expr::operator==(const Expr &other) const {
  if (node == other.node)
    return true;
  return node->kind == other.node->kind && node->value == other.node->value &&
         node->name == other.node->name && node->operands == other.node->operands;
}

std::set<std::string> Expr::symbols() const {
  std::set<std::string> names;
  if (kind() == Kind::Symbol)
    names.insert(symbolName());
  for (const Expr &operand : operands())
    names.merge(operand.symbols());
  return names;
}

std::string Expr::str() const {
  auto join = [&](const char *separator) {
    std::string text;
    for (const Expr &operand : operands()) {
      if (!text.empty())
        text += separator;
      text += operand.str();
    }
    return text;
  };
  switch (kind()) {
  case Kind::Constant:
    return std::to_string(constant());
  case Kind::Symbol:
    return symbolName();
  case Kind::Add:
    return "(" + join(" + ") + ")";
  case Kind::Mul:
    return "(" + join("*") + ")";
  case Kind::FloorDiv:
    return "(" + join("//") + ")";
  case Kind::Pow:
    return "(" + join("**") + ")";
  case Kind::CeilDiv:
    return "CeilDiv(" + join(", ") + ")";
  case Kind::Mod:
    return "Mod(" + join(", ") + ")";
  case Kind::Max:
    return "Max(" + join(", ") + ")";
  case Kind::Min:
    return "Min(" + join(", ") + ")";
  }
  return {};
}

static int64_t floorDiv(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a % b < 0) != (b < 0));
}

int64_t Expr::evaluate(const std::map<std::string, int64_t> &bindings) const {
  auto fail = [&](const std::string &what) -> int64_t {
    throw Error("size expression '" + str() + "': " + what);
  };
  if (kind() == Kind::Constant)
    return constant();
  if (kind() == Kind::Symbol) {
    auto it = bindings.find(symbolName());
    if (it == bindings.end())
      return fail("no value for '" + symbolName() + "'");
    return it->second;
  }
  int64_t value = operands().front().evaluate(bindings);
  for (auto it = operands().begin() + 1; it != operands().end(); ++it) {
    int64_t right = it->evaluate(bindings);
    bool overflow = false;
    switch (kind()) {
    case Kind::Add:
      overflow = __builtin_add_overflow(value, right, &value);
      break;
    case Kind::Mul:
      overflow = __builtin_mul_overflow(value, right, &value);
      break;
    case Kind::FloorDiv:
    case Kind::CeilDiv:
    case Kind::Mod: {
      if (right == 0)
        return fail("division by zero");
      if (value == INT64_MIN)
        return fail("overflow");
      int64_t quotient =
          kind() == Kind::CeilDiv ? -floorDiv(-value, right) : floorDiv(value, right);
      value = kind() == Kind::Mod ? value - quotient * right : quotient;
      break;
    }
    case Kind::Pow: {
      if (right < 0 || right > 64)
        return fail("exponent out of range");
      int64_t base = value;
      value = 1;
      for (int64_t i = 0; i < right; ++i)
        overflow |= __builtin_mul_overflow(value, base, &value);
      break;
    }
    case Kind::Max:
      value = std::max(value, right);
      break;
    case Kind::Min:
      value = std::min(value, right);
      break;
    case Kind::Constant:
    case Kind::Symbol:
      break;
    }
    if (overflow)
      return fail("overflow");
  }
  return value;
}

namespace {
/// Recursive descent over sympy's text: infix with Python's precedence, and constructor calls as
/// srepr writes them.
class Parser {
public:
  explicit Parser(std::string_view text) : text(text) {}

  Expr run() {
    Expr expr = sum(0);
    skipSpace();
    if (at != text.size())
      fail();
    return expr;
  }

private:
  [[noreturn]] void fail() {
    throw Error("cannot read the size expression '" + std::string(text.substr(0, 200)) +
                "' (at character " + std::to_string(at) + ")");
  }
  void skipSpace() {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])))
      ++at;
  }
  bool take(std::string_view token) {
    skipSpace();
    if (!text.substr(at).starts_with(token))
      return false;
    at += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token))
      fail();
  }

  Expr sum(unsigned depth) {
    if (depth > kMaxDepth)
      fail();
    std::vector<Expr> terms{product(depth)};
    while (true) {
      if (take("+"))
        terms.push_back(product(depth));
      else if (take("-"))
        terms.push_back(negate(product(depth)));
      else
        break;
    }
    return terms.size() == 1 ? terms[0] : Expr::make(Expr::Kind::Add, std::move(terms));
  }

  Expr product(unsigned depth) {
    Expr left = unary(depth);
    while (true) {
      Expr::Kind kind;
      if (take("//"))
        kind = Expr::Kind::FloorDiv;
      else if (take("*"))
        kind = Expr::Kind::Mul;
      else if (take("%"))
        kind = Expr::Kind::Mod;
      else
        return left;
      if (++joined > kMaxDepth)
        fail(); // a chain becomes a deep tree
      left = Expr::make(kind, {std::move(left), unary(depth)});
    }
  }

  Expr unary(unsigned depth) {
    if (depth > kMaxDepth)
      fail();
    if (take("-"))
      return negate(unary(depth + 1));
    Expr base = atom(depth);
    if (take("**"))
      return Expr::make(Expr::Kind::Pow, {std::move(base), unary(depth + 1)});
    return base;
  }

  static Expr negate(Expr value) {
    if (value.isConstant() && value.constant() != INT64_MIN)
      return Expr(-value.constant());
    return Expr::make(Expr::Kind::Mul, {Expr(-1), std::move(value)});
  }

  std::string identifier() {
    skipSpace();
    size_t start = at;
    while (at < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_'))
      ++at;
    return std::string(text.substr(start, at - start));
  }

  Expr number() {
    int64_t value = 0;
    auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
    if (error != std::errc())
      fail();
    at = static_cast<size_t>(end - text.data());
    return Expr(value);
  }

  Expr atom(unsigned depth) {
    skipSpace();
    if (at == text.size())
      fail();
    if (take("(")) {
      Expr inner = sum(depth + 1);
      expect(")");
      return inner;
    }
    if (std::isdigit(static_cast<unsigned char>(text[at])))
      return number();
    std::string word = identifier();
    if (word.empty())
      fail();
    if (!take("("))
      return Expr::symbol(std::move(word));
    if (word == "Symbol")
      return quotedSymbol();
    if (word == "Integer") {
      bool negative = take("-");
      skipSpace();
      Expr value = number();
      expect(")");
      return negative ? negate(value) : value;
    }
    return call(word, depth);
  }

  /// `Symbol('s72', positive=True, integer=True)` after its parenthesis; the assumptions do not
  /// matter.
  Expr quotedSymbol() {
    skipSpace();
    if (at == text.size() || (text[at] != '\'' && text[at] != '"'))
      fail();
    size_t close = text.find(text[at], at + 1);
    if (close == std::string_view::npos || close == at + 1)
      fail();
    std::string symbol(text.substr(at + 1, close - at - 1));
    at = text.find(')', close);
    if (at == std::string_view::npos) {
      at = close;
      fail();
    }
    ++at;
    return Expr::symbol(std::move(symbol));
  }

  Expr call(const std::string &word, unsigned depth) {
    static const std::map<std::string, Expr::Kind, std::less<>> kinds = {
        {"Add", Expr::Kind::Add},           {"Mul", Expr::Kind::Mul},
        {"FloorDiv", Expr::Kind::FloorDiv}, {"CleanDiv", Expr::Kind::FloorDiv},
        {"CeilDiv", Expr::Kind::CeilDiv},   {"Mod", Expr::Kind::Mod},
        {"PythonMod", Expr::Kind::Mod},     {"Pow", Expr::Kind::Pow},
        {"PowByNatural", Expr::Kind::Pow},  {"Max", Expr::Kind::Max},
        {"Min", Expr::Kind::Min},
    };
    auto it = kinds.find(word);
    if (it == kinds.end())
      fail();
    std::vector<Expr> operands;
    do {
      // srepr ends a commutative call with its evaluate flag.
      skipSpace();
      if (text.substr(at).starts_with("evaluate")) {
        at = std::min(text.find(')', at), text.size());
        break;
      }
      operands.push_back(sum(depth + 1));
    } while (take(","));
    expect(")");
    bool binary = it->second != Expr::Kind::Add && it->second != Expr::Kind::Mul &&
                  it->second != Expr::Kind::Max && it->second != Expr::Kind::Min;
    if (operands.empty() || (binary && operands.size() != 2))
      fail();
    return operands.size() == 1 ? operands[0] : Expr::make(it->second, std::move(operands));
  }

  std::string_view text;
  size_t at = 0;
  unsigned joined = 0;
};
} // namespace

Expr Expr::parse(std::string_view text) { return Parser(text).run(); }
