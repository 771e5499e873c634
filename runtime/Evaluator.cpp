//===- Evaluator.cpp ------------------------------------------------------===//
#include "runtime/Evaluator.h"

#include "formats/Error.h"
#include "formats/plan/Accesses.h"

#include <algorithm>

namespace regimen::runtime {

size_t evaluationProgram(const plan::fb::PlanT &plan) {
  if (std::optional<size_t> found = plan::evaluationOf(plan))
    return *found;
  throw Error("the plan has no evaluation program; compile the model with --set evaluation=true, "
              "or with --eval EVAL.pt2 for an export of its own");
}

Evaluator::Evaluator(Executor &executor, const DataSource &data)
    : executor(executor), data(data), program(evaluationProgram(executor.plan())) {
  if (executor.rankCount() > 1)
    findMovingBuffers();
}

void Evaluator::findMovingBuffers() {
  const plan::fb::PlanT &plan = executor.plan();
  std::vector<plan::Span> written;
  for (const auto &program : plan.programs)
    for (const auto &instruction : program->instructions)
      for (const plan::Access &access : plan::accesses(plan, *program, *instruction))
        if (access.write && plan.buffers[access.span.buffer]->program == -1)
          written.push_back(access.span);
  for (const auto &buffer : plan.module_buffers) {
    plan::Span own = plan::spanOf(plan, buffer->tensor);
    if (std::any_of(written.begin(), written.end(), [&](const plan::Span &span) {
          return span.buffer == own.buffer && span.overlaps(own);
        }))
      movingBuffers.push_back(buffer->tensor);
  }
}

void Evaluator::load(const plan::fb::ProgramT &, size_t input, std::span<std::byte> destination) {
  data.load(block, input, destination);
}

EvaluationMetrics Evaluator::evaluate(uint64_t step) {
  Clock::time_point begin = Clock::now();
  PlanMemory &memory = executor.memory();
  // Running statistics differ between the ranks, and rank 0's are the ones that are saved.
  std::vector<std::vector<std::byte>> own;
  for (uint32_t tensor : movingBuffers) {
    std::vector<std::byte> values = memory.copyOut(tensor);
    own.push_back(values);
    executor.communicator()->host().scalars().broadcast(values.data(), values.size(), 0);
    memory.copyIn(tensor, values);
  }

  const plan::fb::ProgramT &source = *executor.plan().programs[program];
  const uint32_t loss = source.outputs[static_cast<size_t>(source.loss)]->tensor;
  const auto ranks = static_cast<uint64_t>(executor.rankCount());
  std::vector<double> losses((data.blocks() + ranks - 1) / ranks);
  for (size_t round = 0; round < losses.size(); ++round) {
    // A rank for which no block is left runs along, as gathers need all ranks; nobody counts it.
    block = (round * ranks + static_cast<uint64_t>(executor.rank())) % data.blocks();
    executor.run(program, Hypers(), *this);
    losses[round] = executor.scalar(loss);
  }

  for (size_t i = 0; i < movingBuffers.size(); ++i)
    memory.copyIn(movingBuffers[i], own[i]);
  EvaluationMetrics metrics;
  metrics.step = step;
  metrics.loss = meanOf(losses);
  metrics.samples = data.blocks() * rowsOf(inputSpecs(executor.plan(), source));
  metrics.milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  return metrics;
}

double Evaluator::meanOf(std::span<const double> losses) const {
  const auto ranks = static_cast<uint64_t>(executor.rankCount());
  std::vector<double> all(losses.size() * ranks);
  if (ranks == 1)
    std::copy(losses.begin(), losses.end(), all.begin());
  else
    executor.communicator()->host().scalars().allGatherBytes(
        std::as_bytes(losses), std::as_writable_bytes(std::span(all)));
  double sum = 0;
  for (uint64_t k = 0; k < data.blocks(); ++k)
    sum += all[k % ranks * losses.size() + k / ranks];
  return sum / static_cast<double>(data.blocks());
}

} // namespace regimen::runtime
