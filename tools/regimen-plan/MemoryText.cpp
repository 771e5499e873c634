#include "tools/regimen-plan/MemoryText.h"

#include "tools/regimen-plan/Describe.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

using namespace regimen;
using namespace regimen::plan;

/// Size of a picture, in characters, and how many consumers are listed at a peak.
static constexpr size_t kColumns = 96, kRows = 16, kListed = 10;

nlohmann::json regimen::plan::memoryJson(const fb::PlanT &plan) {
  MemoryReport report = memory(plan);
  nlohmann::json categories;
  for (size_t i = 0; i < kCategories; ++i)
    categories[std::string(name(static_cast<fb::Category>(i)))] = report.categories[i];
  nlohmann::json ranks = nlohmann::json::array();
  // Ranks run the same programs over equal shards, so what holds for one holds for all.
  for (uint64_t rank = 0, count = ranksOf(plan); rank < count; ++rank)
    ranks.push_back({{"rank", rank},
                     {"predicted_peak", report.predictedPeak},
                     {"host_peak", report.hostPeak},
                     {"nvme_bytes", 0},
                     {"frames", report.frames},
                     {"frame_bytes", report.frameBytes},
                     {"lower_bound", report.lowerBound},
                     {"categories", categories}});
  return {{"ranks", ranks}};
}

static std::string pad(std::string text, size_t width) {
  if (text.size() < width)
    text.append(width - text.size(), ' ');
  return text;
}

static std::string padLeft(const std::string &text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

static char letter(fb::Category category) { return name(category)[0]; }

/// One arena during one program: each character is a range of addresses over a range of
/// instructions and shows the category that fills most of it, '.' where nothing lives.
static std::string picture(const fb::PlanT &plan, int32_t program, uint16_t arena,
                           size_t peakInstruction) {
  size_t instructions = plan.programs[program]->instructions.size();
  uint64_t bytes = plan.arenas[arena]->bytes;
  size_t columns = std::min(kColumns, instructions);
  size_t rows =
      static_cast<size_t>(std::min<uint64_t>(kRows, std::max<uint64_t>(1, bytes / kAlignment)));
  using Shares = std::array<double, kCategories>;
  std::vector<Shares> cells(rows * columns, Shares{});
  auto firstOf = [](uint64_t part, uint64_t parts, uint64_t total) {
    return static_cast<uint64_t>(static_cast<double>(total) * static_cast<double>(part) /
                                 static_cast<double>(parts));
  };
  for (const auto &buffer : plan.buffers) {
    if (buffer->program != program || buffer->arena != arena || buffer->bytes == 0)
      continue;
    uint64_t end = buffer->offset + buffer->bytes;
    for (size_t row = 0; row < rows; ++row) {
      uint64_t low = firstOf(row, rows, bytes), high = firstOf(row + 1, rows, bytes);
      if (buffer->offset >= high || end <= low)
        continue;
      double height = static_cast<double>(std::min(end, high) - std::max(buffer->offset, low));
      size_t left = buffer->first * columns / instructions;
      size_t right = buffer->last * columns / instructions;
      for (size_t column = left; column <= right; ++column)
        cells[row * columns + column][static_cast<size_t>(buffer->category)] += height;
    }
  }
  std::string text;
  for (size_t row = rows; row-- > 0;) {
    text += "  " + padLeft(sizeText(firstOf(row + 1, rows, bytes)), 11) + " |";
    for (size_t column = 0; column < columns; ++column) {
      const Shares &shares = cells[row * columns + column];
      auto most = std::max_element(shares.begin(), shares.end());
      text += *most == 0 ? '.' : letter(static_cast<fb::Category>(most - shares.begin()));
    }
    text += "|\n";
  }
  text += std::string(15 + peakInstruction * columns / instructions, ' ');
  text += "^ instruction " + std::to_string(peakInstruction) + " of " +
          std::to_string(instructions) + "\n";
  return text;
}

static std::string programText(const fb::PlanT &plan, int32_t index, const ProgramMemory &memory) {
  std::string text = "\nprogram '";
  text.append(memory.name).append("': ").append(std::to_string(memory.live.size()));
  text.append(" instructions, peak ").append(sizeText(memory.peakBytes));
  text.append(" at instruction ").append(std::to_string(memory.peakInstruction)).append("\n");
  std::set<uint16_t> arenas;
  for (const auto &buffer : plan.buffers)
    if (buffer->program == index && plan.arenas[buffer->arena]->space == fb::MemorySpace::Device &&
        plan.arenas[buffer->arena]->memory_class != fb::MemoryClass::Caller)
      arenas.insert(buffer->arena);
  for (uint16_t arena : arenas) {
    text.append(" arena '").append(plan.arenas[arena]->name).append("' (");
    for (size_t i = 0; i < kCategories; ++i) {
      fb::Category category = static_cast<fb::Category>(i);
      text.append(i ? ", " : "").append(1, letter(category)).append(" ").append(name(category));
    }
    text += ")\n" + picture(plan, index, arena, memory.peakInstruction);
  }
  if (!memory.atPeak.empty())
    text += " alive at the peak:\n";
  for (size_t i = 0; i < std::min(kListed, memory.atPeak.size()); ++i) {
    const fb::BufferT &buffer = *plan.buffers[memory.atPeak[i]];
    text.append(" ").append(padLeft(sizeText(buffer.bytes), 12)).append("  ");
    text.append(pad(std::string(name(buffer.category)), 12)).append(pad(buffer.name, 24));
    std::string maker = makerText(origin(plan, buffer)), source = sourceText(origin(plan, buffer));
    text.append(" ").append(maker).append(maker.empty() || source.empty() ? "" : ", ");
    text.append(source).append("\n");
  }
  if (memory.atPeak.size() > kListed) {
    uint64_t rest = 0;
    for (size_t i = kListed; i < memory.atPeak.size(); ++i)
      rest += plan.buffers[memory.atPeak[i]]->bytes;
    text.append(" ").append(padLeft(sizeText(rest), 12)).append("  in ");
    text.append(std::to_string(memory.atPeak.size() - kListed)).append(" more\n");
  }
  return text;
}

std::string regimen::plan::memoryText(const fb::PlanT &plan) {
  MemoryReport report = memory(plan);
  std::string text;
  auto row = [&](std::string_view label, uint64_t bytes) {
    text.append(pad(std::string(label), 16)).append(padLeft(sizeText(bytes), 12));
    text.append(padLeft(std::to_string(bytes), 18)).append("\n");
  };
  row("predicted peak", report.predictedPeak);
  row("lower bound", report.lowerBound);
  row("host peak", report.hostPeak);
  for (const auto &arena : plan.arenas)
    if (arena->space == fb::MemorySpace::Host)
      row("  " + arena->name, arena->bytes);
  text += "\nhigh-water mark of each category\n";
  for (size_t i = 0; i < kCategories; ++i)
    row(name(static_cast<fb::Category>(i)), report.categories[i]);
  for (size_t i = 0; i < report.programs.size(); ++i)
    text += programText(plan, static_cast<int32_t>(i), report.programs[i]);
  return text;
}
