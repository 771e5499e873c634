//===- MemoryPicture.cpp - A rank's memory over a step, drawn --------------===//
#include "tools/regimen-plan/MemoryPicture.h"

#include "tools/regimen-plan/Describe.h"
#include "tools/regimen-plan/MemoryProfile.h"
#include "tools/regimen-plan/MemoryText.h"
#include "tools/regimen-plan/Svg.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

using namespace regimen;
using namespace regimen::plan;

namespace {

// Places, in units of the picture.
constexpr double kWidth = 1180, kLeft = 96, kRight = 1140;
constexpr double kTop = 158, kBottom = 508;
/// The predicted peak is this far up; above it is room for what is said of it.
constexpr double kPeakShare = 0.84;
constexpr double kLeastProgram = 84, kGap = 14;
constexpr double kTable = 608, kRow = 23;
constexpr size_t kListed = 15;
/// What a character of small text takes at most.
constexpr double kCharacter = 6.6;

// Paul Tol's bright scheme, which the colour-blind can tell apart too.
constexpr const char *kStyle = R"(
  svg { background: #fff; font-family: 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif; }
  text { font-size: 12px; fill: #333; }
  .page { fill: #fff; }
  .heading { font-size: 21px; font-weight: 600; fill: #111; }
  .section { font-size: 15px; font-weight: 600; fill: #111; }
  .quiet { fill: #777; }
  .number, .tick { font-variant-numeric: tabular-nums; }
  .tick { fill: #666; }
  .strong { font-weight: 600; fill: #111; }
  .grid { stroke: #e4e4e4; stroke-width: 1; }
  .axis { stroke: #999; stroke-width: 1; }
  .strip { fill: #f0f1f3; }
  .outside { fill: #faf4e6; }
  .limit { stroke: #333; stroke-width: 1; stroke-dasharray: 5 4; }
  .mark { stroke: #111; stroke-width: 1; stroke-dasharray: 2 3; }
  .dot { fill: #fff; stroke: #111; stroke-width: 2; }
  .params { fill: #4477aa; } .grads { fill: #66ccee; } .optimizer { fill: #228833; }
  .activations { fill: #ee6677; } .comm { fill: #aa3377; } .workspace { fill: #ccbb44; }
)";

std::string styleOf(size_t category) {
  return std::string(name(static_cast<fb::Category>(category)));
}

std::string counted(uint64_t count, const char *what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// A power of two of bytes such that `most` has between 4 and 8 of it.
uint64_t tickStep(uint64_t most) {
  uint64_t step = 1;
  while (most / step >= 8 && step < uint64_t{1} << 62)
    step *= 2;
  return step;
}

/// "1.5 GiB": no zeros that say nothing.
std::string tickText(uint64_t bytes) {
  std::string text = sizeText(bytes);
  size_t dot = text.find('.'), space = text.find(' ');
  if (dot != std::string::npos) {
    size_t last = text.find_last_not_of('0', space - 1);
    text.erase(last == dot ? dot : last + 1, space - (last == dot ? dot : last + 1));
  }
  return bytes == 0 ? "0" : text;
}

class Picture {
public:
  explicit Picture(const fb::PlanT &plan)
      : plan(plan), profile(profileMemory(plan)), rows(rowsAtPeak()),
        svg(kWidth, kTable + 64 + kRow * static_cast<double>(rows.size()), kStyle) {
    scale = (kBottom - kTop) * kPeakShare /
            static_cast<double>(std::max<uint64_t>(profile.report.predictedPeak, 1));
    placePrograms();
  }

  std::string draw() && {
    svg.metadata(memoryJson(plan)["ranks"][0].dump());
    svg.rect(0, 0, kWidth, kTable + 64 + kRow * static_cast<double>(rows.size()), "page");
    drawHeading();
    drawLegend();
    drawGrid();
    for (size_t p = 0; p < profile.programs.size(); ++p)
      drawProgram(p);
    drawAxes();
    drawPeak();
    drawTable();
    return std::move(svg).finish();
  }

private:
  /// A line of the table.
  struct Row {
    uint64_t bytes;
    std::string category, name, op, layer, source;
  };
  struct Place {
    double left, right;
  };

  double y(uint64_t bytes) const { return kBottom - static_cast<double>(bytes) * scale; }
  const fb::ProgramT &program(size_t p) const { return *plan.programs[profile.programs[p].index]; }
  double x(size_t p, size_t instruction) const {
    double share =
        static_cast<double>(instruction) / static_cast<double>(profile.programs[p].live.size());
    return places[p].left + share * (places[p].right - places[p].left);
  }

  /// Widths by the number of instructions, and enough for a name.
  void placePrograms() {
    size_t total = 0;
    for (const MemoryProfile::Program &program : profile.programs)
      total += program.live.size();
    const auto count = static_cast<double>(profile.programs.size());
    const double whole = kRight - kLeft - kGap * std::max(0.0, count - 1);
    const double least = std::min(kLeastProgram, whole / std::max(count, 1.0));
    double left = kLeft;
    for (const MemoryProfile::Program &program : profile.programs) {
      double width = least + (whole - least * count) * static_cast<double>(program.live.size()) /
                                 static_cast<double>(total);
      places.push_back({left, left + width});
      left += width + kGap;
    }
  }

  void drawHeading() {
    const MemoryReport &report = profile.report;
    svg.text(kLeft, 44, shorten(plan.model, 48) + ": " + sizeText(report.predictedPeak) + " a rank",
             "heading", {}, {plan.model});
    std::string text = "device memory over the instructions of a step, " +
                       counted(ranksOf(plan), "rank") + ", ZeRO stage " + std::to_string(stage());
    if (report.frameBytes > 0)
      text += ", " + counted(report.frames, "frame") + " of " + sizeText(report.frameBytes);
    if (report.hostPeak > 0)
      text += ", " + sizeText(report.hostPeak) + " on the host";
    svg.text(kLeft, 68, text, "quiet");
  }

  unsigned stage() const {
    unsigned stage = 0;
    for (const auto &bucket : plan.buckets)
      stage = std::max<unsigned>(stage, bucket->zero);
    return stage;
  }

  /// Categories with the most that they need in a step.
  void drawLegend() {
    double left = kLeft;
    for (size_t category = 0; category < kCategories; ++category) {
      const uint64_t bytes = profile.report.categories[category];
      std::string tip = styleOf(category) + ": at most " + std::to_string(bytes) + " bytes, " +
                        std::to_string(profile.report.resident[category]) + " all the time";
      svg.rect(left, 88, 12, 12, styleOf(category), {tip});
      svg.text(left + 18, 98, styleOf(category), "strong", {}, {tip});
      svg.text(left + 18, 113, sizeText(bytes), "quiet number", {}, {tip});
      left += 112;
    }
  }

  void drawGrid() {
    const uint64_t step = tickStep(profile.report.predictedPeak);
    for (uint64_t bytes = 0; y(bytes) > kTop; bytes += step) {
      svg.line(kLeft, y(bytes), kRight, y(bytes), "grid");
      svg.text(kLeft - 10, y(bytes) + 4, tickText(bytes), "tick", "text-anchor=\"end\"");
    }
    const std::string turned = "text-anchor=\"middle\" transform=\"rotate(-90 24 " +
                               coordinate((kTop + kBottom) / 2) + ")\"";
    svg.text(24, (kTop + kBottom) / 2, "live bytes", "quiet", turned);
  }

  /// The instruction that stands for each column of a program: the one with most bytes.
  std::vector<size_t> columnsOf(size_t p) const {
    const size_t count = profile.programs[p].live.size();
    const auto columns = static_cast<size_t>(places[p].right - places[p].left) * 2;
    std::vector<size_t> result;
    for (size_t column = 0; column < std::min(columns, count); ++column) {
      size_t first = column * count / std::min(columns, count);
      size_t end = (column + 1) * count / std::min(columns, count);
      size_t most = first;
      for (size_t i = first; i < end; ++i)
        if (profile.totalAt(p, i) > profile.totalAt(p, most))
          most = i;
      result.push_back(most);
    }
    return result;
  }

  void drawProgram(size_t p) {
    const MemoryProfile::Program &drawn = profile.programs[p];
    const Place place = places[p];
    const std::vector<size_t> columns = columnsOf(p);
    std::vector<uint64_t> below(columns.size(), 0);
    for (size_t category = 0; category < kCategories; ++category) {
      std::string up, down;
      uint64_t most = 0;
      auto at = [&](size_t column) {
        return place.left + (place.right - place.left) * static_cast<double>(column) /
                                static_cast<double>(columns.size());
      };
      std::vector<uint64_t> above = below;
      for (size_t column = 0; column < columns.size(); ++column) {
        above[column] += drawn.live[columns[column]][category];
        most = std::max(most, drawn.live[columns[column]][category]);
      }
      // Steps, along the upper edge and back along the lower one; level stretches are one segment.
      for (size_t column = 0; column < columns.size(); ++column) {
        if (column > 0 && above[column] == above[column - 1])
          continue;
        up += (up.empty() ? "M" : "H") + coordinate(at(column));
        up += (up.find('V') == std::string::npos && column == 0 ? " " : "V") +
              coordinate(y(above[column]));
      }
      up += "H" + coordinate(place.right);
      for (size_t column = columns.size(); column-- > 0;) {
        if (column + 1 < columns.size() && below[column] == below[column + 1])
          continue;
        down += (down.empty() ? "" : "H" + coordinate(at(column + 1))) + "V" +
                coordinate(y(below[column]));
      }
      if (most > 0)
        svg.path(up + down + "H" + coordinate(place.left) + "Z", styleOf(category),
                 {styleOf(category) + " in " + program(p).name + ": at most " + sizeText(most)});
      below = std::move(above);
    }
    drawStrip(p);
  }

  /// The program's name above it, and what it is below.
  void drawStrip(size_t p) {
    const MemoryProfile::Program &drawn = profile.programs[p];
    const Place place = places[p];
    const double width = place.right - place.left, middle = (place.left + place.right) / 2;
    const auto fits = static_cast<size_t>(width / kCharacter);
    svg.rect(place.left, kTop - 26, width, 22, drawn.runs > 0 ? "strip" : "outside",
             {program(p).name});
    svg.text(middle, kTop - 11, shorten(program(p).name, fits), "strong", "text-anchor=\"middle\"",
             {program(p).name});
    svg.line(place.left, kBottom, place.left, kBottom + 5, "axis");
    svg.line(place.right, kBottom, place.right, kBottom + 5, "axis");
    std::string count = counted(drawn.live.size(), "instruction");
    if (count.size() > fits)
      count = std::to_string(drawn.live.size());
    svg.text(middle, kBottom + 19, count, "tick", "text-anchor=\"middle\"");
    std::string when = drawn.runs == 0  ? "outside the step"
                       : drawn.runs > 1 ? std::to_string(drawn.runs) + " times a step"
                                        : "";
    svg.text(middle, kBottom + 35, shorten(when, fits), "quiet", "text-anchor=\"middle\"");
  }

  void drawAxes() {
    svg.line(kLeft, kTop, kLeft, kBottom, "axis");
    svg.line(kLeft, kBottom, kRight, kBottom, "axis");
    svg.text((kLeft + kRight) / 2, kBottom + 58, "instructions, in the order of their issue",
             "quiet", "text-anchor=\"middle\"");
  }

  void drawPeak() {
    if (profile.programs.empty())
      return;
    const double at = x(profile.peakProgram, profile.peakInstruction) +
                      (x(profile.peakProgram, 1) - x(profile.peakProgram, 0)) / 2;
    const double limit = y(profile.report.predictedPeak), top = y(profile.peakBytes);
    const bool isLeft = at < (kLeft + kRight) / 2;
    svg.line(kLeft, limit, kRight, limit, "limit");
    svg.text(isLeft ? kRight : kLeft + 8, limit - 8,
             "predicted peak " + sizeText(profile.report.predictedPeak) + ", the arenas together",
             "quiet number", isLeft ? "text-anchor=\"end\"" : "",
             {std::to_string(profile.report.predictedPeak) + " bytes"});
    svg.line(at, limit - 34, at, kBottom, "mark");
    svg.circle(at, top, 4.5, "dot");
    const char *anchor = isLeft ? "" : "text-anchor=\"end\"";
    const double side = isLeft ? at + 8 : at - 8;
    svg.text(side, limit - 25, "most alive: " + sizeText(profile.peakBytes), "strong number",
             anchor, {std::to_string(profile.peakBytes) + " bytes"});
    const fb::LocationT &location = *plan.locations[peakInstruction().location];
    std::string where = "instruction " + std::to_string(profile.peakInstruction);
    if (std::string maker = makerText(location); !maker.empty())
      where += ": " + maker;
    svg.text(side, limit - 10, shorten(where, 70), "quiet", anchor,
             {where + "\n" + sourceText(location)});
  }

  const fb::InstructionT &peakInstruction() const {
    return *program(profile.peakProgram).instructions[profile.peakInstruction];
  }

  //===--------------------------------------------------------------------===//
  // What is alive at the peak
  //===--------------------------------------------------------------------===//

  std::vector<Row> rowsAtPeak() const {
    std::vector<Row> list;
    for (size_t category = 0; category < kCategories; ++category)
      if (uint64_t bytes = profile.report.resident[category]) {
        bool frames = category == static_cast<size_t>(fb::Category::Activations);
        list.push_back(
            {bytes, styleOf(category), frames ? "frames" : "all that stays", "", "", ""});
      }
    if (profile.programs.empty())
      return list;
    std::vector<uint32_t> alive =
        profile.report.programs[profile.programs[profile.peakProgram].index].atPeak;
    uint64_t rest = 0;
    for (size_t i = 0; i < alive.size(); ++i) {
      const fb::BufferT &buffer = *plan.buffers[alive[i]];
      if (i >= kListed) {
        rest += buffer.bytes;
        continue;
      }
      const fb::LocationT &location = origin(plan, buffer);
      list.push_back({buffer.bytes, std::string(name(buffer.category)), buffer.name, location.op,
                      location.layer, sourceText(location)});
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const Row &a, const Row &b) { return a.bytes > b.bytes; });
    if (rest > 0)
      list.push_back(
          {rest, "", "in " + std::to_string(alive.size() - kListed) + " more", "", "", ""});
    return list;
  }

  void drawTable() {
    svg.text(kLeft, kTable, "Alive at the peak: " + sizeText(profile.peakBytes), "section");
    double line = kTable + 28;
    constexpr double bytesAt = kLeft + 76, barAt = kLeft + 88, categoryAt = kLeft + 192,
                     nameAt = kLeft + 276, opAt = kLeft + 430, layerAt = kLeft + 600,
                     sourceAt = kLeft + 826, longestBar = 92;
    for (auto [at, what] : {std::pair(categoryAt, "category"), std::pair(nameAt, "buffer"),
                            std::pair(opAt, "made by"), std::pair(layerAt, "in layer"),
                            std::pair(sourceAt, "source line")})
      svg.text(at, line, what, "quiet");
    svg.text(bytesAt, line, "bytes", "quiet", "text-anchor=\"end\"");
    svg.line(kLeft, line + 7, kRight, line + 7, "grid");
    uint64_t most = 1;
    for (const Row &row : rows)
      most = std::max(most, row.bytes);
    for (const Row &row : rows) {
      line += kRow;
      svg.text(bytesAt, line, sizeText(row.bytes), "number", "text-anchor=\"end\"",
               {std::to_string(row.bytes) + " bytes"});
      const double bar = longestBar * static_cast<double>(row.bytes) / static_cast<double>(most);
      svg.rect(barAt, line - 10, std::max(bar, 1.0), 12,
               row.category.empty() ? "strip" : row.category);
      svg.text(categoryAt, line, row.category, "");
      const char *type = row.op.empty() ? "quiet" : "";
      svg.text(nameAt, line, shorten(row.name, 21), type, {}, {row.name});
      svg.text(opAt, line, shorten(row.op, 23), "", {}, {row.op});
      svg.text(layerAt, line, shorten(row.layer, 31, /*keepEnd=*/true), "", {}, {row.layer});
      svg.text(sourceAt, line, shorten(row.source, 30, /*keepEnd=*/true), "quiet", {},
               {row.source});
    }
  }

  const fb::PlanT &plan;
  const MemoryProfile profile;
  const std::vector<Row> rows;
  std::vector<Place> places;
  double scale = 1;
  Svg svg;
};

} // namespace

std::string regimen::plan::memoryPicture(const fb::PlanT &plan) { return Picture(plan).draw(); }
