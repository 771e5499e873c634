//===- Embedding.cpp - Gradient of a table from the rows looked up --------===//
#include "runtime/kernels/OwnKernels.h"

#include "formats/Error.h"

#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>

#include <atomic>
#include <cstring>

namespace regimen::runtime {
namespace {

/// Rows of a table that one thread keeps for itself are at least this many.
constexpr int64_t kGrain = 1024;

template <typename Element, typename Index>
void addRows(const at::Tensor &grad, const at::Tensor &indices, int64_t padding,
             const at::Tensor &table, const std::string &where) {
  const auto *rows = grad.const_data_ptr<Element>();
  const auto *index = indices.const_data_ptr<Index>();
  auto *out = table.mutable_data_ptr<Element>();
  const int64_t count = indices.numel(), height = table.size(0), width = table.size(1);
  std::atomic<bool> outside{false};
  // Each thread owns a range of the table's rows and sees all indices in order, so the order of
  // additions to a row does not depend on the threads.
  at::parallel_for(0, height, kGrain, [&](int64_t begin, int64_t end) {
    std::memset(static_cast<void *>(out + begin * width), 0,
                sizeof(Element) * static_cast<size_t>((end - begin) * width));
    for (int64_t i = 0; i < count; ++i) {
      int64_t row = index[i];
      if (row < 0 || row >= height) {
        outside.store(true, std::memory_order_relaxed);
        continue;
      }
      if (row < begin || row >= end || row == padding)
        continue;
      Element *target = out + row * width;
      const Element *source = rows + i * width;
      for (int64_t j = 0; j < width; ++j)
        target[j] = target[j] + source[j];
    }
  });
  if (outside)
    throw Error(where + ": an index is outside the embedding table of " + std::to_string(height) +
                " rows");
}

} // namespace

std::unique_ptr<BoundCall> bindEmbeddingBackward(const OwnOperands &operands) {
  operands.expectCounts(5, 1);
  const at::Tensor &grad = operands.tensor(0), &indices = operands.tensor(1),
                   &table = operands.result(0);
  int64_t padding = operands.integer(3);
  if (operands.integer(4))
    operands.fail("does not scale gradients by frequency");
  if (table.dim() != 2 || table.size(0) != operands.integer(2) ||
      grad.numel() != indices.numel() * table.size(1) || grad.scalar_type() != table.scalar_type())
    operands.fail("has operands that do not fit each other");
  if (!grad.is_contiguous() || !indices.is_contiguous() || !table.is_contiguous())
    operands.fail("needs contiguous operands");
  const bool wide = indices.scalar_type() == at::kLong;
  if (!wide && indices.scalar_type() != at::kInt)
    operands.fail("needs integer indices");
  auto make = [&](auto function) {
    return makeCall([function, grad, indices, padding, table, where = operands.callSite().where](
                        Registers) { function(grad, indices, padding, table, where); });
  };
  if (grad.scalar_type() == at::kFloat)
    return wide ? make(&addRows<float, int64_t>) : make(&addRows<float, int32_t>);
  if (grad.scalar_type() == at::kBFloat16)
    return wide ? make(&addRows<c10::BFloat16, int64_t>) : make(&addRows<c10::BFloat16, int32_t>);
  operands.fail("has no code for this data type");
}

} // namespace regimen::runtime
