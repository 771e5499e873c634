//===- KernelTable.h - Kernels by name ------------------------------------===//
#ifndef REGIMEN_RUNTIME_KERNELS_KERNELTABLE_H
#define REGIMEN_RUNTIME_KERNELS_KERNELTABLE_H

#include "runtime/kernels/AtenCall.h"
#include "runtime/kernels/BoundCall.h"

namespace regimen::runtime {

/// Turns the calls of a plan into bound calls.
class KernelTable {
public:
  /// Throws Error when there is no such kernel or the arguments do not fit its schema.
  std::unique_ptr<BoundCall> bind(const CallSite &site);

private:
  RecordingCache recordings;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_KERNELS_KERNELTABLE_H
