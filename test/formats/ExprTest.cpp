#include "formats/pt2/Expr.h"
#include "formats/Error.h"

#include <gtest/gtest.h>

using namespace regimen;
using regimen::pt2::Expr;

static int64_t value(const char *text) {
  return Expr::parse(text).evaluate({{"s0", 7}, {"s72", 4}, {"x", -7}});
}

TEST(Expr, EvaluatesInfix) {
  EXPECT_EQ(value("12"), 12);
  EXPECT_EQ(value("8*s72 + 1"), 33);
  EXPECT_EQ(value("s0 - 2*(s72 - 1)"), 1);
  EXPECT_EQ(value("-s0 + 1"), -6);
  EXPECT_EQ(value("s0//2"), 3);
  EXPECT_EQ(value("x//2"), -4);
  EXPECT_EQ(value("x % 4"), 1);
  EXPECT_EQ(value("s72**2*3"), 48);
  EXPECT_EQ(value("((s0))"), 7);
}

TEST(Expr, EvaluatesSympyConstructors) {
  EXPECT_EQ(value("Symbol('s72', positive=True, integer=True)"), 4);
  EXPECT_EQ(value("Mul(Integer(-8), Symbol('s72', positive=True, integer=True))"), -32);
  EXPECT_EQ(value("Add(Mul(Integer(2), Symbol('s0')), Integer(1))"), 15);
  EXPECT_EQ(value("Max(2, s0, 5)"), 7);
  EXPECT_EQ(value("Min(Integer(3), s0)"), 3);
  EXPECT_EQ(value("FloorDiv(s0, 2)"), 3);
  EXPECT_EQ(value("CeilDiv(s0, 2)"), 4);
  EXPECT_EQ(value("Mod(s0, 4)"), 3);
  EXPECT_EQ(value("PythonMod(x, 4)"), 1);
  EXPECT_EQ(value("Pow(s72, Integer(3))"), 64);
}

TEST(Expr, KnowsItsSymbolsAndText) {
  Expr expr = Expr::parse("Mul(Integer(8), Symbol('s17', positive=True)) + s2//3");
  EXPECT_EQ(expr.symbols(), (std::set<std::string>{"s17", "s2"}));
  EXPECT_EQ(expr.str(), "((8*s17) + (s2//3))");
  EXPECT_EQ(expr, Expr::parse("8*s17 + s2//3"));
  EXPECT_FALSE(expr == Expr::parse("8*s17 + s2//4"));
  EXPECT_EQ(Expr::parse("-5").constant(), -5);
}

TEST(Expr, RefusesWhatItCannotRead) {
  for (const char *text :
       {"", "s0 +", "(s0", "sin(s0)", "s0 $ 1", "Symbol(s0)", "Symbol('s0'", "FloorDiv(1)",
        "Mod(1, 2, 3)", "99999999999999999999", "1.5", "Integer('x')", "Max()"})
    EXPECT_THROW(Expr::parse(text), Error) << text;
  EXPECT_THROW(Expr::parse(std::string(100000, '(')), Error);
  EXPECT_THROW(Expr::parse(std::string(100000, '-')), Error);
  std::string chain = "1";
  for (int i = 0; i < 10000; ++i)
    chain += "*s0";
  EXPECT_THROW(Expr::parse(chain), Error);
}

TEST(Expr, RefusesToGuessValues) {
  EXPECT_THROW(value("unbound"), Error);
  EXPECT_THROW(value("s0//0"), Error);
  EXPECT_THROW(value("Mod(s0, s0 - 7)"), Error);
  EXPECT_THROW(value("9223372036854775807 + s0"), Error);
  EXPECT_THROW(value("9223372036854775807*2"), Error);
  EXPECT_THROW(value("2**64"), Error);
  EXPECT_THROW(value("2**-1"), Error);
}
