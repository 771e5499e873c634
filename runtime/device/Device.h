//===- Device.h - What the executor needs of a device ---------------------===//
#ifndef REGIMEN_RUNTIME_DEVICE_DEVICE_H
#define REGIMEN_RUNTIME_DEVICE_DEVICE_H

#include <c10/core/Device.h>
#include <c10/core/Storage.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace regimen::runtime {

/// One allocation in which the plan gives every buffer its offset. Zero-filled at creation; owned
/// by whoever created it and valid until destroyed.
class Arena {
public:
  virtual ~Arena() = default;
  /// First byte, on the device; null when the arena is empty. Aligned to at least 64 bytes.
  virtual std::byte *data() const = 0;
  virtual size_t bytes() const = 0;
  /// The storage that every tensor of this arena shares. It cannot be resized and does not own the
  /// memory.
  virtual const c10::Storage &storage() const = 0;
  /// Makes the arena read as zero again and gives its memory back to the system.
  virtual void clear() = 0;
};

/// A point in a queue that other queues can wait for.
class Event {
public:
  virtual ~Event() = default;
  /// Forgets an earlier recording. Only while no queue uses the event.
  virtual void reset() = 0;
};

/// Work put on a queue; outlives its execution.
using Task = std::function<void()>;

/// An in-order queue: a thread on a CPU, a stream on a GPU. Used from one thread.
class Queue {
public:
  virtual ~Queue() = default;
  virtual void launch(const Task &task) = 0;
  virtual void record(Event &event) = 0;
  virtual void wait(Event &event) = 0;
  /// Returns when everything on the queue is done; throws what a task threw.
  virtual void synchronize() = 0;
  /// Skips the tasks that have not run yet, up to the next synchronize, and stops waiting for
  /// events.
  virtual void cancel() = 0;
};

/// Where queues run: on the calling thread as they are filled, or beside it.
enum class QueueKind { Inline, Concurrent };

class Device {
public:
  virtual ~Device() = default;
  virtual c10::Device torchDevice() const = 0;
  /// An arena visible from outside as `regimen-arena:<name>`. Throws regimen::Error when there is
  /// no memory for it.
  virtual std::unique_ptr<Arena> createArena(const std::string &name, size_t bytes) = 0;
  /// A queue that holds up to `capacity` entries between two synchronizations.
  virtual std::unique_ptr<Queue> createQueue(QueueKind kind, size_t capacity) = 0;
  virtual std::unique_ptr<Event> createEvent() = 0;
  /// A program that loads no more bytes than this does so on the compute queue: handing them to
  /// another takes longer.
  virtual size_t inlineLoadBytes() const { return 0; }
  /// Blocking copies between host memory and an arena.
  virtual void copyToDevice(void *destination, const void *source, size_t bytes) = 0;
  virtual void copyToHost(void *destination, const void *source, size_t bytes) = 0;
};

/// A thread that sleeps takes 5 to 50 us to begin with something, most of it in virtual machines;
/// copying so much takes less.
constexpr size_t kInlineLoadBytes = 64 << 10;

/// The host CPU. Kernels run with `threads` threads, counted with the calling one, on the thread
/// that calls this. Makes the process's settings those of KernelSettings, for good.
std::unique_ptr<Device> createCpuDevice(unsigned threads,
                                        size_t inlineLoadBytes = kInlineLoadBytes);

/// The host CPU in a process that is not ours: leaves its settings alone. Whoever runs kernels
/// holds a KernelSettings meanwhile.
std::unique_ptr<Device> createGuestCpuDevice();

/// While it lives, kernels on this thread run with so many threads and as PyTorch's own runs are
/// reproducible. The latter are flags of the whole process: other threads see them meanwhile. The
/// last of several holders, in whatever order they end, gives the process its flags back.
class KernelSettings {
public:
  explicit KernelSettings(unsigned threads);
  ~KernelSettings();
  KernelSettings(const KernelSettings &) = delete;
  KernelSettings &operator=(const KernelSettings &) = delete;

private:
  int threads;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_DEVICE_DEVICE_H
