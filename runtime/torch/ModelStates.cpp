//===- ModelStates.cpp ----------------------------------------------------===//
#include "runtime/torch/ModelStates.h"

#include "formats/Error.h"
#include "runtime/kernels/BoundCall.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/Allocator.h>
#include <c10/core/TensorImpl.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

namespace regimen::runtime {
namespace {

/// Where a tensor of a plan lies, comparable between plans.
struct Place {
  std::string arena;
  uint64_t offset;
  plan::fb::DType dtype;
  std::vector<int64_t> sizes, strides;
  bool operator==(const Place &) const = default;
};

Place placeOf(const plan::fb::PlanT &plan, uint32_t index, uint64_t rank) {
  const plan::fb::TensorT &tensor = *plan.tensors.at(index);
  const plan::fb::BufferT &buffer = *plan.buffers.at(tensor.buffer);
  if (tensor.segment) {
    plan::SegmentRange range = plan::segmentOf(*tensor.segment, rank);
    return {plan.arenas.at(buffer.arena)->name,
            buffer.offset + range.begin * plan::elementBytes(tensor.dtype),
            tensor.dtype,
            {static_cast<int64_t>(range.size)},
            tensor.strides};
  }
  return {plan.arenas.at(buffer.arena)->name, buffer.offset + tensor.byte_offset, tensor.dtype,
          tensor.sizes, tensor.strides};
}

} // namespace

ModelStates::ModelStates(std::string model, Communicator *ranks)
    : ranks(ranks), memory(std::make_shared<Memory>(createGuestCpuDevice(), std::move(model))) {}

uint32_t ModelStates::Parameter::version() const {
  return leaf.unsafeGetTensorImpl()->version_counter().current_version();
}

at::Tensor ModelStates::view(const plan::fb::PlanT &plan, uint32_t index) const {
  Place place = placeOf(plan, index, rank());
  return view(memory->arenas.all().at(place.arena).data() + place.offset, scalarType(place.dtype),
              place.sizes, place.strides);
}

at::Tensor ModelStates::view(void *data, at::ScalarType type, at::IntArrayRef sizes,
                             at::IntArrayRef strides) const {
  int64_t last = 0;
  bool none = false;
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    none |= sizes[axis] == 0;
    last += (sizes[axis] - 1) * strides[axis];
  }
  size_t bytes = none ? 0 : static_cast<size_t>(last + 1) * c10::elementSize(type);
  // A storage of its own for each, so that saving one tensor does not save the arena.
  c10::Storage storage(
      c10::Storage::use_byte_size_t(), bytes,
      c10::DataPtr(
          data, new std::shared_ptr<Memory>(memory),
          [](void *owner) { delete static_cast<std::shared_ptr<Memory> *>(owner); },
          c10::Device(c10::kCPU)),
      /*allocator=*/nullptr, /*resizable=*/false);
  at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CPU),
      c10::scalarTypeToTypeMeta(type));
  made.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  return made;
}

void ModelStates::check(const plan::fb::PlanT &plan) const {
  if (!made)
    return;
  auto fail = [](const std::string &what) {
    throw Error(what + " than in the model's first plan; compile it with that plan's layout");
  };
  if (plan.parameters.size() != allParameters.size())
    fail("the plan has " + std::to_string(plan.parameters.size()) + " parameters, others (" +
         std::to_string(allParameters.size()) + ")");
  auto same = [&](uint32_t index, const at::Tensor &have) {
    Place place = placeOf(plan, index, rank());
    auto arena = memory->arenas.all().find(place.arena);
    return arena != memory->arenas.all().end() &&
           (have.numel() == 0 || arena->second.data() + place.offset == have.const_data_ptr()) &&
           scalarType(place.dtype) == have.scalar_type() &&
           have.sizes() == at::IntArrayRef(place.sizes) &&
           have.strides() == at::IntArrayRef(place.strides);
  };
  for (const auto &arena : plan.arenas)
    if (auto known = memory->arenas.all().find(arena->name);
        known != memory->arenas.all().end() &&
        arena->memory_class == plan::fb::MemoryClass::Static &&
        known->second.memory.bytes() != arena->bytes)
      fail("arena '" + arena->name + "' has " + std::to_string(arena->bytes) + " bytes, others (" +
           std::to_string(known->second.memory.bytes()) + ")");
  for (size_t i = 0; i < allParameters.size(); ++i) {
    const plan::fb::ParameterT &given = *plan.parameters[i];
    const Parameter &have = allParameters[i];
    std::string name = "parameter '" + given.name + "'";
    if (given.name != have.name || given.trainable != have.trainable)
      fail(name + " has another place in the list or is otherwise trainable");
    if (!same(given.tensor, have.valuePart()))
      fail(name + " lies elsewhere in this plan or is of another type");
    if (given.gradient >= 0 && have.gradient.defined() &&
        !same(static_cast<uint32_t>(given.gradient), have.gradientPart()))
      fail("the gradient of " + name + " lies elsewhere in this plan");
    for (const auto &state : given.states)
      for (const State &known : have.states)
        if (known.slot == state->slot && !same(state->tensor, known.tensor))
          fail("state '" + known.slot + "' of " + name + " lies elsewhere in this plan");
  }
  for (size_t i = 0; i < plan.module_buffers.size(); ++i)
    if (i >= buffers.size() || plan.module_buffers[i]->name != buffers[i].name ||
        !same(plan.module_buffers[i]->tensor, buffers[i].tensor))
      fail("buffer '" + plan.module_buffers[i]->name + "' lies elsewhere in this plan");
}

