//===- Ranks.h - Several ranks in one test --------------------------------===//
#ifndef REGIMEN_TEST_RUNTIME_COMM_RANKS_H
#define REGIMEN_TEST_RUNTIME_COMM_RANKS_H

#include "runtime/comm/Transport.h"

#include <functional>

namespace regimen::runtime {

/// Runs `body` on threads, one a rank, each with its own Gloo transport on this machine. The first
/// exception of a rank is thrown again.
void onRanks(int count, const std::function<void(Transport &)> &body);

} // namespace regimen::runtime

#endif // REGIMEN_TEST_RUNTIME_COMM_RANKS_H
