//===- GlooTransport.h - Transport over PyTorch's Gloo --------------------===//
#ifndef REGIMEN_RUNTIME_COMM_GLOOTRANSPORT_H
#define REGIMEN_RUNTIME_COMM_GLOOTRANSPORT_H

#include "runtime/comm/Rendezvous.h"
#include "runtime/comm/Transport.h"

#include <functional>
#include <memory>
#include <string>

namespace regimen::runtime {

/// What is known of why the connection to a peer broke; empty: nothing. May wait a moment for news.
using Explanation = std::function<std::string(int peer)>;

/// Connects every rank with every other by TCP. Sends and receives without copies. Waits do not
/// time out: a lost connection ends them, or abort. Throws Error. `explain` may be called until the
/// last wait has ended.
std::unique_ptr<Transport> createGlooTransport(Rendezvous &rendezvous, Explanation explain = {});

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_GLOOTRANSPORT_H
