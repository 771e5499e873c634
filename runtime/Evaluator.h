//===- Evaluator.h - The loss on data that is not trained on ----*- C++ -*-===//
#ifndef REGIMEN_RUNTIME_EVALUATOR_H
#define REGIMEN_RUNTIME_EVALUATOR_H

#include "runtime/data/DataSource.h"
#include "runtime/executor/Executor.h"
#include "runtime/trace/Reports.h"

#include <cstdint>
#include <span>
#include <vector>

namespace regimen::runtime {

/// Index of the plan's evaluation program. Throws Error when it has none.
size_t evaluationProgram(const plan::fb::PlanT &plan);

/// Runs a plan's evaluation program over all whole blocks of a data source, dealt to the ranks as
/// in training. On every rank the loss is the mean over the blocks of the model that rank 0 would
/// save, summed in the order of the blocks: the same bits whatever the ranks and the ZeRO stage.
/// Executor and data outlive it.
class Evaluator : private InputLoader {
public:
  /// Throws Error when the plan has no evaluation program.
  Evaluator(Executor &executor, const DataSource &data);

  /// All ranks call it together. `step` is what the metrics name.
  EvaluationMetrics evaluate(uint64_t step);

private:
  void load(const plan::fb::ProgramT &program, size_t input,
            std::span<std::byte> destination) override;
  void findMovingBuffers();
  double meanOf(std::span<const double> losses) const;

  Executor &executor;
  const DataSource &data;
  const size_t program;
  uint64_t block = 0; // that is loaded
  /// Tensors of the module's buffers that training changes, on each rank by itself.
  std::vector<uint32_t> movingBuffers;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_EVALUATOR_H
