//===- Trainer.h - The step loop ------------------------------------------===//
#ifndef REGIMEN_RUNTIME_TRAINER_H
#define REGIMEN_RUNTIME_TRAINER_H

#include "runtime/Evaluator.h"
#include "runtime/checkpoint/Checkpoint.h"
#include "runtime/data/DataSource.h"
#include "runtime/executor/Executor.h"
#include "runtime/trace/Reports.h"

#include <filesystem>
#include <functional>
#include <optional>

namespace regimen::runtime {

/// What to do when a loss or a gradient norm is not finite: end with an error that names the step,
/// leave the update out, or go on.
enum class NanPolicy { Stop, Skip, Ignore };

struct TrainerOptions {
  /// Train until so many steps are complete, counted from the beginning of training; else one pass
  /// over the data.
  std::optional<uint64_t> steps;
  NanPolicy nan = NanPolicy::Stop;
  std::optional<std::filesystem::path> saveFolder;
  /// Save after every so many steps; 0: only at the end.
  uint64_t saveEvery = 0;
  std::optional<std::filesystem::path> dumpGradients;
  /// Evaluates after every so many steps (0: never then) and at the end of a training that is not
  /// interrupted; null: not at all. Outlives the trainer.
  Evaluator *evaluator = nullptr;
  uint64_t evaluateEvery = 0;
  std::function<void(const EvaluationMetrics &)> onEvaluation;
  /// Called after every step.
  std::function<void(const StepMetrics &)> onStep;
  /// Asked after every step; true ends the training cleanly.
  std::function<bool()> interrupted;
};

/// Drives a plan's programs: `accumulate` micro-steps and one update a step. Executor and data
/// outlive it.
class Trainer : private InputLoader {
public:
  /// Throws Error when the plan lacks a program that training needs.
  Trainer(Executor &executor, DataSource &data, TrainingState state, TrainerOptions options);

  /// Runs to the end and saves if asked to.
  void train();
  /// One step.
  StepMetrics step();

  const TrainingState &state() const { return current; }
  /// Step at which train() ends.
  uint64_t lastStep() const { return last; }
  uint64_t samplesPerStep() const { return samples; }
  /// 0 unless the model's first integer input is [batch, length].
  uint64_t tokensPerStep() const { return tokens; }
  void setTracer(Tracer *tracer) { this->tracer = tracer; }

private:
  void load(const plan::fb::ProgramT &program, size_t input,
            std::span<std::byte> destination) override;
  void findPrograms();
  void measureInputs();
  double microSteps();
  /// The mean over the ranks; notes whether any rank is to stop.
  StepMetrics takeStep();
  double shareLoss(double loss);
  /// Payload bytes that this rank has sent so far.
  uint64_t bytesSent() const;
  float gradientNorm() const;
  void evaluate();
  void save();

  Executor &executor;
  DataSource &data;
  TrainingState current;
  TrainerOptions options;
  BlockOrder order;
  size_t firstProgram = 0, laterProgram = 0, lastProgram = 0, updateProgram = 0;
  uint64_t block = 0; // of the current micro-batch
  uint64_t last = 0, samples = 0, tokens = 0;
  std::optional<uint64_t> savedStep, evaluatedStep;
  bool stopping = false;
  Hypers hypers;
  Tracer *tracer = nullptr;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_TRAINER_H
