//===- Trainer.cpp --------------------------------------------------------===//
#include "runtime/Trainer.h"

#include "formats/Error.h"
#include "runtime/Schedule.h"
#include "runtime/kernels/GlobalNorm.h"

#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <cmath>

namespace regimen::runtime {

using plan::fb::Contribution;
using plan::fb::Role;

Trainer::Trainer(Executor &executor, DataSource &data, TrainingState state, TrainerOptions options)
    : executor(executor), data(data), current(state), options(std::move(options)),
      order(data.blocks(), state.shuffle ? std::optional(state.seed) : std::nullopt) {
  findPrograms();
  measureInputs();
  uint64_t accumulate =
      uint64_t{executor.plan().training->accumulate} * static_cast<uint64_t>(executor.rankCount());
  last = this->options.steps.value_or(std::max<uint64_t>(1, data.blocks() / accumulate));
}

void Trainer::findPrograms() {
  const plan::fb::PlanT &plan = executor.plan();
  std::optional<size_t> first, later, last, update;
  for (size_t i = 0; i < plan.programs.size(); ++i) {
    const plan::fb::ProgramT &program = *plan.programs[i];
    if (program.role == Role::Update)
      update = i;
    else if (program.role == Role::MicroStep)
      (program.contribution == Contribution::Last    ? last
       : program.contribution == Contribution::Later ? later
                                                     : first) = i;
  }
  uint32_t accumulate = plan.training->accumulate;
  bool complete = accumulate == 1 || (last ? accumulate == 2 || later : later.has_value());
  if (accumulate == 0 || !first || !update || !complete)
    throw Error("the plan lacks a program that training needs; compile the model again");
  firstProgram = *first;
  laterProgram = later.value_or(*first);
  lastProgram = last.value_or(laterProgram);
  updateProgram = *update;
  for (size_t index : {firstProgram, laterProgram, lastProgram}) {
    const plan::fb::ProgramT &program = *plan.programs[index];
    if (program.loss < 0 || static_cast<size_t>(program.loss) >= program.outputs.size())
      throw Error("program " + program.name + " of the plan has no loss; compile the model again");
    auto sameInput = [](const auto &a, const auto &b) { return a->name == b->name; };
    if (!std::equal(program.inputs.begin(), program.inputs.end(),
                    plan.programs[firstProgram]->inputs.begin(),
                    plan.programs[firstProgram]->inputs.end(), sameInput))
      throw Error("the plan's micro-steps take different inputs; compile the model again");
  }
}

void Trainer::measureInputs() {
  const plan::fb::PlanT &plan = executor.plan();
  std::vector<InputSpec> specs = inputSpecs(plan, *plan.programs[firstProgram]);
  uint64_t batches =
      uint64_t{plan.training->accumulate} * static_cast<uint64_t>(executor.rankCount());
  samples = batches * rowsOf(specs);
  for (const InputSpec &spec : specs)
    if ((spec.dtype == plan::fb::DType::I64 || spec.dtype == plan::fb::DType::I32) &&
        spec.sizes.size() == 2) {
      tokens = batches * static_cast<uint64_t>(spec.sizes[0] * spec.sizes[1]);
      break;
    }
}

void Trainer::load(const plan::fb::ProgramT &, size_t input, std::span<std::byte> destination) {
  data.load(block, input, destination);
}

double Trainer::microSteps() {
  const plan::fb::PlanT &plan = executor.plan();
  uint32_t accumulate = plan.training->accumulate;
  double loss = 0;
  for (uint32_t micro = 0; micro < accumulate; ++micro) {
    size_t index = micro == 0 ? firstProgram : micro + 1 < accumulate ? laterProgram : lastProgram;
    const plan::fb::ProgramT &program = *plan.programs[index];
    block =
        order.at(current.blocks + uint64_t{micro} * static_cast<uint64_t>(executor.rankCount()) +
                 static_cast<uint64_t>(executor.rank()));
    executor.run(index, hypers, *this);
    loss +=
        executor.scalar(program.outputs[static_cast<size_t>(program.loss)]->tensor) / accumulate;
  }
  return loss;
}

double Trainer::shareLoss(double loss) {
  struct Message {
    double loss;
    uint64_t stop;
  };
  Message own{loss, options.interrupted && options.interrupted() ? uint64_t{1} : 0};
  if (executor.rankCount() == 1)
    return loss;
  std::vector<Message> all(static_cast<size_t>(executor.rankCount()));
  executor.communicator()->host().scalars().allGatherBytes(std::as_bytes(std::span(&own, 1)),
                                                           std::as_writable_bytes(std::span(all)));
  double sum = 0;
  for (const Message &message : all) {
    sum += message.loss;
    stopping |= message.stop != 0;
  }
  return sum / executor.rankCount();
}

uint64_t Trainer::bytesSent() const {
  uint64_t sent = 0;
  if (Communicator *ranks = executor.communicator())
    for (Collectives *collectives : {&ranks->collectives(), &ranks->host().scalars()})
      for (uint64_t bytes : collectives->traffic())
        sent += bytes;
  return sent;
}

float Trainer::gradientNorm() const {
  at::AutoDispatchBelowADInplaceOrView guard;
  SumOfSquares sum;
  for (const auto &parameter : executor.plan().parameters)
    if (parameter->gradient >= 0)
      sum.add(executor.memory().tensors()[static_cast<size_t>(parameter->gradient)]);
  bool sharded =
      std::any_of(executor.plan().buckets.begin(), executor.plan().buckets.end(),
                  [](const auto &bucket) { return bucket->gradients && bucket->zero > 0; });
  if (!sharded)
    return sum.root();
  auto words = sum.words();
  std::vector<int64_t> all(words.size() * static_cast<size_t>(executor.rankCount()));
  executor.communicator()->host().scalars().allGatherBytes(std::as_bytes(std::span(words)),
                                                           std::as_writable_bytes(std::span(all)));
  SumOfSquares total;
  for (size_t i = 0; i < all.size(); i += words.size())
    total.merge(SumOfSquares::fromWords(all.data() + i));
  return total.root();
}

StepMetrics Trainer::step() {
  try {
    return takeStep();
  } catch (const LostRank &lost) {
    throw LostRank(std::string(lost.what()) + ", in step " + std::to_string(current.step + 1));
  }
}

StepMetrics Trainer::takeStep() {
  const plan::fb::PlanT &plan = executor.plan();
  const plan::fb::ProgramT &update = *plan.programs[updateProgram];
  Clock::time_point begin = Clock::now();
  fillHypers(*plan.training, current.step, current.updates + 1, hypers);
  StepMetrics metrics;
  metrics.step = current.step + 1;
  metrics.lr = hypers.empty() ? 0 : hypers[0][static_cast<size_t>(plan::fb::Hyper::Lr)];
  metrics.samples = samples;
  uint64_t sentBefore = bytesSent();
  metrics.loss = shareLoss(microSteps());
  const std::string stepName = "step " + std::to_string(metrics.step);
  const char *advice =
      "; lower the learning rate or set clip_grad_norm, or go on with --nan skip or --nan ignore";
  if (options.nan == NanPolicy::Stop && !std::isfinite(metrics.loss))
    throw Error("the loss of " + stepName + " is not finite" + advice);
  if (options.dumpGradients) {
    uint64_t before = bytesSent();
    runtime::dumpGradients(*options.dumpGradients, executor);
    options.dumpGradients.reset();
    sentBefore += bytesSent() - before; // no part of the step
  }
  // The update gives the norm as it clips; where it does not, or must wait for it, the norm is
  // taken before.
  bool normFirst = update.grad_norm < 0 || options.nan == NanPolicy::Skip;
  if (normFirst)
    metrics.gradNorm = gradientNorm();
  metrics.skipped = options.nan == NanPolicy::Skip &&
                    !(std::isfinite(metrics.loss) && std::isfinite(metrics.gradNorm));
  if (!metrics.skipped) {
    executor.run(updateProgram, hypers, *this);
    ++current.updates;
    if (!normFirst)
      metrics.gradNorm =
          executor.scalar(update.outputs.at(static_cast<size_t>(update.grad_norm))->tensor);
  }
  if (options.nan == NanPolicy::Stop && !std::isfinite(metrics.gradNorm))
    throw Error("the gradients of " + stepName + " are not finite" + advice);
  metrics.bytesSent = bytesSent() - sentBefore;
  ++current.step;
  current.blocks +=
      uint64_t{plan.training->accumulate} * static_cast<uint64_t>(executor.rankCount());
  Clock::time_point end = Clock::now();
  metrics.stepMs = std::chrono::duration<double, std::milli>(end - begin).count();
  if (tracer)
    tracer->step(metrics.step, begin, end);
  return metrics;
}

void Trainer::evaluate() {
  EvaluationMetrics metrics = options.evaluator->evaluate(current.step);
  evaluatedStep = current.step;
  if (options.onEvaluation)
    options.onEvaluation(metrics);
}

void Trainer::save() {
  saveCheckpoint(*options.saveFolder, executor, current);
  savedStep = current.step;
}

void Trainer::train() {
  bool interrupted = false;
  while (current.step < last && !interrupted) {
    StepMetrics metrics = step();
    if (options.onStep)
      options.onStep(metrics);
    if (options.saveFolder && options.saveEvery > 0 && current.step % options.saveEvery == 0)
      save();
    // Ranks stop together, by what they told each other with the losses.
    interrupted =
        executor.rankCount() == 1 ? options.interrupted && options.interrupted() : stopping;
    if (options.evaluator && !interrupted && options.evaluateEvery > 0 &&
        current.step % options.evaluateEvery == 0)
      evaluate();
  }
  if (options.saveFolder && savedStep != current.step)
    save();
  if (options.evaluator && !interrupted && evaluatedStep != current.step)
    evaluate();
}

} // namespace regimen::runtime
