//===- Wholes.cpp ---------------------------------------------------------===//
#include "runtime/checkpoint/Wholes.h"

#include "formats/Error.h"

#include <algorithm>

namespace regimen::runtime {

const std::vector<int64_t> &sizesOf(const plan::fb::PlanT &plan,
                                    const plan::fb::ParameterT &parameter) {
  const plan::fb::TensorT &tensor = *plan.tensors[parameter.tensor];
  return tensor.segment ? parameter.sizes : tensor.sizes;
}

std::vector<ModelTensor> modelTensors(const plan::fb::PlanT &plan) {
  std::vector<ModelTensor> tensors;
  for (const auto &parameter : plan.parameters)
    tensors.push_back({parameter->name, parameter->tensor, sizesOf(plan, *parameter)});
  for (const auto &buffer : plan.module_buffers)
    if (buffer->persistent)
      tensors.push_back({buffer->name, buffer->tensor, plan.tensors[buffer->tensor]->sizes,
                         /*rankLocal=*/true});
  return tensors;
}

std::vector<ModelTensor> optimizerTensors(const plan::fb::PlanT &plan) {
  std::vector<ModelTensor> tensors;
  for (const auto &parameter : plan.parameters)
    for (const auto &state : parameter->states)
      tensors.push_back({state->slot + "/" + parameter->name, state->tensor,
                         plan.tensors[state->tensor]->segment
                             ? sizesOf(plan, *parameter)
                             : plan.tensors[state->tensor]->sizes});
  return tensors;
}

std::vector<ModelTensor> gradientTensors(const plan::fb::PlanT &plan) {
  std::vector<ModelTensor> tensors;
  for (const auto &parameter : plan.parameters)
    if (parameter->gradient >= 0)
      tensors.push_back(
          {parameter->name, static_cast<uint32_t>(parameter->gradient), sizesOf(plan, *parameter)});
  return tensors;
}

std::vector<std::byte> copyWholeOut(Executor &executor, const ModelTensor &tensor) {
  const plan::fb::TensorT &entry = *executor.plan().tensors[tensor.tensor];
  PlanMemory &memory = executor.memory();
  if (!entry.segment)
    return executor.rank() == 0 ? memory.copyOut(tensor.tensor) : std::vector<std::byte>();
  const size_t width = plan::elementBytes(entry.dtype);
  const auto ranks = static_cast<size_t>(executor.rankCount());
  // Everyone sends as much as the largest segment has.
  const size_t most = static_cast<size_t>(plan::numElements(entry)) * width;
  std::vector<std::byte> own = memory.copyOut(tensor.tensor), all(most * ranks);
  own.resize(most);
  executor.communicator()->host().scalars().allGatherBytes(own, all);
  if (executor.rank() != 0)
    return {};
  std::vector<std::byte> whole(entry.segment->elements * width);
  for (size_t rank = 0; rank < ranks; ++rank) {
    PlanMemory::Range range = memory.rangeOf(tensor.tensor, rank);
    std::copy_n(all.begin() + static_cast<ptrdiff_t>(rank * most), range.size * width,
                whole.begin() + static_cast<ptrdiff_t>(range.begin * width));
  }
  return whole;
}

void copyWholeIn(Executor &executor, uint32_t tensor, std::span<const std::byte> values) {
  const plan::fb::TensorT &entry = *executor.plan().tensors[tensor];
  if (!entry.segment)
    return executor.memory().copyIn(tensor, values);
  const size_t width = plan::elementBytes(entry.dtype);
  if (values.size() != entry.segment->elements * width)
    throw Error("tensor " + std::to_string(tensor) + " of the plan is part of " +
                std::to_string(entry.segment->elements * width) + " bytes, " +
                std::to_string(values.size()) + " were given");
  PlanMemory::Range range = executor.memory().ownRange(tensor);
  executor.memory().copyIn(tensor, values.subspan(range.begin * width, range.size * width));
}

} // namespace regimen::runtime
