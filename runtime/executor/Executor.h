//===- Executor.h - Runs a plan's programs --------------------------------===//
#ifndef REGIMEN_RUNTIME_EXECUTOR_EXECUTOR_H
#define REGIMEN_RUNTIME_EXECUTOR_EXECUTOR_H

#include "formats/plan/Plan.h"
#include "runtime/comm/Communicator.h"
#include "runtime/device/Device.h"
#include "runtime/executor/PlanMemory.h"
#include "runtime/executor/Scalars.h"
#include "runtime/kernels/KernelTable.h"
#include "runtime/trace/Tracer.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace regimen::runtime {

/// Where programs get their inputs from.
class InputLoader {
public:
  virtual ~InputLoader() = default;
  /// Writes the current micro-batch of an input of the program, contiguous, to `destination`.
  /// Called from the copy lane's thread while the program runs.
  virtual void load(const plan::fb::ProgramT &program, size_t input,
                    std::span<std::byte> destination) = 0;
};

/// Holds a plan's memory and everything bound to it, and executes its programs. Used from one
/// thread; plan and device outlive it.
class Executor {
public:
  /// Allocates, binds all calls and embeds the constants; everything else is zero. Throws Error.
  /// Suspended programs are not bound: they need a caller. A plan for several ranks needs their
  /// communicator, which outlives this.
  Executor(const plan::fb::PlanT &plan, Device &device, Communicator *communicator = nullptr);
  /// What the plans of a model share.
  struct Shared {
    Device &device;
    SharedArenas &arenas;
    /// Where what calls allocate is looked up.
    KernelTable &kernels;
    Communicator *communicator = nullptr;
  };
  /// Over memory that several plans of a model share; binds the programs that `wanted` names.
  /// `identity` tells the plan from the others to the other ranks.
  Executor(const plan::fb::PlanT &plan, const Shared &shared, const std::vector<bool> &wanted,
           uint32_t identity);
  ~Executor();

  const plan::fb::PlanT &plan() const { return thePlan; }
  PlanMemory &memory() { return planMemory; }
  /// Null for a single rank.
  Communicator *communicator() const { return ranks; }
  int rank() const { return ranks ? ranks->rank() : 0; }
  int rankCount() const { return ranks ? ranks->size() : 1; }
  /// Runs a program to its end. A kernel's failure is thrown as Error with the place in the model;
  /// the contents of the tensors that the program writes are then undefined.
  void run(size_t program, const Hypers &hypers, InputLoader &inputs);
  /// Runs a program whose inputs the caller brings: all of its caller's buffers, and the frame if
  /// it has one, were pointed to their memory.
  void run(size_t program, const Hypers &hypers);
  /// The value of a 0-d tensor.
  double scalar(size_t tensor) const;

  /// May be null.
  void setTracer(Tracer *tracer) { this->tracer = tracer; }

  /// Highest bytes touched in the device arenas so far.
  uint64_t measuredPeak() const { return planMemory.touched.total(plan::fb::MemorySpace::Device); }
  uint64_t measuredHostPeak() const {
    return planMemory.touched.total(plan::fb::MemorySpace::Host);
  }
  /// Peak of bytes that kernels took from outside the arenas.
  uint64_t unplannedBytes() const { return UnplannedMemory::peak(); }
  /// Results that kernels did not leave in place, over all runs.
  uint64_t copiedResults() const;

private:
  struct Program;
  void checkMesh() const;
  void bindAll(KernelTable &kernels, const std::vector<bool> &wanted);
  void bind(size_t program, KernelTable &kernels);
  /// Where what a program has on the copy lane runs: the compute lane, if it is loads of few bytes.
  plan::fb::Lane copyLane(const plan::fb::ProgramT &program) const;
  Task makeTask(Program &bound, size_t program, size_t instruction, KernelTable &kernels);
  Task makeCollective(Program &bound, size_t program, size_t instruction,
                      const plan::fb::CollectiveT &collective);
  void agree(size_t program);
  void issue(Program &bound);
  std::string where(size_t program, size_t instruction) const;

  const plan::fb::PlanT &thePlan;
  Device &device;
  Communicator *ranks = nullptr;
  const uint32_t identity;
  PlanMemory planMemory;
  std::vector<std::unique_ptr<Program>> programs;
  std::array<std::unique_ptr<Queue>, static_cast<size_t>(plan::fb::Lane::MAX) + 1> lanes;
  InputLoader *currentInputs = nullptr;
  Tracer *tracer = nullptr;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_EXECUTOR_EXECUTOR_H