void ModelStates::adopt(const plan::fb::PlanT &plan) {
  if (!made) {
    const std::vector<uint32_t> bucketOf = bucketsOf(plan);
    for (size_t i = 0; i < plan.parameters.size(); ++i) {
      const auto &given = plan.parameters[i];
      Parameter parameter;
      parameter.name = given->name;
      parameter.trainable = given->trainable;
      parameter.shard = Shard(plan, *given, bucketOf[i]);
      parameter.value = view(plan, given->tensor);
      if (parameter.shard.stage == 3) {
        parameter.ownValue = parameter.value;
        parameter.value = makePlaceholder(
            parameter.shard.sizes, parameter.ownValue.scalar_type(),
            "parameter '" + given->name +
                "' is sharded over the ranks (zero.stage=3), its elements are not here: "
                "model.state_dict() gives whole tensors, model.load_state_dict() sets them");
      }
      allParameters.push_back(std::move(parameter));
    }
    for (const auto &given : plan.module_buffers)
      buffers.push_back({given->name, view(plan, given->tensor)});
    // By where they lie, not by what the plan says: an update's plan takes this as its layout.
    std::map<std::pair<std::string, uint64_t>, std::map<uint64_t, std::string>> byOffset;
    for (const auto &given : plan.parameters) {
      const plan::fb::TensorT &tensor = *plan.tensors[given->tensor];
      const plan::fb::BufferT &bucket = *plan.buffers[tensor.buffer];
      byOffset[{plan.arenas[bucket.arena]->name, bucket.offset}].emplace(
          tensor.segment ? tensor.segment->begin : tensor.byte_offset, given->name);
    }
    for (const auto &[place, names] : byOffset) {
      buckets.emplace_back();
      for (const auto &[offset, name] : names)
        buckets.back().push_back(name);
    }
    made = true;
  }
  for (size_t i = 0; i < allParameters.size(); ++i) {
    const plan::fb::ParameterT &given = *plan.parameters[i];
    Parameter &have = allParameters[i];
    if (given.gradient >= 0 && !have.gradient.defined())
      placeGradient(plan, given, have);
    for (const auto &state : given.states)
      if (std::none_of(have.states.begin(), have.states.end(),
                       [&](const State &known) { return known.slot == state->slot; }))
        have.states.push_back({state->slot, view(plan, state->tensor),
                               plan.tensors[state->tensor]->segment != nullptr});
  }
}

void ModelStates::placeGradient(const plan::fb::PlanT &plan, const plan::fb::ParameterT &given,
                                Parameter &parameter) const {
  auto index = static_cast<uint32_t>(given.gradient);
  parameter.gradient = view(plan, index);
  if (parameter.shard.stage == 0)
    return;
  parameter.ownGradient = parameter.gradient;
  if (parameter.shard.stage == 1) {
    const plan::fb::TensorT &part = *plan.tensors[index];
    const plan::fb::BufferT &bucket = *plan.buffers[part.buffer];
    std::byte *memory = this->memory->arenas.all().at(plan.arenas[bucket.arena]->name).data();
    parameter.unreduced =
        view(memory + bucket.offset + parameter.shard.offset * plan::elementBytes(part.dtype),
             scalarType(part.dtype), {static_cast<int64_t>(parameter.shard.elements)}, {1});
  }
  parameter.gradient = makePlaceholder(
      parameter.shard.sizes, parameter.ownGradient.scalar_type(),
      "the gradient of parameter '" + given.name +
          "' is sharded over the ranks (zero.stage=" + std::to_string(parameter.shard.stage) +
          "), its elements are not here: model.full_gradients() gives whole gradients, "
          "regimen.clip_grad_norm_ and the optimizers of regimen.optim take sharded ones");
}

//===----------------------------------------------------------------------===//
// Several ranks
//===----------------------------------------------------------------------===//

void ModelStates::requireReduced(size_t index, const char *user) const {
  const Parameter &parameter = allParameters[index];
  if (parameter.hasGradient() && parameter.reduction == Reduction::Own)
    throw Error(std::string(user) + ": the gradient of parameter '" + parameter.name +
                "' has contributions of this rank alone; run the last backward before it outside "
                "no_sync()");
}

