//===- OwnKernels.h - The runtime's own kernels ---------------------------===//
//
// Used where ATen's kernel copies, is slow, or does not exist. Arguments stand in the order of the
// ATen operator that a kernel replaces, then come the results.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_RUNTIME_KERNELS_OWNKERNELS_H
#define REGIMEN_RUNTIME_KERNELS_OWNKERNELS_H

#include "runtime/kernels/BoundCall.h"

#include <optional>
#include <string_view>

namespace regimen::runtime {

/// Typed access to the operands of a call. Every accessor throws Error when the plan has something
/// else there.
class OwnOperands {
public:
  explicit OwnOperands(const CallSite &site) : site(site) {}

  void expectCounts(size_t arguments, size_t results) const;
  const at::Tensor &tensor(size_t argument) const;
  std::vector<at::Tensor> tensorList(size_t argument) const;
  int64_t integer(size_t argument) const;
  std::vector<int64_t> integers(size_t argument) const;
  /// An integer, or `otherwise` where the argument is none.
  int64_t integerOr(size_t argument, int64_t otherwise) const;
  const at::Tensor &result(size_t i) const;
  const CallSite &callSite() const { return site; }
  [[noreturn]] void fail(const std::string &what) const;

  /// A number that may come from a register.
  struct Number {
    at::Scalar value;
    std::optional<uint32_t> reg;
    at::Scalar get(Registers registers) const { return reg ? at::Scalar(registers[*reg]) : value; }
  };
  Number number(size_t argument) const;

private:
  const plan::fb::ArgT &argument(size_t i, std::initializer_list<plan::fb::ArgKind> kinds) const;
  const CallSite &site;
};

using OwnKernelFactory = std::unique_ptr<BoundCall> (*)(const OwnOperands &);

// The kernels. Each is a function of its operands alone; none depends on addresses or on the number
// of threads.

/// global_norm(Tensor[] gradients) -> f32 0-d: the 2-norm of all elements together. See
/// GlobalNorm.h.
std::unique_ptr<BoundCall> bindGlobalNorm(const OwnOperands &operands);
/// sum_of_squares(Tensor[] tensors) -> i64 [29]: SumOfSquares::words of all elements together.
std::unique_ptr<BoundCall> bindSumOfSquares(const OwnOperands &operands);
/// norm_of_squares(i64 [ranks, 29]) -> f32 0-d: the root of such sums added up.
std::unique_ptr<BoundCall> bindNormOfSquares(const OwnOperands &operands);
/// embedding_backward(grad, indices, num_weights, padding_idx, scale_grad_by_freq) -> gradient of
/// the table: zeros, then the rows of grad added in the order of indices, as
/// at::embedding_dense_backward's bits.
std::unique_ptr<BoundCall> bindEmbeddingBackward(const OwnOperands &operands);
/// gelu_tanh(x) -> gelu(x, approximate='tanh'), contiguous f32 or bf16.
std::unique_ptr<BoundCall> bindGeluTanh(const OwnOperands &operands);
/// gelu_tanh_backward(grad, x) -> gradient of x.
std::unique_ptr<BoundCall> bindGeluTanhBackward(const OwnOperands &operands);
/// slice_backward(grad, input_sizes, dim, start, end, step) -> zeros with grad in the window.
std::unique_ptr<BoundCall> bindSliceBackward(const OwnOperands &operands);
/// select_backward(grad, input_sizes, dim, index) -> zeros with grad in the window.
std::unique_ptr<BoundCall> bindSelectBackward(const OwnOperands &operands);
/// slice_scatter(self, src, dim, start, end, step) -> self with src in the window. ATen's copies
/// all storage that self is part of, here the arena.
std::unique_ptr<BoundCall> bindSliceScatter(const OwnOperands &operands);
/// select_scatter(self, src, dim, index) -> self with src in the window.
std::unique_ptr<BoundCall> bindSelectScatter(const OwnOperands &operands);
/// copy(source) -> destination, any strides, any types.
std::unique_ptr<BoundCall> bindCopy(const OwnOperands &operands);
/// move(source) -> the same in the other memory, on lane copy.
std::unique_ptr<BoundCall> bindMove(const OwnOperands &operands);
/// accumulate_gradient(gradient, value, has_gradient) -> gradient: value is added where the flag is
/// not 0, else written; the bits of autograd's own accumulation.
std::unique_ptr<BoundCall> bindAccumulateGradient(const OwnOperands &operands);
/// fill(number) -> destination.
std::unique_ptr<BoundCall> bindFill(const OwnOperands &operands);

/// Throws Error for a name that is not in the table.
std::unique_ptr<BoundCall> bindOwnKernel(const CallSite &site);

/// A call that is a function of the registers.
template <typename Function> std::unique_ptr<BoundCall> makeCall(Function function) {
  class FunctionCall : public BoundCall {
  public:
    explicit FunctionCall(Function function) : function(std::move(function)) {}
    void run(Registers registers) override { function(registers); }

  private:
    Function function;
  };
  return std::make_unique<FunctionCall>(std::move(function));
}

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_KERNELS_OWNKERNELS_H
