//===- Wholes.h - Whole tensors from the ranks' segments --------*- C++ -*-===//
#ifndef REGIMEN_RUNTIME_CHECKPOINT_WHOLES_H
#define REGIMEN_RUNTIME_CHECKPOINT_WHOLES_H

#include "runtime/executor/Executor.h"

#include <span>
#include <string>
#include <vector>

namespace regimen::runtime {

/// A tensor of the plan under its name in a file, with the sizes that it has in the model: a rank
/// may hold a segment of it.
struct ModelTensor {
  std::string name;
  uint32_t tensor;
  std::vector<int64_t> sizes;
  /// Every rank has values of its own, and rank 0's are saved.
  bool rankLocal = false;
};

/// Parameters and persistent module buffers; states, as `slot/parameter`; gradients.
std::vector<ModelTensor> modelTensors(const plan::fb::PlanT &plan);
std::vector<ModelTensor> optimizerTensors(const plan::fb::PlanT &plan);
std::vector<ModelTensor> gradientTensors(const plan::fb::PlanT &plan);
/// Sizes of a parameter in the model.
const std::vector<int64_t> &sizesOf(const plan::fb::PlanT &plan,
                                    const plan::fb::ParameterT &parameter);

/// The elements of the whole tensor, row-major. All ranks call it in one order; rank 0 gets the
/// elements, the others nothing.
std::vector<std::byte> copyWholeOut(Executor &executor, const ModelTensor &tensor);
/// Sets what the rank has of a tensor from the elements of the whole.
void copyWholeIn(Executor &executor, uint32_t tensor, std::span<const std::byte> values);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_CHECKPOINT_WHOLES_H