std::vector<uint32_t> ModelStates::bucketMates(const std::vector<uint32_t> &given) const {
  std::set<uint32_t> touched;
  for (uint32_t index : given)
    touched.insert(allParameters[index].shard.bucket);
  std::vector<uint32_t> mates;
  for (uint32_t i = 0; i < allParameters.size(); ++i)
    if (allParameters[i].gradient.defined() && touched.contains(allParameters[i].shard.bucket))
      mates.push_back(i);
  return mates;
}

void ModelStates::resume(Parameter &parameter) const {
  parameter.reduction = Reduction::Own;
  at::Tensor flat = parameter.gradientWhole().view({-1});
  Shard::Range own = parameter.shard.rangeOf(rank());
  // The ranks' sum of these is N times the mean, at every stage alike.
  flat.narrow(0, own.begin, own.size).mul_(static_cast<double>(rankCount()));
  flat.narrow(0, 0, own.begin).zero_();
  flat.narrow(0, own.begin + own.size, flat.numel() - own.begin - own.size).zero_();
}

void ModelStates::bind(std::vector<at::Tensor> leaves) {
  if (leaves.size() != allParameters.size())
    throw Error("the model has " + std::to_string(allParameters.size()) + " parameters, " +
                std::to_string(leaves.size()) + " were given");
  for (size_t i = 0; i < leaves.size(); ++i) {
    const Parameter &parameter = allParameters[i];
    if (!leaves[i].defined() || !leaves[i].is_leaf() ||
        !leaves[i].storage().is_alias_of(parameter.value.storage()) ||
        leaves[i].sizes() != parameter.value.sizes())
      throw Error("parameter '" + parameter.name +
                  "' is not the model's: give a leaf over parameter(" + std::to_string(i) + ")");
  }
  for (size_t i = 0; i < leaves.size(); ++i) {
    allParameters[i].leaf = std::move(leaves[i]);
    allParameters[i].edge = {};
    allParameters[i].accumulator.reset();
  }
}

const torch::autograd::Edge &ModelStates::edge(size_t index) {
  static const torch::autograd::Edge none;
  Parameter &parameter = allParameters[index];
  if (!parameter.requiresGrad())
    return none;
  if (!parameter.edge.is_valid()) {
    torch::autograd::Edge edge = torch::autograd::impl::gradient_edge(parameter.leaf);
    // Copies of the edge count for `accumulator`, so what else counts for the node is foreign.
    parameter.accumulator =
        std::make_shared<std::shared_ptr<torch::autograd::Node>>(std::move(edge.function));
    parameter.edge = {
        std::shared_ptr<torch::autograd::Node>(parameter.accumulator, parameter.accumulator->get()),
        edge.input_nr};
  }
  return parameter.edge;
}

void ModelStates::settleGradient(size_t index) {
  Parameter &parameter = allParameters[index];
  if (!parameter.hasGradient())
    return;
  at::Tensor &current = parameter.leaf.mutable_grad();
  if (current.is_same(parameter.gradient))
    return;
  if (!parameter.gradient.defined())
    throw Error("parameter '" + parameter.name +
                "' has a .grad, but no path to an output of the model; set it to None");
  if (parameter.isShardedGradient())
    throw Error("parameter '" + parameter.name +
                "' was given a .grad, but its gradient is sharded over the ranks: add what makes "
                "it to the loss, or use zero.stage=0");
  at::NoGradGuard guard;
  if (current.const_data_ptr() != parameter.gradient.const_data_ptr() ||
      current.strides() != parameter.gradient.strides()) {
    leaveKeptGradient(index);
    parameter.gradient.copy_(current);
  }
  current = parameter.gradient;
}

void ModelStates::leaveKeptGradient(size_t index) {
  Parameter &parameter = allParameters[index];
  at::Tensor &gradient = parameter.gradient;
  // While the view is the .grad, all see it change, as in PyTorch.
  if (!gradient.defined() || parameter.isShardedGradient() ||
      (parameter.hasGradient() && parameter.leaf.grad().is_same(gradient)) ||
      (gradient.use_count() == 1 && gradient.storage().use_count() == 1))
    return;
  // Python's object for a tensor counts too, whether or not a variable names it: let go, and look
  // who is left.
  void *data = gradient.mutable_data_ptr();
  size_t bytes = gradient.storage().nbytes();
  c10::weak_intrusive_ptr<c10::StorageImpl> before = gradient.storage().getWeakStorageImpl();
  gradient = view(data, gradient.scalar_type(), gradient.sizes(), gradient.strides());
  c10::intrusive_ptr<c10::StorageImpl> kept = before.lock();
  if (!kept)
    return;
  c10::DataPtr own = c10::GetAllocator(c10::kCPU)->allocate(bytes);
  if (bytes > 0)
    std::memcpy(own.get(), data, bytes);
  kept->set_data_ptr_noswap(std::move(own));
}

} // namespace regimen::runtime
