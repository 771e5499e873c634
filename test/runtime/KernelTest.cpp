//===- KernelTest.cpp - Calls against ATen --------------------------------===//
#include "ToyPlan.h"

#include "formats/Error.h"
#include "runtime/executor/Executor.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

namespace regimen::runtime {
namespace {

using namespace regimen::test;
using fb::KernelMode;

class NoInputs : public InputLoader {
public:
  void load(const plan::fb::ProgramT &, size_t, std::span<std::byte>) override { FAIL(); }
};

bool sameBits(const at::Tensor &a, const at::Tensor &b) {
  at::Tensor x = a.contiguous(), y = b.contiguous();
  return x.sizes() == y.sizes() && x.scalar_type() == y.scalar_type() &&
         std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

/// A program of calls over tensors that the test fills.
class KernelTest : public testing::Test {
protected:
  KernelTest() { builder.program("calls", fb::Role::MicroStep, fb::Contribution::First); }
  uint32_t add(const at::Tensor &value) {
    uint32_t index = empty(value.sizes().vec(), value.scalar_type());
    values.push_back({index, value.contiguous()});
    return index;
  }
  uint32_t empty(std::vector<int64_t> sizes, at::ScalarType type = at::kFloat) {
    fb::DType dtype = type == at::kLong       ? fb::DType::I64
                      : type == at::kInt      ? fb::DType::I32
                      : type == at::kBFloat16 ? fb::DType::BF16
                      : type == at::kBool     ? fb::DType::Bool
                      : type == at::kDouble   ? fb::DType::F64
                                              : fb::DType::F32;
    return builder.tensor(std::move(sizes), dtype);
  }
  void run(unsigned threads = 1) {
    device = createCpuDevice(threads);
    executor = std::make_unique<Executor>(builder.plan, *device);
    for (const auto &[index, value] : values)
      executor->memory().copyIn(index, bytesOf(value));
    UnplannedMemory::resetPeak();
    NoInputs inputs;
    executor->run(0, hypers, inputs);
  }
  const at::Tensor &at(uint32_t index) { return executor->memory().tensors()[index]; }

  PlanBuilder builder;
  Hypers hypers;
  std::vector<std::pair<uint32_t, at::Tensor>> values;
  std::unique_ptr<Device> device;
  std::unique_ptr<Executor> executor;
};

TEST_F(KernelTest, OutWritesIntoThePlannedTensor) {
  at::Tensor a = at::randn({5, 7}), b = at::randn({7, 3}), c = at::randn({3});
  uint32_t out = empty({5, 3});
  builder.call(
      "aten::addmm.out", KernelMode::Out,
      {tensorArg(add(c)), tensorArg(add(a)), tensorArg(add(b)), defaultArg(), defaultArg()}, {out});
  run();
  EXPECT_TRUE(sameBits(at(out), at::addmm(c, a, b)));
  EXPECT_EQ(executor->unplannedBytes(), 0u);
}

TEST_F(KernelTest, OutRefusesAResultOfAnotherShape) {
  uint32_t out = empty({5, 4});
  builder.call("aten::mm.out", KernelMode::Out,
               {tensorArg(add(at::randn({5, 7}))), tensorArg(add(at::randn({7, 3})))}, {out});
  try {
    run();
    FAIL() << "ran";
  } catch (const Error &error) {
    EXPECT_NE(std::string(error.what()).find("instruction 0 of calls (aten.toy, toy.py:7)"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(KernelTest, FunctionalResultsLandInPlace) {
  at::Tensor x = at::randn({4, 6, 32}), w = at::randn({32}), b = at::randn({32});
  uint32_t y = empty({4, 6, 32}), mean = empty({4, 6, 1}), rstd = empty({4, 6, 1});
  builder.call(
      "aten::native_layer_norm", KernelMode::Functional,
      {tensorArg(add(x)), intsArg({32}), tensorArg(add(w)), tensorArg(add(b)), floatArg(1e-5)},
      {y, mean, rstd});
  run();
  auto [wantY, wantMean, wantRstd] = at::native_layer_norm(x, {32}, w, b, 1e-5);
  EXPECT_TRUE(sameBits(at(y), wantY) && sameBits(at(mean), wantMean) &&
              sameBits(at(rstd), wantRstd));
  EXPECT_EQ(executor->unplannedBytes(), 0u);
  EXPECT_EQ(executor->copiedResults(), 0u);
}

TEST_F(KernelTest, FunctionalScratchComesFromItsBuffer) {
  at::Tensor q = at::randn({2, 4, 64, 16}), k = at::randn({2, 4, 64, 16}),
             v = at::randn({2, 4, 64, 16});
  // The kernel lays its second result out as [batch, length, head].
  uint32_t out = empty({2, 4, 64, 16}), memory = empty({2, 64, 4});
  uint32_t lse = builder.view(memory, {2, 4, 64}, {256, 1, 4});
  auto arguments = [&](uint32_t q, uint32_t k, uint32_t v) {
    return std::vector<fb::ArgT>{tensorArg(q), tensorArg(k), tensorArg(v), floatArg(0.0),
                                 boolArg(true)};
  };
  auto [wantOut, wantLse] = at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, true);
  uint32_t qi = add(q), ki = add(k), vi = add(v);
  uint32_t scratch = builder.buffer(1 << 20, fb::Category::Workspace);
  builder.call("aten::_scaled_dot_product_flash_attention_for_cpu", KernelMode::Functional,
               arguments(qi, ki, vi), {out, lse}, static_cast<int32_t>(scratch));
  run();
  EXPECT_TRUE(sameBits(at(out), wantOut) && sameBits(at(lse), wantLse));
  EXPECT_EQ(executor->unplannedBytes(), 0u);
  EXPECT_EQ(executor->copiedResults(), 0u);

  // Without scratch the same call is right too, and what it takes is counted.
  builder.plan.programs[0]->instructions[0]->body.AsCall()->scratch = -1;
  run();
  EXPECT_TRUE(sameBits(at(out), wantOut));
  EXPECT_GT(executor->unplannedBytes(), 0u);
}

TEST_F(KernelTest, FunctionalResultsOfOtherStridesAreCopied) {
  at::Tensor x = at::randn({6, 8});
  uint32_t memory = empty({8, 6});
  uint32_t out = builder.view(memory, {6, 8}, {1, 6}); // the kernel's own result is row-major
  builder.call("aten::embedding", KernelMode::Functional,
               {tensorArg(add(x)), tensorArg(add(at::arange(6, at::kLong))), intArg(-1),
                boolArg(false), boolArg(false)},
               {out});
  run();
  EXPECT_TRUE(sameBits(at(out), x));
  EXPECT_EQ(executor->copiedResults(), 1u);
}

TEST_F(KernelTest, NumbersStandForTensorsAsInPython) {
  at::Tensor x = at::randint(0, 9, {5}, at::kLong), y = at::randn({5});
  uint32_t fromInt = empty({5}), fromFloat = empty({5}), compared = empty({5}, at::kBool);
  fb::ArgT two = intArg(2);
  two.kind = fb::ArgKind::ScalarInt;
  uint32_t xi = add(x), yi = add(y);
  builder.call("aten::mul.out", KernelMode::Out, {tensorArg(yi), two}, {fromInt});
  builder.call("aten::div.out", KernelMode::Out, {tensorArg(xi), scalarArg(2.5)}, {fromFloat});
  builder.call("aten::lt.Scalar_out", KernelMode::Out, {tensorArg(yi), two}, {compared});
  run();
  EXPECT_TRUE(sameBits(at(fromInt), y * 2));
  EXPECT_TRUE(sameBits(at(fromFloat), x / 2.5));
  EXPECT_TRUE(sameBits(at(compared), y < 2));
}

TEST_F(KernelTest, RegistersFollowTheHypers) {
  at::Tensor x = at::randn({5});
  uint32_t scaled = empty({5}), added = empty({5});
  uint32_t lr = builder.hyper(fb::Hyper::Lr), step = builder.hyper(fb::Hyper::Step);
  uint32_t power = builder.scalar(fb::ScalarKind::Pow, lr, step);
  uint32_t xi = add(x);
  builder.call("aten::mul.out", KernelMode::Out, {tensorArg(xi), registerArg(power)}, {scaled});
  builder.call("aten::add.out", KernelMode::Out, {tensorArg(xi), tensorArg(xi), registerArg(lr)},
               {added});
  hypers.resize(1);
  for (double rate : {0.3, 0.7}) {
    hypers[0][static_cast<size_t>(fb::Hyper::Lr)] = rate;
    hypers[0][static_cast<size_t>(fb::Hyper::Step)] = 3;
    run();
    EXPECT_TRUE(sameBits(at(scaled), x * std::pow(rate, 3.0)));
    EXPECT_TRUE(sameBits(at(added), at::add(x, x, rate)));
  }
}

TEST_F(KernelTest, UnknownKernelsAndMisfitArgumentsAreErrors) {
  uint32_t x = add(at::randn({5})), y = empty({5});
  auto fails = [&](const std::string &kernel, KernelMode mode, std::vector<fb::ArgT> args,
                   std::vector<uint32_t> results) {
    builder.plan.programs[0]->instructions.clear();
    builder.call(kernel, mode, std::move(args), std::move(results));
    EXPECT_THROW(run(), Error) << kernel;
  };
  fails("aten::no_such_thing.out", KernelMode::Out, {tensorArg(x)}, {y});
  fails("regimen::no_such_thing", KernelMode::Own, {tensorArg(x)}, {y});
  fails("aten::relu.out", KernelMode::Out, {tensorArg(x), tensorArg(x)}, {y});
  fails("aten::relu.out", KernelMode::Out, {intsArg({1})}, {y});
  fails("aten::relu.out", KernelMode::Out, {noneArg()}, {y});
  fails("aten::relu.out", KernelMode::Out, {tensorArg(x)}, {});
  fails("regimen::copy", KernelMode::Own, {tensorArg(x), tensorArg(x)}, {y});
  fails("regimen::copy", KernelMode::Own, {intArg(3)}, {y});
}

TEST_F(KernelTest, EmbeddingBackwardHasAtensBits) {
  for (unsigned threads : {1u, 2u}) {
    builder.plan.programs[0]->instructions.clear();
    at::Tensor grad = at::randn({3, 700, 24}), index = at::randint(0, 3000, {3, 700}, at::kLong);
    index.select(0, 1).fill_(5); // many additions to one row
    index.select(0, 2).narrow(0, 0, 9).fill_(11);
    uint32_t out = empty({3000, 24});
    builder.call(
        "regimen::embedding_backward", KernelMode::Own,
        {tensorArg(add(grad)), tensorArg(add(index)), intArg(3000), intArg(11), boolArg(false)},
        {out});
    run(threads);
    EXPECT_TRUE(sameBits(at(out), at::embedding_dense_backward(grad, index, 3000, 11, false)));
  }
}

TEST_F(KernelTest, EmbeddingBackwardRefusesIndicesOutside) {
  at::Tensor index = at::full({2}, 7, at::kLong);
  uint32_t out = empty({7, 4});
  builder.call("regimen::embedding_backward", KernelMode::Own,
               {tensorArg(add(at::randn({2, 4}))), tensorArg(add(index)), intArg(7), intArg(-1),
                boolArg(false)},
               {out});
  EXPECT_THROW(run(), Error);
}

TEST_F(KernelTest, WindowGradientsHaveAtensBits) {
  at::Tensor sliced = at::randn({4, 3, 5}), selected = at::randn({4, 5});
  uint32_t slice = empty({4, 9, 5}), select = empty({4, 9, 5});
  builder.call("regimen::slice_backward", KernelMode::Own,
               {tensorArg(add(sliced)), intsArg({4, 9, 5}), intArg(-2), intArg(1),
                intArg(INT64_MAX), intArg(3)},
               {slice});
  builder.call("regimen::select_backward", KernelMode::Own,
               {tensorArg(add(selected)), intsArg({4, 9, 5}), intArg(1), intArg(-2)}, {select});
  run();
  EXPECT_TRUE(sameBits(at(slice), at::slice_backward(sliced, {4, 9, 5}, 1, 1, INT64_MAX, 3)));
  EXPECT_TRUE(sameBits(at(select), at::select_backward(selected, {4, 9, 5}, 1, -2)));
}

TEST_F(KernelTest, ScattersIntoWindowsCopyNoMoreThanTheirOperand) {
  at::Tensor whole = at::randn({4, 9, 5}), slice = at::randn({4, 3, 5}), row = at::randn({4, 5}),
             first = at::randn({1, 9, 5});
  uint32_t base = add(whole), sliced = empty({4, 9, 5}), selected = empty({4, 9, 5}),
           defaulted = empty({4, 9, 5});
  builder.call(
      "regimen::slice_scatter", KernelMode::Own,
      {tensorArg(base), tensorArg(add(slice)), intArg(-2), intArg(1), intArg(INT64_MAX), intArg(3)},
      {sliced});
  builder.call("regimen::select_scatter", KernelMode::Own,
               {tensorArg(base), tensorArg(add(row)), intArg(1), intArg(-2)}, {selected});
  builder.call(
      "regimen::slice_scatter", KernelMode::Own,
      {tensorArg(base), tensorArg(add(first)), defaultArg(), noneArg(), intArg(1), defaultArg()},
      {defaulted});
  run();
  EXPECT_TRUE(sameBits(at(sliced), at::slice_scatter(whole, slice, 1, 1, INT64_MAX, 3)));
  EXPECT_TRUE(sameBits(at(selected), at::select_scatter(whole, row, 1, -2)));
  EXPECT_TRUE(sameBits(at(defaulted), at::slice_scatter(whole, first, 0, std::nullopt, 1)));
  EXPECT_EQ(executor->unplannedBytes(), 0u);
}

TEST_F(KernelTest, CopyAndFillTakeAnyStrides) {
  at::Tensor x = at::randn({3, 4});
  uint32_t memory = empty({4, 3}), row = add(at::randn({4})), spread = empty({3, 4}),
           filled = empty({4}, at::kBFloat16);
  uint32_t transposed = builder.view(memory, {3, 4}, {1, 3});
  builder.call("regimen::copy", KernelMode::Own, {tensorArg(add(x))}, {transposed});
  builder.call("regimen::copy", KernelMode::Own, {tensorArg(row)}, {spread});
  builder.call("regimen::fill", KernelMode::Own, {scalarArg(0.5)}, {filled});
  run();
  EXPECT_TRUE(sameBits(at(transposed), x));
  EXPECT_TRUE(sameBits(at(spread), at(row).expand({3, 4})));
  EXPECT_TRUE(sameBits(at(filled), at::full({4}, 0.5, at::kBFloat16)));
}

/// Distance from the exact value in units in the last place of the exact value.
double worstUlps(const at::Tensor &got, const at::Tensor &exact) {
  at::Tensor rounded = exact.to(at::kFloat);
  double worst = 0;
  for (int64_t i = 0; i < got.numel(); ++i) {
    float want = rounded.const_data_ptr<float>()[i];
    double unit = std::abs(static_cast<double>(std::nextafter(want, INFINITY)) - want);
    worst = std::max(
        worst, std::abs(got.const_data_ptr<float>()[i] - exact.const_data_ptr<double>()[i]) / unit);
  }
  return worst;
}

TEST_F(KernelTest, GeluTanhIsAsExactAsAten) {
  at::Tensor x = at::cat(
      {at::linspace(-9.5, 12, 40001, at::kFloat), at::randn({5003}) * 3, at::randn({100}) * 1e-5});
  at::Tensor grad = at::randn_like(x);
  uint32_t y = empty({x.numel()}), dx = empty({x.numel()});
  uint32_t xi = add(x), gi = add(grad);
  builder.call("regimen::gelu_tanh", KernelMode::Own, {tensorArg(xi)}, {y});
  builder.call("regimen::gelu_tanh_backward", KernelMode::Own, {tensorArg(gi), tensorArg(xi)},
               {dx});
  run();
  // ATen's fp64 kernels cancel for negative x, so they cannot be the judge.
  at::Tensor xd = x.to(at::kDouble), gd = grad.to(at::kDouble);
  double scale = std::sqrt(8 / std::numbers::pi);
  at::Tensor inner = scale * (xd + 0.044715 * xd * xd * xd);
  at::Tensor s = at::reciprocal(1 + at::exp(-inner)), rest = at::reciprocal(1 + at::exp(inner));
  at::Tensor exact = xd * s, slope = scale * (1 + 3 * 0.044715 * xd * xd);
  at::Tensor exactGrad = gd * (s + xd * s * rest * slope);
  at::Tensor atens = at::gelu(x, "tanh"), atensGrad = at::gelu_backward(grad, x, "tanh");
  EXPECT_LE(worstUlps(at(y), exact), 2 * worstUlps(atens, exact) + 1);
  EXPECT_LE(worstUlps(at(dx), exactGrad), 2 * worstUlps(atensGrad, exactGrad) + 1);
  // Relative to the operands, which is what matters downstream, and without the tails where ATen
  // cancels.
  auto worst = [](const at::Tensor &got, const at::Tensor &want, const at::Tensor &size) {
    return ((got.to(at::kDouble) - want).abs() / size.abs().to(at::kDouble))
        .max()
        .item()
        .toDouble();
  };
  EXPECT_LE(worst(at(y), exact, x), 2 * worst(atens, exact, x));
  EXPECT_LE(worst(at(dx), exactGrad, grad), 2 * worst(atensGrad, exactGrad, grad));
}

TEST_F(KernelTest, GeluTanhAtTheEdges) {
  at::Tensor x = at::tensor({-1e30f, -100.0f, -0.0f, 0.0f, 100.0f, 1e30f, INFINITY, std::nanf("")});
  uint32_t y = empty({8}), dx = empty({8});
  uint32_t xi = add(x), ones = add(at::ones({8}));
  builder.call("regimen::gelu_tanh", KernelMode::Own, {tensorArg(xi)}, {y});
  builder.call("regimen::gelu_tanh_backward", KernelMode::Own, {tensorArg(ones), tensorArg(xi)},
               {dx});
  run();
  const float *value = at(y).const_data_ptr<float>(), *slope = at(dx).const_data_ptr<float>();
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(value[i], 0.0f) << i;
  EXPECT_EQ(value[4], 100.0f);
  EXPECT_EQ(value[5], 1e30f);
  EXPECT_EQ(value[6], INFINITY);
  EXPECT_TRUE(std::isnan(value[7]) && std::isnan(slope[7]));
  EXPECT_EQ(slope[1], 0.0f);
  EXPECT_EQ(slope[3], 0.5f);
  EXPECT_EQ(slope[4], 1.0f);
}

} // namespace
} // namespace regimen::runtime
