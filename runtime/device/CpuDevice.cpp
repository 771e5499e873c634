//===- CpuDevice.cpp - Arenas as memfds, queues as threads ----------------===//
#include "formats/Error.h"
#include "runtime/device/Device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace regimen::runtime {
namespace {

void keep(void *) {}

/// A memfd, so that /proc/PID/smaps names it and counts exactly the pages that were touched.
class CpuArena : public Arena {
public:
  CpuArena(const std::string &name, size_t bytes) : size(bytes) {
    if (bytes > 0) {
      fd = memfd_create(("regimen-arena:" + name).c_str(), MFD_CLOEXEC);
      if (fd < 0 || ftruncate(fd, static_cast<off_t>(bytes)) != 0)
        fail(name);
      void *mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (mapped == MAP_FAILED)
        fail(name);
      memory = static_cast<std::byte *>(mapped);
      // Huge pages would make untouched memory resident; a kernel without them refuses, which is as
      // good.
      madvise(mapped, bytes, MADV_NOHUGEPAGE);
    }
    arenaStorage = c10::Storage(c10::Storage::use_byte_size_t(), bytes,
                                c10::DataPtr(memory, memory, &keep, c10::Device(c10::kCPU)),
                                /*allocator=*/nullptr, /*resizable=*/false);
  }
  CpuArena(const CpuArena &) = delete;
  CpuArena &operator=(const CpuArena &) = delete;
  ~CpuArena() override {
    if (memory)
      munmap(memory, size);
    if (fd >= 0)
      close(fd);
  }

  std::byte *data() const override { return memory; }
  size_t bytes() const override { return size; }
  const c10::Storage &storage() const override { return arenaStorage; }
  void clear() override {
    if (!memory)
      return;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) != 0)
      std::memset(memory, 0, size);
  }

private:
  [[noreturn]] void fail(const std::string &name) {
    std::string why = std::strerror(errno);
    if (fd >= 0)
      close(fd);
    throw Error("cannot allocate the arena '" + name + "' of " + std::to_string(size) +
                " bytes: " + why);
  }

  size_t size;
  int fd = -1;
  std::byte *memory = nullptr;
  c10::Storage arenaStorage;
};

class CpuEvent : public Event {
public:
  void reset() override { recorded.store(0, std::memory_order_relaxed); }
  void record() {
    recorded.store(1, std::memory_order_release);
    recorded.notify_all();
  }
  void await() { recorded.wait(0, std::memory_order_acquire); }

private:
  std::atomic<uint32_t> recorded{0};
};

/// Runs tasks at once, on the caller's thread.
class InlineQueue : public Queue {
public:
  void launch(const Task &task) override { task(); }
  void record(Event &event) override { static_cast<CpuEvent &>(event).record(); }
  void wait(Event &event) override { static_cast<CpuEvent &>(event).await(); }
  void synchronize() override {}
  void cancel() override {}
};

/// Runs tasks on a thread of its own.
class WorkerQueue : public Queue {
public:
  explicit WorkerQueue(size_t capacity) {
    entries.reserve(capacity);
    worker = std::thread([this] { work(); });
  }
  ~WorkerQueue() override {
    cancel();
    {
      std::lock_guard lock(mutex);
      stopping = true;
    }
    filled.notify_one();
    worker.join();
  }

  void launch(const Task &task) override { put({&task, nullptr, nullptr}); }
  void record(Event &event) override { put({nullptr, static_cast<CpuEvent *>(&event), nullptr}); }
  void wait(Event &event) override { put({nullptr, nullptr, static_cast<CpuEvent *>(&event)}); }

  void synchronize() override {
    std::unique_lock lock(mutex);
    emptied.wait(lock, [this] { return next == entries.size() && !busy; });
    entries.clear();
    next = 0;
    cancelled = false;
    if (std::exception_ptr thrown = std::exchange(failure, nullptr))
      std::rethrow_exception(thrown);
  }

  void cancel() override {
    std::lock_guard lock(mutex);
    cancelled = true;
    // The worker may be held by an event whose recording was cancelled too.
    if (waitingFor)
      waitingFor->record();
  }

private:
  struct Entry {
    const Task *task;
    CpuEvent *record;
    CpuEvent *wait;
  };

