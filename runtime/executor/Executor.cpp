//===- Executor.cpp -------------------------------------------------------===//
#include "runtime/executor/Executor.h"

#include "formats/Error.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>

namespace regimen::runtime {

using plan::fb::Body;
using plan::fb::Lane;

/// A program with everything that running it needs.
struct Executor::Program {
  struct Step {
    Body kind;
    Queue *lane;
    Event *event; // Record, Wait
    Task task;    // Call, LoadInput
  };
  explicit Program(const plan::fb::PlanT &plan, const plan::fb::ProgramT &source)
      : source(source), touched(plan) {}

  const plan::fb::ProgramT &source;
  std::vector<Step> steps;
  std::vector<std::unique_ptr<BoundCall>> calls;
  std::vector<std::unique_ptr<Event>> events;
  std::vector<double> registers;
  Extents touched;
  /// Whether it has collectives, which all ranks must enter.
  bool communicates = false;
};

/// Programs that run without a caller.
static std::vector<bool> drivenPrograms(const plan::fb::PlanT &plan) {
  std::vector<bool> wanted;
  for (const auto &program : plan.programs)
    wanted.push_back(
        program->segment == plan::fb::Segment::Whole &&
        std::all_of(program->inputs.begin(), program->inputs.end(), [](const auto &input) {
          return input->source == plan::fb::InputSource::Data;
        }));
  return wanted;
}

Executor::Executor(const plan::fb::PlanT &plan, Device &device, Communicator *communicator)
    : thePlan(plan), device(device), ranks(communicator), identity(0),
      planMemory(plan, device, /*shared=*/nullptr, static_cast<uint64_t>(rank())) {
  checkMesh();
  KernelTable kernels;
  bindAll(kernels, drivenPrograms(plan));
}

Executor::Executor(const plan::fb::PlanT &plan, const Shared &shared,
                   const std::vector<bool> &wanted, uint32_t identity)
    : thePlan(plan), device(shared.device), ranks(shared.communicator), identity(identity),
      planMemory(plan, device, &shared.arenas, static_cast<uint64_t>(rank())) {
  checkMesh();
  bindAll(shared.kernels, wanted);
}

void Executor::checkMesh() const {
  if (static_cast<uint32_t>(rankCount()) != plan::ranksOf(thePlan))
    throw Error("the plan's mesh has " + std::to_string(plan::ranksOf(thePlan)) + " ranks, " +
                std::to_string(rankCount()) + " run it");
}

Lane Executor::copyLane(const plan::fb::ProgramT &program) const {
  size_t bytes = 0;
  for (const auto &instruction : program.instructions) {
    if (instruction->lane != Lane::Copy)
      continue;
    if (const plan::fb::LoadInputT *load = instruction->body.AsLoadInput())
      bytes += planMemory.tensors().at(program.inputs.at(load->input)->tensor).nbytes();
    else if (instruction->body.AsCall())
      return Lane::Copy;
  }
  return bytes <= device.inlineLoadBytes() ? Lane::Compute : Lane::Copy;
}

void Executor::bindAll(KernelTable &kernels, const std::vector<bool> &wanted) {
  const plan::fb::PlanT &plan = thePlan;
  std::array<size_t, static_cast<size_t>(Lane::MAX) + 1> longest{};
  for (size_t i = 0; i < plan.programs.size(); ++i) {
    std::array<size_t, static_cast<size_t>(Lane::MAX) + 1> lengths{};
    if (!wanted.at(i))
      continue;
    const Lane copies = copyLane(*plan.programs[i]);
    for (const auto &instruction : plan.programs[i]->instructions) {
      auto lane = static_cast<size_t>(instruction->lane == Lane::Copy ? copies : instruction->lane);
      longest[lane] = std::max(longest[lane], ++lengths[lane]);
    }
  }
  for (size_t lane = 0; lane < lanes.size(); ++lane)
    if (longest[lane] > 0)
      lanes[lane] = device.createQueue(
          lane == static_cast<size_t>(Lane::Compute) ? QueueKind::Inline : QueueKind::Concurrent,
          longest[lane]);
  at::AutoDispatchBelowADInplaceOrView guard;
  programs.resize(plan.programs.size());
  for (size_t i = 0; i < plan.programs.size(); ++i)
    if (wanted[i])
      bind(i, kernels);
  // Learning what the calls allocate ran them on zeros.
  planMemory.settle();
}

Executor::~Executor() = default;

std::string Executor::where(size_t program, size_t index) const {
  const plan::fb::ProgramT &source = *thePlan.programs[program];
  const plan::fb::InstructionT &instruction = *source.instructions[index];
  std::string text = "instruction " + std::to_string(index) + " of " + source.name;
  if (instruction.location >= thePlan.locations.size())
    return text;
  const plan::fb::LocationT &location = *thePlan.locations[instruction.location];
  std::string detail = location.op;
  auto add = [&](const std::string &part) {
    detail += (detail.empty() || part.empty() ? "" : ", ") + part;
  };
  add(location.layer.empty() ? "" : "layer " + location.layer);
  add(location.file.empty() ? "" : location.file + ":" + std::to_string(location.line));
  return detail.empty() ? text : text + " (" + detail + ")";
}

void Executor::bind(size_t index, KernelTable &kernels) {
  const plan::fb::ProgramT &source = *thePlan.programs[index];
  auto bound = std::make_unique<Program>(thePlan, source);
  bound->registers.resize(source.scalars.size());
  for (uint32_t event = 0; event < source.events; ++event)
    bound->events.push_back(device.createEvent());
  bound->steps.reserve(source.instructions.size());
  const Lane copies = copyLane(source);
  for (size_t i = 0; i < source.instructions.size(); ++i) {
    const plan::fb::InstructionT &instruction = *source.instructions[i];
    const Lane lane = instruction.lane == Lane::Copy ? copies : instruction.lane;
    Program::Step step{instruction.body.type, lanes[static_cast<size_t>(lane)].get(), nullptr, {}};
    if (const plan::fb::RecordT *record = instruction.body.AsRecord())
      step.event = bound->events.at(record->event).get();
    else if (const plan::fb::WaitT *wait = instruction.body.AsWait())
      step.event = bound->events.at(wait->event).get();
    else
      step.task = makeTask(*bound, index, i, kernels);
    bound->steps.push_back(std::move(step));
  }
  programs[index] = std::move(bound);
}

Task Executor::makeTask(Program &bound, size_t program, size_t index, KernelTable &kernels) {
  const plan::fb::InstructionT &instruction = *bound.source.instructions[index];
  if (const plan::fb::LoadInputT *load = instruction.body.AsLoadInput()) {
    uint32_t tensorIndex = bound.source.inputs.at(load->input)->tensor;
    const at::Tensor &tensor = planMemory.tensors().at(tensorIndex);
    if (!tensor.is_contiguous())
      throw Error(where(program, index) + ": an input must be contiguous; compile the model again");
    bound.touched.addTensor(tensorIndex);
    return [this, &bound, program, index, input = load->input, destination = tensor] {
      Clock::time_point begin = tracer ? Clock::now() : Clock::time_point();
      currentInputs->load(
          bound.source, input,
          {static_cast<std::byte *>(destination.mutable_data_ptr()), destination.nbytes()});
      if (tracer)
        tracer->instruction(program, index, begin, Clock::now());
    };
  }
  if (const plan::fb::CollectiveT *collective = instruction.body.AsCollective()) {
    bound.communicates = true;
    return makeCollective(bound, program, index, *collective);
  }
  const plan::fb::CallT *call = instruction.body.AsCall();
  if (!call)
    throw Error(where(program, index) +
                " is of a kind that this runtime does not know; update Regimen");
  for (const auto &argument : call->args) {
    if (argument->kind == plan::fb::ArgKind::Tensor)
      bound.touched.addTensor(argument->tensor);
    for (int32_t tensor : argument->tensors)
      if (tensor >= 0)
        bound.touched.addTensor(static_cast<size_t>(tensor));
  }
  for (uint32_t result : call->results)
    bound.touched.addTensor(result);
  StorageWindow scratch;
  if (call->scratch >= 0) {
    scratch = planMemory.buffer(static_cast<size_t>(call->scratch));
    bound.touched.addBuffer(static_cast<size_t>(call->scratch));
  }
  std::string place = where(program, index);
  CallSite site{*call, *thePlan.kernels.at(call->kernel), planMemory.tensors(), scratch, place};
  std::unique_ptr<BoundCall> made;
  try {
    made = kernels.bind(site);
    made->prepare();
  } catch (const c10::Error &error) {
    throw Error(place + ": " + error.what_without_backtrace());
  }
  BoundCall *kernel = made.get();
  bound.calls.push_back(std::move(made));
  const bool beside = instruction.lane != Lane::Compute;
  return [this, kernel, &bound, program, index, beside] {
    // Lanes beside the caller's have their own dispatch state.
    std::optional<at::AutoDispatchBelowADInplaceOrView> guard;
    if (beside)
      guard.emplace();
    Clock::time_point begin = tracer ? Clock::now() : Clock::time_point();
    try {
      kernel->run(bound.registers);
    } catch (const c10::Error &error) {
      throw Error(where(program, index) + ": " + error.what_without_backtrace());
    }
    if (tracer)
      tracer->instruction(program, index, begin, Clock::now());
  };
}

Task Executor::makeCollective(Program &bound, size_t program, size_t index,
                              const plan::fb::CollectiveT &collective) {
  using plan::fb::CollectiveKind;
  bound.touched.addTensor(collective.whole);
  at::Tensor whole = planMemory.tensors().at(collective.whole), part;
  if (collective.part >= 0) {
    bound.touched.addTensor(static_cast<size_t>(collective.part));
    part = planMemory.tensors().at(static_cast<size_t>(collective.part));
  }
  StorageWindow scratch;
  if (collective.scratch >= 0) {
    scratch = planMemory.buffer(static_cast<size_t>(collective.scratch));
    bound.touched.addBuffer(static_cast<size_t>(collective.scratch));
  }
  size_t partBytes = whole.nbytes() / static_cast<size_t>(rankCount());
  size_t partElements = static_cast<size_t>(whole.numel() / rankCount());
  Reduction reduction{whole.scalar_type(), 1.0 / rankCount(), collective.accumulate};
  auto run = [this, whole, part, scratch, partBytes, partElements, reduction,
              kind = collective.kind, scalars = collective.bucket < 0] {
    auto *all = static_cast<std::byte *>(whole.mutable_data_ptr());
    std::byte *mine = all + static_cast<size_t>(rank()) * partBytes;
    auto *own = part.defined() ? static_cast<std::byte *>(part.mutable_data_ptr()) : mine;
    std::span<std::byte> window{scratch.data(), scratch.bytes};
    Collectives &collectives = ranks->collectives();
    if (kind == CollectiveKind::ReduceScatter)
      return collectives.reduceScatter(all, own, partElements, reduction, window);
    if (kind == CollectiveKind::AllReduce)
      return collectives.allReduce(all, static_cast<size_t>(whole.numel()), reduction, window);
    if (scalars)
      return collectives.allGatherBytes({own, partBytes}, {all, whole.nbytes()});
    if (own != mine)
      std::memcpy(mine, own, partBytes);
    collectives.allGather(all, partBytes);
  };
  return [this, program, index, run] {
    Clock::time_point begin = tracer ? Clock::now() : Clock::time_point();
    try {
      run();
    } catch (const LostRank &lost) {
      throw LostRank(std::string(lost.what()) + ", at " + where(program, index));
    }
    if (tracer)
      tracer->instruction(program, index, begin, Clock::now());
  };
}

void Executor::issue(Program &bound) {
  for (Program::Step &step : bound.steps) {
    switch (step.kind) {
    case Body::Record:
      step.lane->record(*step.event);
      break;
    case Body::Wait:
      step.lane->wait(*step.event);
      break;
    default:
      step.lane->launch(step.task);
    }
  }
}

void Executor::agree(size_t index) {
  try {
    ranks->host().agree(static_cast<uint32_t>(index), identity,
                        [this](uint32_t program, uint32_t plan) {
                          return plan == identity && program < thePlan.programs.size()
                                     ? thePlan.programs[program]->name
                                     : "something else";
                        });
  } catch (const LostRank &lost) {
    throw LostRank(std::string(lost.what()) + ", before instruction 0 of " +
                   thePlan.programs[index]->name);
  }
}

void Executor::run(size_t index, const Hypers &hypers, InputLoader &inputs) {
  currentInputs = &inputs;
  run(index, hypers);
}

void Executor::run(size_t index, const Hypers &hypers) {
  if (!programs.at(index))
    throw Error("program " + thePlan.programs[index]->name +
                " of the plan is not one that runs here");
  Program &bound = *programs[index];
  if (ranks && bound.communicates)
    agree(index);
  planMemory.refresh();
  evaluateScalars(bound.source, hypers, bound.registers);
  for (const std::unique_ptr<Event> &event : bound.events)
    event->reset();
  at::AutoDispatchBelowADInplaceOrView guard;
  UnplannedMemory::setCounting(true);
  std::exception_ptr failure;
  try {
    issue(bound);
  } catch (...) {
    failure = std::current_exception();
    for (const std::unique_ptr<Queue> &lane : lanes)
      if (lane)
        lane->cancel();
  }
  for (const std::unique_ptr<Queue> &lane : lanes) {
    try {
      if (lane)
        lane->synchronize();
    } catch (...) {
      // The first failure explains the others.
      if (!failure)
        failure = std::current_exception();
    }
  }
  UnplannedMemory::setCounting(false);
  planMemory.touched.merge(bound.touched);
  if (failure)
    std::rethrow_exception(failure);
}

double Executor::scalar(size_t index) const {
  const at::Tensor &tensor = planMemory.tensors().at(index);
  if (tensor.numel() != 1)
    throw Error("tensor " + std::to_string(index) +
                " of the plan is not a scalar; compile the model again");
  at::AutoDispatchBelowADInplaceOrView guard;
  return tensor.item().toDouble();
}

uint64_t Executor::copiedResults() const {
  uint64_t copied = 0;
  for (const std::unique_ptr<Program> &program : programs)
    for (size_t i = 0; program && i < program->calls.size(); ++i)
      copied += program->calls[i]->copiedResults();
  return copied;
}

} // namespace regimen::runtime
