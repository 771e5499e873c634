//===- BoundCall.h - A kernel call with its operands in place -------------===//
#ifndef REGIMEN_RUNTIME_KERNELS_BOUNDCALL_H
#define REGIMEN_RUNTIME_KERNELS_BOUNDCALL_H

#include "formats/plan/Plan.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace regimen::runtime {

/// Values of a program's scalar registers.
using Registers = std::span<const double>;

/// A kernel whose arguments and results were bound at plan load; running it allocates nothing. The
/// storages behind them may get other memory between runs (frames, tensors of a caller), so no
/// address is kept.
class BoundCall {
public:
  virtual ~BoundCall() = default;
  virtual void run(Registers registers) = 0;
  /// Learns which allocations the call makes, by running it. Called once, before the arenas get
  /// their contents, which it may change.
  virtual void prepare() {}
  /// Results that a run had to copy into place because the kernel did not leave them there.
  virtual uint64_t copiedResults() const { return 0; }
};

/// Bytes of a storage whose memory may be exchanged between runs.
struct StorageWindow {
  c10::Storage storage;
  size_t offset = 0, bytes = 0;

  bool empty() const { return bytes == 0; }
  std::byte *data() const {
    return empty() ? nullptr
                   : static_cast<std::byte *>(const_cast<void *>(storage.data())) + offset;
  }
};

/// A call of the plan and what it refers to.
struct CallSite {
  const plan::fb::CallT &call;
  const plan::fb::KernelT &kernel;
  /// All tensors of the plan, by index.
  const std::vector<at::Tensor> &tensors;
  /// The call's scratch buffer; empty if it has none.
  StorageWindow scratch;
  /// Where the call is, for messages: "instruction 12 of micro_step (aten.linear, layer h.0.mlp,
  /// model.py:33)".
  std::string where;
};

/// "f32" and so on as PyTorch's.
at::ScalarType scalarType(plan::fb::DType dtype);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_KERNELS_BOUNDCALL_H
