//===- Plan.h - Reading, writing and re-proving plan files ------*- C++ -*-===//
//
// A plan in memory is flatc's object form, regimen::plan::fb::PlanT. What is here stands between
// that and the world: a file is used only after read() has verified the bytes and validate() found
// nothing.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_FORMATS_PLAN_PLAN_H
#define REGIMEN_FORMATS_PLAN_PLAN_H

#include "formats/plan/plan_generated.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace regimen::plan {

/// Plan.version that this code writes and reads.
inline constexpr uint32_t kVersion = 2;
/// Every buffer starts at a multiple of this many bytes.
inline constexpr uint64_t kAlignment = 64;

/// Reads, verifies and validates a plan. Throws Error: not a plan, of another version, damaged, or
/// with the first violations that validate() found.
fb::PlanT read(const std::filesystem::path &path);

/// Bytes to plan with all checks but validate(); `name` stands for the path in messages.
fb::PlanT parse(std::span<const std::byte> bytes, const std::string &name);

/// Plan to bytes, the same for equal plans. Throws Error if a required part is missing.
std::vector<std::byte> serialize(const fb::PlanT &plan);

/// Writes to a temporary file and renames it into place.
void write(const fb::PlanT &plan, const std::filesystem::path &path);

/// Proves from the plan alone that it is safe to run; an empty result is the proof. It shares no
/// code with the planner. Each message names program, instruction and source location where it has
/// them.
///
/// Proven: every index is in range; tensors lie in their buffers, buffers in their arenas at
/// multiples of 64 bytes; buffers live at the same time do not overlap; a program touches a buffer
/// only within its lifetime; waits follow their records; accesses of the same bytes from different
/// lanes are ordered by events unless all are reads; work bytes are written before they are read;
/// parameters, gradients, states, module buffers and constants have separate bytes; the first
/// micro-step writes every gradient. Of suspended programs: what a backward reads of the frame was
/// written by the forward and not overwritten since; with `retain` it writes nothing there; it
/// contributes to the gradients that it names and to no others; inputs and outputs are the
/// caller's, fit those of the forward, and inputs are not written; no two variants have the same
/// key.
///
/// A strided tensor counts as the span from its first to its last byte. In-place kernels may write
/// every tensor argument.
std::vector<std::string> validate(const fb::PlanT &plan);

unsigned elementBytes(fb::DType dtype);
/// Lower-case name, e.g. "f32".
std::string_view name(fb::DType dtype);
/// Number of elements of a tensor.
int64_t numElements(const fb::TensorT &tensor);
bool isContiguous(const fb::TensorT &tensor);

inline constexpr size_t kCategories = static_cast<size_t>(fb::Category::MAX) + 1;

/// What is alive at one program's most expensive instruction.
struct ProgramMemory {
  std::string name;
  /// Live device bytes of the program's own work buffers at each instruction, and those of each
  /// category.
  std::vector<uint64_t> live;
  std::array<std::vector<uint64_t>, kCategories> liveOf;
  /// First instruction at which `live` is largest, and that size.
  size_t peakInstruction = 0;
  uint64_t peakBytes = 0;
  /// Device buffers alive there, largest first; static ones are not among them.
  std::vector<uint32_t> atPeak;
};

/// Memory of a plan, from the plan alone. Bytes.
struct MemoryReport {
  uint64_t predictedPeak = 0; // sum of the device arenas, a frame's as often as there are frames
  uint64_t hostPeak = 0;      // sum of the host arenas
  uint64_t frameBytes = 0;    // one frame on the device
  uint64_t frames = 1;        // as the configuration's memory.frames says; auto counts as one
  uint64_t staticBytes = 0;   // device buffers that live always
  uint64_t lowerBound =
      0; // static bytes, frames and the largest live sum of any program: no layout can need less
  /// High-water mark of each category on the device in a step: what is static of it and the most
  /// that lives at once of the rest. Evaluation does not count.
  std::array<uint64_t, kCategories> categories{};
  /// What of it is there all the time: static buffers and frames.
  std::array<uint64_t, kCategories> resident{};
  std::vector<ProgramMemory> programs;
};

/// Requires a valid plan.
MemoryReport memory(const fb::PlanT &plan);

/// Key of a category in reports, e.g. "optimizer".
std::string_view name(fb::Category category);

/// Data-parallel ranks: the mesh's size.
uint32_t ranksOf(const fb::PlanT &plan);

/// Bytes of a window in which a reduction receives: the other ranks' parts at once; in a ring the
/// sum that leaves and the one that arrives.
uint64_t receiveBytes(const fb::PlanT &plan, uint64_t partBytes);

/// Elements [begin, begin + size) of its buffer that a segment is on a rank, counted from the
/// buffer's start.
struct SegmentRange {
  uint64_t begin = 0, size = 0;
  /// First element of the whole tensor that the segment holds.
  uint64_t skipped = 0;
};
SegmentRange segmentOf(const fb::ShardPartT &segment, uint64_t rank);

/// What a step consists of. Where regimen-run drives micro-steps: these and the update. Of
/// suspended programs alone: the forward, the first backward that reduces, and the update if there
/// is one.
struct Step {
  std::vector<uint64_t> runs;    // of each program
  std::vector<size_t> microStep; // the programs of the first micro-step
  uint64_t microSteps = 1;
};
Step stepOf(const fb::PlanT &plan);

/// The program that evaluates the model on data, if the plan has one. (The inference program of
/// suspended ones names no loss: a caller brings its inputs.)
std::optional<size_t> evaluationOf(const fb::PlanT &plan);

/// Bytes that a rank sends in a step, scalars apart. Requires a valid plan.
struct CommReport {
  uint64_t allGather = 0, reduceScatter = 0, allReduce = 0;
  /// By the buckets' stages alone; see passes/shard/Traffic.h.
  uint64_t closedForm = 0;
  /// Collectives a step.
  uint64_t collectives = 0;
  /// The most windows of one kind that are held at once: gathered buckets, gradients on their way,
  /// or what a reduction receives. So windows need at most `depth` * (2 + (N - 1) / N) times the
  /// largest bucket.
  uint64_t depth = 0;
  uint64_t total() const { return allGather + reduceScatter + allReduce; }
};
CommReport communication(const fb::PlanT &plan);
/// CommReport::depth.
uint64_t windowDepth(const fb::PlanT &plan);

/// The whole plan as text, one line an instruction. Requires a valid plan.
std::string print(const fb::PlanT &plan);

} // namespace regimen::plan

#endif // REGIMEN_FORMATS_PLAN_PLAN_H
