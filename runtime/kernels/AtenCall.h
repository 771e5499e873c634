//===- AtenCall.h - Calls of ATen overloads through the dispatcher --------===//
#ifndef REGIMEN_RUNTIME_KERNELS_ATENCALL_H
#define REGIMEN_RUNTIME_KERNELS_ATENCALL_H

#include "runtime/kernels/BoundCall.h"
#include "runtime/kernels/PlannedAllocator.h"

#include <map>
#include <string>

namespace regimen::runtime {

/// What one call with given operand types allocates; shared by all calls alike.
struct CallRecording {
  AllocationLog log;
  /// Per result: its ordinal in the log, or -1 if it is not a fresh allocation of exactly the
  /// result's bytes.
  std::vector<int64_t> ordinals;
  /// Per result: the strides that the kernel gives it.
  std::vector<std::vector<int64_t>> strides;
};
using RecordingCache = std::map<std::string, std::shared_ptr<const CallRecording>>;

/// Binds a call in mode Out, Functional or InPlace. The cache outlives the call's prepare().
std::unique_ptr<BoundCall> bindAtenCall(const CallSite &site, RecordingCache &recordings);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_KERNELS_ATENCALL_H
