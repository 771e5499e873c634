//===- Moves.cpp - Copies, fills and gradients of windows -----------------===//
#include "runtime/kernels/OwnKernels.h"

#include <algorithm>
#include <cstring>

namespace regimen::runtime {
namespace {

/// Zeros `whole` and copies `grad` into `window`, a view of it.
std::unique_ptr<BoundCall> onZeros(at::Tensor grad, at::Tensor whole, at::Tensor window) {
  return makeCall(
      [grad = std::move(grad), whole = std::move(whole), window = std::move(window)](Registers) {
        whole.zero_();
        window.copy_(grad);
      });
}

/// Copies `base` into `whole` and `source` into `window`, a view of it.
std::unique_ptr<BoundCall> onBase(at::Tensor base, at::Tensor source, at::Tensor whole,
                                  at::Tensor window) {
  return makeCall([base = std::move(base), source = std::move(source), whole = std::move(whole),
                   window = std::move(window)](Registers) {
    whole.copy_(base);
    window.copy_(source);
  });
}

int64_t axisOf(const OwnOperands &operands, size_t argument, const at::Tensor &whole) {
  int64_t axis = operands.integerOr(argument, 0);
  if (axis < 0)
    axis += whole.dim();
  if (axis < 0 || axis >= whole.dim())
    operands.fail("has no axis " + std::to_string(axis));
  return axis;
}

void expectSizes(const OwnOperands &operands, at::IntArrayRef have, at::IntArrayRef want,
                 const char *what) {
  if (have != want)
    operands.fail(std::string("has ") + what + " of another shape than the plan declares");
}

/// The window of `whole` that arguments from `first` on give: dim, start, end, step.
at::Tensor sliceOf(const OwnOperands &operands, size_t first, const at::Tensor &whole,
                   const at::Tensor &content) {
  int64_t axis = axisOf(operands, first, whole), size = whole.size(axis);
  auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  int64_t start = clamp(operands.integerOr(first + 1, 0)),
          end = clamp(operands.integerOr(first + 2, size)), step = operands.integerOr(first + 3, 1);
  if (step < 1)
    operands.fail("needs a positive step");
  at::Tensor window = whole.slice(axis, start, std::max(start, end), step);
  expectSizes(operands, window.sizes(), content.sizes(), "a window");
  return window;
}

/// The window of `whole` that arguments from `first` on give: dim, index.
at::Tensor selectionOf(const OwnOperands &operands, size_t first, const at::Tensor &whole,
                       const at::Tensor &content) {
  int64_t axis = axisOf(operands, first, whole), index = operands.integer(first + 1);
  if (index < -whole.size(axis) || index >= whole.size(axis))
    operands.fail("has no index " + std::to_string(index));
  at::Tensor window = whole.select(axis, index);
  expectSizes(operands, window.sizes(), content.sizes(), "a window");
  return window;
}

} // namespace

std::unique_ptr<BoundCall> bindSliceBackward(const OwnOperands &operands) {
  operands.expectCounts(6, 1);
  const at::Tensor &grad = operands.tensor(0), &whole = operands.result(0);
  expectSizes(operands, whole.sizes(), operands.integers(1), "a result");
  return onZeros(grad, whole, sliceOf(operands, 2, whole, grad));
}

std::unique_ptr<BoundCall> bindSelectBackward(const OwnOperands &operands) {
  operands.expectCounts(4, 1);
  const at::Tensor &grad = operands.tensor(0), &whole = operands.result(0);
  expectSizes(operands, whole.sizes(), operands.integers(1), "a result");
  return onZeros(grad, whole, selectionOf(operands, 2, whole, grad));
}

std::unique_ptr<BoundCall> bindSliceScatter(const OwnOperands &operands) {
  operands.expectCounts(6, 1);
  const at::Tensor &base = operands.tensor(0), &source = operands.tensor(1),
                   &whole = operands.result(0);
  expectSizes(operands, whole.sizes(), base.sizes(), "a result");
  return onBase(base, source, whole, sliceOf(operands, 2, whole, source));
}

std::unique_ptr<BoundCall> bindSelectScatter(const OwnOperands &operands) {
  operands.expectCounts(4, 1);
  const at::Tensor &base = operands.tensor(0), &source = operands.tensor(1),
                   &whole = operands.result(0);
  expectSizes(operands, whole.sizes(), base.sizes(), "a result");
  return onBase(base, source, whole, selectionOf(operands, 2, whole, source));
}

std::unique_ptr<BoundCall> bindCopy(const OwnOperands &operands) {
  operands.expectCounts(1, 1);
  at::Tensor source = operands.tensor(0), destination = operands.result(0);
  if (source.sizes() != destination.sizes())
    source = source.expand(destination.sizes());
  return makeCall([source, destination](Registers) { destination.copy_(source); });
}

std::unique_ptr<BoundCall> bindMove(const OwnOperands &operands) {
  operands.expectCounts(1, 1);
  at::Tensor source = operands.tensor(0), destination = operands.result(0);
  expectSizes(operands, source.sizes(), destination.sizes(), "an argument");
  bool bytewise = source.strides() == destination.strides() &&
                  source.is_non_overlapping_and_dense() &&
                  source.scalar_type() == destination.scalar_type();
  return makeCall([source, destination, bytewise](Registers) {
    if (!bytewise)
      destination.copy_(source);
    else if (size_t bytes = source.nbytes())
      std::memcpy(destination.mutable_data_ptr(), source.const_data_ptr(), bytes);
  });
}

std::unique_ptr<BoundCall> bindAccumulateGradient(const OwnOperands &operands) {
  operands.expectCounts(3, 1);
  at::Tensor gradient = operands.result(0), value = operands.tensor(1);
  if (!gradient.is_set_to(operands.tensor(0)))
    operands.fail("gives another gradient than it takes");
  expectSizes(operands, value.sizes(), gradient.sizes(), "a value");
  return makeCall([gradient, value, flag = operands.number(2)](Registers registers) {
    if (flag.get(registers).toDouble() != 0.0)
      gradient.add_(value);
    else
      gradient.copy_(value);
  });
}

std::unique_ptr<BoundCall> bindFill(const OwnOperands &operands) {
  operands.expectCounts(1, 1);
  return makeCall([value = operands.number(0), destination = operands.result(0)](
                      Registers registers) { destination.fill_(value.get(registers)); });
}

} // namespace regimen::runtime
