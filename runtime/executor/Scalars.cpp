//===- Scalars.cpp --------------------------------------------------------===//
#include "runtime/executor/Scalars.h"

#include <cmath>

namespace regimen::runtime {

void evaluateScalars(const plan::fb::ProgramT &program, const Hypers &hypers,
                     std::vector<double> &registers) {
  using plan::fb::ScalarKind;
  for (size_t i = 0; i < program.scalars.size(); ++i) {
    const plan::fb::ScalarOpT &op = *program.scalars[i];
    auto a = [&] { return registers[op.a]; };
    auto b = [&] { return registers[op.b]; };
    double &value = registers[i];
    switch (op.kind) {
    case ScalarKind::Constant:
      value = op.value;
      break;
    case ScalarKind::Hyper:
      value = hypers.at(op.group)[static_cast<size_t>(op.hyper)];
      break;
    case ScalarKind::Add:
      value = a() + b();
      break;
    case ScalarKind::Sub:
      value = a() - b();
      break;
    case ScalarKind::Mul:
      value = a() * b();
      break;
    case ScalarKind::Div:
      value = a() / b();
      break;
    case ScalarKind::Pow:
      value = std::pow(a(), b());
      break;
    case ScalarKind::Sqrt:
      value = std::sqrt(a());
      break;
    case ScalarKind::Neg:
      value = -a();
      break;
    }
  }
}

} // namespace regimen::runtime
