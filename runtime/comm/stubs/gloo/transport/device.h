//===- device.h - See stubs/README.md -------------------------------------===//
#ifndef REGIMEN_RUNTIME_COMM_STUBS_GLOO_TRANSPORT_DEVICE_H
#define REGIMEN_RUNTIME_COMM_STUBS_GLOO_TRANSPORT_DEVICE_H

namespace gloo::transport {

class Device {
public:
  virtual ~Device() = 0;
};

class UnboundBuffer {
public:
  virtual ~UnboundBuffer() = 0;
};

} // namespace gloo::transport

#endif // REGIMEN_RUNTIME_COMM_STUBS_GLOO_TRANSPORT_DEVICE_H