  void put(Entry entry) {
    {
      std::lock_guard lock(mutex);
      entries.push_back(entry);
    }
    filled.notify_one();
  }

  void work() {
    // Kernels on this thread must not start a second team of threads.
    at::init_num_threads();
    std::unique_lock lock(mutex);
    while (true) {
      filled.wait(lock, [this] { return stopping || next < entries.size(); });
      if (next == entries.size())
        return;
      Entry entry = entries[next++];
      bool skip = cancelled || failure;
      busy = true;
      waitingFor = skip ? nullptr : entry.wait;
      lock.unlock();
      std::exception_ptr thrown;
      try {
        if (entry.record)
          entry.record->record();
        else if (!skip && entry.wait)
          entry.wait->await();
        else if (!skip)
          (*entry.task)();
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      waitingFor = nullptr;
      if (thrown && !failure)
        failure = thrown;
      busy = false;
      if (next == entries.size())
        emptied.notify_all();
    }
  }

  std::mutex mutex;
  std::condition_variable filled, emptied;
  std::vector<Entry> entries;
  size_t next = 0;
  bool busy = false, stopping = false, cancelled = false;
  CpuEvent *waitingFor = nullptr;
  std::exception_ptr failure;
  std::thread worker;
};

class CpuDevice : public Device {
public:
  explicit CpuDevice(size_t inlineBytes) : inlineBytes(inlineBytes) {}
  c10::Device torchDevice() const override { return c10::Device(c10::kCPU); }
  std::unique_ptr<Arena> createArena(const std::string &name, size_t bytes) override {
    return std::make_unique<CpuArena>(name, bytes);
  }
  std::unique_ptr<Queue> createQueue(QueueKind kind, size_t capacity) override {
    if (kind == QueueKind::Inline)
      return std::make_unique<InlineQueue>();
    return std::make_unique<WorkerQueue>(capacity);
  }
  std::unique_ptr<Event> createEvent() override { return std::make_unique<CpuEvent>(); }
  size_t inlineLoadBytes() const override { return inlineBytes; }
  void copyToDevice(void *destination, const void *source, size_t bytes) override {
    std::memcpy(destination, source, bytes);
  }
  void copyToHost(void *destination, const void *source, size_t bytes) override {
    std::memcpy(destination, source, bytes);
  }

private:
  size_t inlineBytes;
};

} // namespace

/// Filling fresh memory is for debugging only and would write every output twice.
static void setReproducible() {
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

std::unique_ptr<Device> createCpuDevice(unsigned threads, size_t inlineLoadBytes) {
  at::set_num_threads(static_cast<int>(threads));
  setReproducible();
  return std::make_unique<CpuDevice>(inlineLoadBytes);
}

std::unique_ptr<Device> createGuestCpuDevice() {
  return std::make_unique<CpuDevice>(kInlineLoadBytes);
}

namespace {
/// What the process had before the first of those who run kernels now.
struct SavedSettings {
  std::mutex mutex;
  size_t holders = 0;
  bool deterministic = false, warnOnly = false, fill = false;
};
} // namespace

static SavedSettings &savedSettings() {
  static SavedSettings settings;
  return settings;
}

KernelSettings::KernelSettings(unsigned threads) : threads(at::get_num_threads()) {
  SavedSettings &saved = savedSettings();
  {
    std::lock_guard lock(saved.mutex);
    if (saved.holders++ == 0) {
      saved.deterministic = at::globalContext().deterministicAlgorithms();
      saved.warnOnly = at::globalContext().deterministicAlgorithmsWarnOnly();
      saved.fill = at::globalContext().deterministicFillUninitializedMemory();
      setReproducible();
    }
  }
  if (this->threads == static_cast<int>(threads))
    this->threads = 0;
  else
    at::set_num_threads(static_cast<int>(threads));
}

KernelSettings::~KernelSettings() {
  if (threads > 0)
    at::set_num_threads(threads);
  SavedSettings &saved = savedSettings();
  std::lock_guard lock(saved.mutex);
  if (--saved.holders > 0)
    return;
  at::globalContext().setDeterministicAlgorithms(saved.deterministic, saved.warnOnly);
  at::globalContext().setDeterministicFillUninitializedMemory(saved.fill);
}

} // namespace regimen::runtime
