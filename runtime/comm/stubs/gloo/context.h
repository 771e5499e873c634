//===- context.h - See stubs/README.md ------------------------------------===//
#ifndef REGIMEN_RUNTIME_COMM_STUBS_GLOO_CONTEXT_H
#define REGIMEN_RUNTIME_COMM_STUBS_GLOO_CONTEXT_H

#include <gloo/transport/device.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gloo {

class Context {
public:
  void setTimeout(std::chrono::milliseconds timeout);
  virtual ~Context();
};

} // namespace gloo

#endif // REGIMEN_RUNTIME_COMM_STUBS_GLOO_CONTEXT_H
