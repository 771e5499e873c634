//===- Arguments.h - A plan's arguments as PyTorch's ----------------------===//
#ifndef REGIMEN_RUNTIME_KERNELS_ARGUMENTS_H
#define REGIMEN_RUNTIME_KERNELS_ARGUMENTS_H

#include "runtime/kernels/BoundCall.h"

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <optional>

namespace regimen::runtime {

/// An argument as it goes on the stack.
struct BoundArgument {
  c10::IValue value;
  /// Set when the value comes from a register at each run.
  std::optional<uint32_t> reg;
  /// With `reg`: the wrapped number whose element takes the register's value, else the stack entry
  /// itself does.
  at::Tensor wrapped;
};

/// Throws Error when the argument's kind does not fit the schema's type.
BoundArgument bindArgument(const CallSite &site, const plan::fb::ArgT &argument,
                           const c10::Argument &schema);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_KERNELS_ARGUMENTS_H
