//===- ChromeTracer.cpp ---------------------------------------------------===//
#include "formats/AtomicFile.h"
#include "runtime/trace/Tracer.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <mutex>
#include <vector>

namespace regimen::runtime {
namespace {

/// Rows of the picture: the lanes, then the steps.
constexpr unsigned kStepRow = 3;

class Collector : public ChromeTracer {
public:
  Collector(const plan::fb::PlanT &plan, const std::filesystem::path &path)
      : plan(plan), file(path) {
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

  void write() override {
    put("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    const char *rows[] = {"compute", "comm", "copy", "steps"};
    for (unsigned row = 0; row <= kStepRow; ++row)
      put(fmt::format("{{\"ph\":\"M\",\"pid\":0,\"tid\":{},\"name\":\"thread_name\",\"args\":{{"
                      "\"name\":\"{}\"}}}},\n",
                      row, rows[row]));
    for (const Span &span : spans)
      put(line(span));
    put("{\"ph\":\"M\",\"pid\":0,\"name\":\"process_name\",\"args\":{\"name\":" +
        nlohmann::json(plan.model).dump() + "}}\n]}\n");
    file.commit();
  }

private:
  struct Span {
    int32_t program; // -1: a step
    uint32_t index;
    Clock::time_point begin, end;
  };

  std::string line(const Span &span) const {
    auto micros = [&](Clock::time_point at) {
      return std::chrono::duration<double, std::micro>(at - spans.front().begin).count();
    };
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
    return fmt::format("{{\"ph\":\"X\",\"pid\":0,\"tid\":{},\"ts\":{:.3f},\"dur\":{:.3f},\"name\":{"
                       "},\"args\":{}}},\n",
                       row, micros(span.begin), micros(span.end) - micros(span.begin),
                       nlohmann::json(name).dump(),
                       args.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }

  void put(const std::string &text) { file.write(std::as_bytes(std::span(text))); }

  const plan::fb::PlanT &plan;
  AtomicFile file;
  std::mutex mutex;
  std::vector<Span> spans;
};

} // namespace

std::unique_ptr<ChromeTracer> ChromeTracer::create(const plan::fb::PlanT &plan,
                                                   const std::filesystem::path &path) {
  return std::make_unique<Collector>(plan, path);
}

} // namespace regimen::runtime
