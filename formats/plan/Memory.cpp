#include "formats/plan/Plan.h"

#include <nlohmann/json.hpp>

#include <algorithm>

using namespace regimen;
using namespace regimen::plan;

std::string_view regimen::plan::name(fb::Category category) {
  switch (category) {
  case fb::Category::Params:
    return "params";
  case fb::Category::Grads:
    return "grads";
  case fb::Category::Optimizer:
    return "optimizer";
  case fb::Category::Activations:
    return "activations";
  case fb::Category::Comm:
    return "comm";
  case fb::Category::Workspace:
    return "workspace";
  }
  return "?";
}

/// Running sums of what buffers add at their first instruction and take away behind their last.
static std::vector<uint64_t> liveBytes(const fb::PlanT &plan, const std::vector<uint32_t> &buffers,
                                       size_t instructions) {
  // Differences modulo 2^64; every prefix sum is a true size again.
  std::vector<uint64_t> live(instructions + 1, 0);
  for (uint32_t index : buffers) {
    live[plan.buffers[index]->first] += plan.buffers[index]->bytes;
    live[plan.buffers[index]->last + size_t{1}] -= plan.buffers[index]->bytes;
  }
  for (size_t i = 1; i < live.size(); ++i)
    live[i] += live[i - 1];
  live.pop_back();
  return live;
}

/// memory.frames of the configuration, by nested or dotted key; 1 where it is auto.
static uint64_t framesOf(const fb::PlanT &plan) {
  nlohmann::json config = nlohmann::json::parse(plan.config, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object())
    return 1;
  nlohmann::json frames;
  if (config.contains("memory.frames"))
    frames = config["memory.frames"];
  else if (config.contains("memory") && config["memory"].is_object())
    frames = config["memory"].value("frames", nlohmann::json());
  return frames.is_number_unsigned() ? std::clamp<uint64_t>(frames.get<uint64_t>(), 1, 1 << 16) : 1;
}

MemoryReport regimen::plan::memory(const fb::PlanT &plan) {
  MemoryReport report;
  report.frames = framesOf(plan);
  for (const auto &arena : plan.arenas) {
    bool device = arena->space == fb::MemorySpace::Device;
    bool frame = arena->memory_class == fb::MemoryClass::Frame;
    (device ? report.predictedPeak : report.hostPeak) +=
        frame ? report.frames * arena->bytes : arena->bytes;
    if (frame && device)
      report.frameBytes += arena->bytes;
  }
  uint64_t savedBytes = 0; // of all frames together, without padding

  using ByCategory = std::array<std::vector<uint32_t>, kCategories>;
  std::vector<ByCategory> buffers(plan.programs.size());
  for (uint32_t i = 0; i < plan.buffers.size(); ++i) {
    const fb::BufferT &buffer = *plan.buffers[i];
    fb::MemoryClass memoryClass = plan.arenas[buffer.arena]->memory_class;
    if (plan.arenas[buffer.arena]->space != fb::MemorySpace::Device ||
        memoryClass == fb::MemoryClass::Caller)
      continue;
    size_t category = static_cast<size_t>(buffer.category);
    if (buffer.program == -1 && memoryClass == fb::MemoryClass::Frame) {
      savedBytes += report.frames * buffer.bytes;
      report.resident[category] += report.frames * buffer.bytes;
    } else if (buffer.program == -1) {
      report.staticBytes += buffer.bytes;
      report.resident[category] += buffer.bytes;
    } else if (memoryClass == fb::MemoryClass::Work) {
      // What a segment places in the frame is counted with it.
      buffers[buffer.program][category].push_back(i);
    }
  }

  std::array<uint64_t, kCategories> most{};
  const std::optional<size_t> evaluation = evaluationOf(plan);
  for (size_t p = 0; p < plan.programs.size(); ++p) {
    const fb::ProgramT &program = *plan.programs[p];
    ProgramMemory memory;
    memory.name = program.name;
    std::vector<uint32_t> all;
    for (size_t category = 0; category < kCategories; ++category) {
      const std::vector<uint32_t> &some = buffers[p][category];
      all.insert(all.end(), some.begin(), some.end());
      memory.liveOf[category] = liveBytes(plan, some, program.instructions.size());
      // Categories are those of training.
      if (p != evaluation)
        for (uint64_t bytes : memory.liveOf[category])
          most[category] = std::max(most[category], bytes);
    }
    memory.live = liveBytes(plan, all, program.instructions.size());
    auto peak = std::max_element(memory.live.begin(), memory.live.end());
    if (peak != memory.live.end()) {
      memory.peakInstruction = static_cast<size_t>(peak - memory.live.begin());
      memory.peakBytes = *peak;
    }
    for (uint32_t index : all)
      if (plan.buffers[index]->first <= memory.peakInstruction &&
          memory.peakInstruction <= plan.buffers[index]->last)
        memory.atPeak.push_back(index);
    std::sort(memory.atPeak.begin(), memory.atPeak.end(), [&](uint32_t a, uint32_t b) {
      uint64_t aBytes = plan.buffers[a]->bytes, bBytes = plan.buffers[b]->bytes;
      return aBytes != bBytes ? aBytes > bBytes : a < b;
    });
    report.lowerBound =
        std::max(report.lowerBound, report.staticBytes + savedBytes + memory.peakBytes);
    report.programs.push_back(std::move(memory));
  }
  for (size_t category = 0; category < kCategories; ++category)
    report.categories[category] = report.resident[category] + most[category];
  return report;
}
