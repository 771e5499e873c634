//===- ChromeTracer.cpp ---------------------------------------------------===//
#include "formats/AtomicFile.h"
#include "runtime/trace/Tracer.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace regimen::runtime {
namespace {

/// Rows of the picture: the lanes, then the steps.
constexpr unsigned kStepRow = 3;

class Collector : public ChromeTracer {
public:
  Collector(const plan::fb::PlanT &plan, const std::optional<std::filesystem::path> &path)
      : plan(plan) {
    if (path)
      file.emplace(*path);
    spans.reserve(1 << 14);
  }

  void instruction(size_t program, size_t instruction, Clock::time_point begin,
                   Clock::time_point end) override {
    std::lock_guard lock(mutex);
    spans.push_back(
        {static_cast<int32_t>(program), static_cast<uint32_t>(instruction), begin, end});
  }
  void step(uint64_t step, Clock::time_point begin, Clock::time_point end) override {
    std::lock_guard lock(mutex);
    spans.push_back({-1, static_cast<uint32_t>(step), begin, end});
  }

  void write(Communicator *ranks) override {
    const std::string text = events(ranks ? ranks->rank() : 0, ranks ? ranks->size() : 1,
                                    ranks ? earliest(*ranks) : begin());
    std::string_view before = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
    auto put = [&](std::span<const std::byte> part) {
      file->write(std::as_bytes(std::span(std::exchange(before, ",\n"))));
      file->write(part);
    };
    if (ranks)
      ranks->host().scalars().collectBytes(std::as_bytes(std::span(text)), put);
    else
      put(std::as_bytes(std::span(text)));
    if (!file)
      return;
    file->write(std::as_bytes(std::span(std::string_view("\n]}\n"))));
    file->commit();
  }

private:
  struct Span {
    int32_t program; // -1: a step
    uint32_t index;
    Clock::time_point begin, end;
  };

  /// Time on a clock that machines share, in nanoseconds.
  int64_t sharedTime(Clock::time_point at) const {
    return std::chrono::nanoseconds(at.time_since_epoch() + toShared).count();
  }
  /// When the first span begins.
  int64_t begin() const {
    int64_t first = INT64_MAX;
    for (const Span &span : spans)
      first = std::min(first, sharedTime(span.begin));
    return first;
  }
  int64_t earliest(Communicator &ranks) const {
    const int64_t own = begin();
    std::vector<int64_t> all(static_cast<size_t>(ranks.size()));
    ranks.host().scalars().allGatherBytes(std::as_bytes(std::span(&own, 1)),
                                          std::as_writable_bytes(std::span(all)));
    return *std::min_element(all.begin(), all.end());
  }

  /// This rank's events, with commas between them.
  std::string events(int rank, int ranks, int64_t origin) const {
    std::string name = ranks > 1 ? fmt::format("rank {} of {}", rank, plan.model) : plan.model;
    std::string text = fmt::format(
        "{{\"ph\":\"M\",\"pid\":{},\"name\":\"process_name\",\"args\":{{\"name\":{}}}}}", rank,
        nlohmann::json(name).dump());
    const char *rows[] = {"compute", "comm", "copy", "steps"};
    for (unsigned row = 0; row <= kStepRow; ++row)
      text +=
          fmt::format(",\n{{\"ph\":\"M\",\"pid\":{},\"tid\":{},\"name\":\"thread_name\",\"args\":{{"
                      "\"name\":\"{}\"}}}}",
                      rank, row, rows[row]);
    for (const Span &span : spans)
      text += ",\n" + event(span, rank, origin);
    return text;
  }

  std::string event(const Span &span, int rank, int64_t origin) const {
    double start = static_cast<double>(sharedTime(span.begin) - origin) / 1e3;
    double duration = std::chrono::duration<double, std::micro>(span.end - span.begin).count();
    unsigned row = kStepRow;
    nlohmann::json args = nlohmann::json::object();
    std::string name = fmt::format("step {}", span.index);
    if (span.program >= 0) {
      const plan::fb::ProgramT &program = *plan.programs[static_cast<size_t>(span.program)];
      const plan::fb::InstructionT &instruction = *program.instructions[span.index];
      row = static_cast<unsigned>(instruction.lane);
      args["program"] = program.name;
      args["instruction"] = span.index;
      if (const plan::fb::CallT *call = instruction.body.AsCall()) {
        name = plan.kernels[call->kernel]->name;
      } else if (const plan::fb::LoadInputT *load = instruction.body.AsLoadInput()) {
        name = "load " + program.inputs[load->input]->name;
      } else {
        name = plan::fb::EnumNameBody(instruction.body.type);
      }
      if (instruction.location < plan.locations.size()) {
        const plan::fb::LocationT &location = *plan.locations[instruction.location];
        if (!location.op.empty())
          args["op"] = location.op;
        if (!location.layer.empty())
          args["layer"] = location.layer;
        if (!location.file.empty())
          args["source"] = fmt::format("{}:{}", location.file, location.line);
      }
    }
    return fmt::format(
        "{{\"ph\":\"X\",\"pid\":{},\"tid\":{},\"ts\":{:.3f},\"dur\":{:.3f},\"name\":{},"
        "\"args\":{}}}",
        rank, row, start, duration, nlohmann::json(name).dump(),
        args.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }

  const plan::fb::PlanT &plan;
  /// Rank 0's.
  std::optional<AtomicFile> file;
  const std::chrono::nanoseconds toShared =
      std::chrono::system_clock::now().time_since_epoch() - Clock::now().time_since_epoch();
  std::mutex mutex;
  std::vector<Span> spans;
};

} // namespace

std::unique_ptr<ChromeTracer>
ChromeTracer::create(const plan::fb::PlanT &plan,
                     const std::optional<std::filesystem::path> &path) {
  return std::make_unique<Collector>(plan, path);
}

} // namespace regimen::runtime
