//===- Validate.cpp - Layout, lifetimes, order between lanes ---------------===//

#include "formats/plan/Validator.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

using namespace regimen;
using namespace regimen::plan;

static std::string bufferName(const fb::PlanT &plan, uint32_t index) {
  std::string text = "buffer ";
  text += std::to_string(index);
  if (!plan.buffers[index]->name.empty())
    text += " '" + plan.buffers[index]->name + "'";
  return text;
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

namespace {
/// A buffer and the instructions of a program at which it lives.
struct Life {
  uint32_t buffer;
  uint32_t first, last;
};
} // namespace

/// Sweeps over the instructions of one program (or over nothing: -1, for what lives always) with
/// the live buffers by offset.
static void sweep(const fb::PlanT &plan, int32_t program, std::vector<Life> &lives,
                  Violations &violations) {
  std::stable_sort(lives.begin(), lives.end(),
                   [](const Life &a, const Life &b) { return a.first < b.first; });
  std::map<uint64_t, uint32_t> byOffset;
  std::multimap<uint32_t, uint32_t> byLast;
  for (const auto &[index, first, last] : lives) {
    const fb::BufferT &buffer = *plan.buffers[index];
    while (!byLast.empty() && byLast.begin()->first < first) {
      byOffset.erase(plan.buffers[byLast.begin()->second]->offset);
      byLast.erase(byLast.begin());
    }
    // Those in the map are disjoint, so only the neighbours can meet the new one.
    auto next = byOffset.lower_bound(buffer.offset);
    auto clash = byOffset.end();
    if (next != byOffset.end() && next->first < buffer.offset + buffer.bytes)
      clash = next;
    else if (next != byOffset.begin())
      if (auto previous = std::prev(next);
          previous->first + plan.buffers[previous->second]->bytes > buffer.offset)
        clash = previous;
    if (clash != byOffset.end()) {
      std::string where = program == -1 ? "arena '" + plan.arenas[buffer.arena]->name + "'"
                                        : describe(plan, *plan.programs[program], first);
      violations.add(where + ": " + bufferName(plan, clash->second) + " and " +
                     bufferName(plan, index) + " are alive at the same time and overlap");
      continue;
    }
    byOffset.emplace(buffer.offset, index);
    byLast.emplace(last, index);
  }
}

/// Where saved values live in a program: in a forward from their first touch on, in a backward to
/// their last one, under `retain` always.
static std::vector<Life> savedLives(const fb::PlanT &plan, const fb::ProgramT &program) {
  std::map<uint32_t, std::pair<uint32_t, uint32_t>> touched;
  uint32_t count = static_cast<uint32_t>(program.instructions.size());
  for (uint32_t i = 0; i < count; ++i)
    for (const Access &access : accesses(plan, program, *program.instructions[i]))
      if (isSaved(plan, access.span.buffer))
        touched.try_emplace(access.span.buffer, i, i).first->second.second = i;
  std::vector<Life> lives;
  for (uint32_t buffer = 0; buffer < plan.buffers.size(); ++buffer) {
    if (!isSaved(plan, buffer) || plan.buffers[buffer]->bytes == 0 || count == 0)
      continue;
    auto found = touched.find(buffer);
    if (program.retain)
      lives.push_back({buffer, 0, count - 1});
    else if (found != touched.end() && program.segment == fb::Segment::Forward)
      lives.push_back({buffer, found->second.first, count - 1});
    else if (found != touched.end() && program.segment == fb::Segment::Backward)
      lives.push_back({buffer, 0, found->second.second});
  }
  return lives;
}

void regimen::plan::validateLayout(const fb::PlanT &plan, Violations &violations) {
  std::map<std::pair<uint16_t, int32_t>, std::vector<Life>> groups;
  for (uint32_t i = 0; i < plan.buffers.size(); ++i) {
    const fb::BufferT &buffer = *plan.buffers[i];
    if (buffer.bytes == 0 || memoryClass(plan, i) == fb::MemoryClass::Caller)
      continue;
    // What belongs to no program lives always, whatever its lifetime says.
    bool always = buffer.program == -1;
    groups[{buffer.arena, buffer.program}].push_back(
        {i, always ? 0 : buffer.first, always ? 0 : buffer.last});
  }
  for (auto &[key, lives] : groups) {
    if (key.second >= 0 && plan.arenas[key.first]->memory_class == fb::MemoryClass::Frame) {
      std::vector<Life> saved = savedLives(plan, *plan.programs[key.second]);
      lives.insert(lives.end(), saved.begin(), saved.end());
    }
    sweep(plan, key.second, lives, violations);
  }

  for (size_t p = 0; p < plan.programs.size(); ++p) {
    // A buffer counts with its bytes or with what alignment makes of them; both bound the same
    // thing.
    std::map<uint32_t, uint64_t> exact, aligned; // changes, modulo 2^64
    for (const auto &buffer : plan.buffers) {
      const fb::ArenaT &arena = *plan.arenas[buffer->arena];
      if (buffer->program != static_cast<int32_t>(p) || arena.space != fb::MemorySpace::Device ||
          arena.memory_class != fb::MemoryClass::Work)
        continue;
      uint64_t rounded = (buffer->bytes + kAlignment - 1) / kAlignment * kAlignment;
      exact[buffer->first] += buffer->bytes;
      exact[buffer->last + 1] -= buffer->bytes;
      aligned[buffer->first] += rounded;
      aligned[buffer->last + 1] -= rounded;
    }
    auto peak = [](const std::map<uint32_t, uint64_t> &changes) {
      uint64_t live = 0, most = 0;
      for (auto [instruction, change] : changes)
        most = std::max(most, live += change);
      return most;
    };
    uint64_t bound = plan.programs[p]->lower_bound;
    if (bound < peak(exact) || bound > peak(aligned))
      violations.add("program '" + plan.programs[p]->name + "': lower_bound is " +
                     std::to_string(bound) + ", its live buffers need " +
                     std::to_string(peak(exact)));
  }
}

//===----------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------===//

namespace {
constexpr size_t kLanes = static_cast<size_t>(fb::Lane::MAX) + 1;
constexpr uint32_t kNoBuffer = UINT32_MAX;

/// Per lane, one more than the index of an instruction; 0 for none.
using Clock = std::array<uint32_t, kLanes>;

/// Who last touched a range of bytes. A write that comes after all earlier accesses stands for them
/// all, since lanes are in order: what is ordered after it is ordered after them.
struct Cell {
  uint64_t end = 0;
  uint32_t writer = kNoBuffer; // buffer through which the bytes were last written
  Clock written{}, read{};
};

/// Runs one program symbolically in its issue order.
class AccessChecker {
public:
  /// `resumed`: what backwards read of the frame.
  AccessChecker(const fb::PlanT &plan, int32_t index,
                const std::vector<std::pair<Span, std::string>> &gradients,
                const std::vector<Span> &resumed, Violations &violations)
      : plan(plan), programIndex(index), program(*plan.programs[index]), gradients(gradients),
        violations(violations), resumed(resumed), cells(plan.arenas.size() + plan.buffers.size()) {
    for (const auto &input : program.inputs)
      if (input->source != fb::InputSource::Data)
        given.insert(plan.tensors[input->tensor]->buffer);
    for (uint32_t i : program.gradients)
      named.insert(plan.parameters[i]->name);
  }

  void run() {
    for (current = 0; current < program.instructions.size(); ++current) {
      const fb::InstructionT &instruction = *program.instructions[current];
      lane = static_cast<size_t>(instruction.lane);
      if (const fb::RecordT *record = instruction.body.AsRecord()) {
        Clock &event = events[record->event];
        event = clocks[lane];
        event[lane] = static_cast<uint32_t>(current + 1);
      } else if (const fb::WaitT *wait = instruction.body.AsWait()) {
        const Clock &event = events[wait->event];
        for (size_t i = 0; i < kLanes; ++i)
          clocks[lane][i] = std::max(clocks[lane][i], event[i]);
      }
      for (const Access &access : accesses(plan, program, instruction)) {
        if (!isAlive(access.span.buffer) || access.span.empty())
          continue;
        access.write ? write(access.span) : read(access.span);
        if (access.write && !instruction.body.AsCollective())
          checkContribution(access.span);
      }
    }
    checkOutputs();
    checkGradients();
    if (program.segment == fb::Segment::Forward)
      for (const Span &span : resumed)
        if (firstUnwritten(span)) {
          violations.add("program '" + program.name + "': does not write " +
                         bufferName(plan, span.buffer) +
                         ", or overwrites it, but a backward reads it");
          break;
        }
  }

private:
  void fail(const std::string &what) {
    violations.add(describe(plan, program, current) + ": " + what);
  }

  bool isAlive(uint32_t index) {
    const fb::BufferT &buffer = *plan.buffers[index];
    if (buffer.program == -1) {
      if (program.segment != fb::Segment::Whole || !isSaved(plan, index))
        return true;
      fail("touches " + bufferName(plan, index) +
           " of the frame, which only suspended programs have");
      return false;
    }
    if (buffer.program != programIndex) {
      fail("touches " + bufferName(plan, index) + " of program '" +
           plan.programs[buffer.program]->name + "'");
      return false;
    }
    if (current < buffer.first || current > buffer.last) {
      fail("touches " + bufferName(plan, index) + " outside its lifetime [" +
           std::to_string(buffer.first) + ", " + std::to_string(buffer.last) + "]");
      return false;
    }
    return true;
  }

  std::map<uint64_t, Cell> &cellsOf(const Span &span) {
    // Each of the caller's buffers is memory of its own.
    if (memoryClass(plan, span.buffer) == fb::MemoryClass::Caller)
      return cells[plan.arenas.size() + span.buffer];
    return cells[plan.buffers[span.buffer]->arena];
  }

  /// Makes cell borders at both ends of a span; the first cell that ends behind its begin.
  std::map<uint64_t, Cell>::iterator split(std::map<uint64_t, Cell> &cells, const Span &span) {
    for (uint64_t border : {span.begin, span.end}) {
      auto it = cells.lower_bound(border);
      if (it == cells.begin())
        continue;
      --it;
      if (it->second.end <= border)
        continue;
      cells.emplace(border, it->second);
      it->second.end = border;
    }
    return cells.lower_bound(span.begin);
  }

  /// Reports the accesses of other lanes that nothing orders before this one; one message an access
  /// is enough.
  bool checkOrder(const Clock &earlier, const Span &span, const char *mine, const char *theirs) {
    for (size_t other = 0; other < kLanes; ++other)
      if (other != lane && earlier[other] > clocks[lane][other]) {
        fail(std::string(mine) + " " + bufferName(plan, span.buffer) + " without waiting for " +
             fb::EnumNameLane(static_cast<fb::Lane>(other)) + "-lane instruction " +
             std::to_string(earlier[other] - 1) + ", which " + theirs + " the same bytes");
        return false;
      }
    return true;
  }

  void write(const Span &span) {
    if (given.contains(span.buffer))
      fail("writes " + bufferName(plan, span.buffer) + ", which is the caller's");
    if (program.retain && memoryClass(plan, span.buffer) == fb::MemoryClass::Frame)
      fail("writes " + bufferName(plan, span.buffer) + " of the frame that it must retain");
    std::map<uint64_t, Cell> &cells = cellsOf(span);
    auto it = split(cells, span);
    for (bool ordered = true; it != cells.end() && it->first < span.end; it = cells.erase(it))
      ordered = ordered && checkOrder(it->second.written, span, "writes", "writes") &&
                checkOrder(it->second.read, span, "writes", "reads");
    Cell cell;
    cell.end = span.end;
    cell.writer = span.buffer;
    cell.written[lane] = static_cast<uint32_t>(current + 1);
    cells.emplace(span.begin, cell);
  }

  void read(const Span &span) {
    if (std::optional<uint64_t> byte = firstUnwritten(span))
      checkInitialised(span, *byte);
    std::map<uint64_t, Cell> &cells = cellsOf(span);
    uint64_t at = span.begin;
    bool ordered = true;
    auto mark = [&](Cell &cell) { cell.read[lane] = static_cast<uint32_t>(current + 1); };
    for (auto it = split(cells, span); at < span.end; ++it) {
      uint64_t next = it == cells.end() ? span.end : std::min(it->first, span.end);
      if (at < next) {
        // Nobody touched these bytes yet, but a later write must wait for this read.
        Cell cell;
        cell.end = next;
        mark(cell);
        it = cells.emplace(at, cell).first;
        at = next;
        continue;
      }
      ordered = ordered && checkOrder(it->second.written, span, "reads", "writes");
      mark(it->second);
      at = it->second.end;
    }
  }

  /// First byte of a span that was not written through its own buffer in this program.
  std::optional<uint64_t> firstUnwritten(const Span &span) {
    std::map<uint64_t, Cell> &cells = cellsOf(span);
    auto it = cells.upper_bound(span.begin);
    if (it != cells.begin() && std::prev(it)->second.end > span.begin)
      --it;
    for (uint64_t at = span.begin; at < span.end; at = it->second.end, ++it)
      if (it == cells.end() || it->first > at || it->second.writer != span.buffer)
        return at;
    return std::nullopt;
  }

  /// First byte of a span that something else overwrote in this program.
  std::optional<uint64_t> firstOverwritten(const Span &span) {
    std::map<uint64_t, Cell> &cells = cellsOf(span);
    auto it = cells.upper_bound(span.begin);
    if (it != cells.begin() && std::prev(it)->second.end > span.begin)
      --it;
    for (; it != cells.end() && it->first < span.end; ++it)
      if (it->second.writer != kNoBuffer && it->second.writer != span.buffer)
        return std::max(it->first, span.begin);
    return std::nullopt;
  }

  void checkInitialised(const Span &span, uint64_t byte) {
    if (given.contains(span.buffer))
      return;
    // A backward finds the frame as the forward left it.
    if (isSaved(plan, span.buffer) && program.segment == fb::Segment::Backward) {
      if (firstOverwritten(span))
        fail("reads " + bufferName(plan, span.buffer) + " of the frame after it was overwritten");
      return;
    }
    if (!isStatic(plan, span.buffer))
      return fail("reads " + bufferName(plan, span.buffer) + " from byte " +
                  std::to_string(byte - plan.buffers[span.buffer]->offset) +
                  " before anything wrote there");
    // A later contribution adds to what is there, but what is reduced in place it added to before.
    const fb::CollectiveT *collective = program.instructions[current]->body.AsCollective();
    bool inPlace = collective && collective->part < 0 && program.segment == fb::Segment::Backward;
    if (program.contribution != fb::Contribution::First && !inPlace)
      return;
    // States keep their values between programs; gradients of the step before must not leak into
    // this one.
    for (const auto &[gradient, name] : gradients)
      if (gradient.buffer == span.buffer && gradient.overlaps(span)) {
        Span common{span.buffer, std::max(gradient.begin, span.begin),
                    std::min(gradient.end, span.end)};
        if (firstUnwritten(common))
          return fail("reads the gradient of '" + name + "' before its first contribution");
      }
  }

  /// Whether the program contributes to the gradient of parameter `name`: the first contribution of
  /// a whole micro-step to all, a backward to those that it names.
  bool contributesTo(const std::string &name) const {
    if (program.segment != fb::Segment::Backward)
      return program.contribution == fb::Contribution::First;
    return program.contribution != fb::Contribution::None && named.contains(name);
  }

  /// No kernel of a backward writes another gradient. A reduction takes the bucket as it is.
  void checkContribution(const Span &span) {
    if (program.segment != fb::Segment::Backward || !isStatic(plan, span.buffer))
      return;
    for (const auto &[gradient, name] : gradients)
      if (gradient.buffer == span.buffer && gradient.overlaps(span) && !contributesTo(name))
        return fail("writes the gradient of '" + name + "', to which it does not contribute");
  }

  void checkGradients() {
    for (const auto &[span, name] : gradients)
      if (contributesTo(name) && firstUnwritten(span))
        violations.add("program '" + program.name + "': does not write the gradient of '" + name +
                       "', which the update would read");
  }

  void checkOutputs() {
    for (const auto &output : program.outputs) {
      Span span = spanOf(plan, output->tensor);
      const fb::BufferT &buffer = *plan.buffers[span.buffer];
      if (isStatic(plan, span.buffer))
        continue;
      std::string where = "program '";
      where += program.name + "': output '" + output->name + "' ";
      if (buffer.program != programIndex)
        violations.add(where + "is in " + bufferName(plan, span.buffer) + " of another program");
      else if (buffer.last + size_t{1} != program.instructions.size())
        violations.add(where + "is in " + bufferName(plan, span.buffer) +
                       ", which does not live to the end");
      else if (firstUnwritten(span))
        violations.add(where + "is not written, or overwritten");
    }
  }

  const fb::PlanT &plan;
  int32_t programIndex;
  const fb::ProgramT &program;
  const std::vector<std::pair<Span, std::string>> &gradients;
  Violations &violations;

  const std::vector<Span> &resumed;
  std::set<uint32_t> given;    // buffers of inputs that the caller brings
  std::set<std::string> named; // parameters whose gradients a backward names
  // By the cells' first bytes: one map an arena, then one a buffer for the caller's.
  std::vector<std::map<uint64_t, Cell>> cells;
  std::array<Clock, kLanes> clocks{}; // what each lane knows to be done
  std::map<uint32_t, Clock> events;
  size_t current = 0; // instruction
  size_t lane = 0;    // of it
};
} // namespace

void regimen::plan::validateAccesses(const fb::PlanT &plan, Violations &violations) {
  std::vector<std::pair<Span, std::string>> gradients = staticGradients(plan);
  std::vector<Span> resumed;
  for (const auto &program : plan.programs)
    if (program->segment == fb::Segment::Backward)
      for (const auto &instruction : program->instructions)
        for (const Access &access : accesses(plan, *program, *instruction))
          if (!access.write && isSaved(plan, access.span.buffer) && !access.span.empty())
            resumed.push_back(access.span);
  for (size_t i = 0; i < plan.programs.size(); ++i)
    AccessChecker(plan, static_cast<int32_t>(i), gradients, resumed, violations).run();
}

std::vector<std::string> regimen::plan::validate(const fb::PlanT &plan) {
  Violations violations;
  validateTables(plan, violations);
  if (violations.empty()) {
    validateStates(plan, violations);
    validateReductions(plan, violations);
    validateLayout(plan, violations);
    validateSpaces(plan, violations);
    validateAccesses(plan, violations);
  }
  return violations.take();
}
