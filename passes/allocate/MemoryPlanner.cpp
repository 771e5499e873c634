//===- MemoryPlanner.cpp - Offsets for buffers with lifetimes -------------===//
#include "passes/allocate/MemoryPlanner.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

using namespace regimen::passes;

namespace {

enum class Fit { First, Best };

/// A buffer that has its place. Only what the scan for gaps needs, so that it stays in cache.
struct Placed {
  uint64_t begin, end;
  uint32_t first, last;
};

/// Puts buffers one by one, in a given order, into the first or the tightest gap among those that
/// live with them.
class Placer {
public:
  Placer(std::span<const Interval> intervals, uint64_t alignment) : intervals(intervals) {
    sizes.reserve(intervals.size());
    uint32_t end = 0;
    for (const Interval &interval : intervals) {
      sizes.push_back((interval.bytes + alignment - 1) / alignment * alignment);
      end = std::max(end, interval.last);
    }
    slabWidth = end / kSlabs + 1;
  }

  const std::vector<uint64_t> &getSizes() const { return sizes; }
  uint64_t getSteps() const { return steps; }

  /// Fills `offsets` and returns the arena's size, or gives up with UINT64_MAX once it reaches
  /// `limit`.
  uint64_t place(std::span<const uint32_t> order, Fit fit, std::vector<uint64_t> &offsets,
                 uint64_t limit) {
    all.clear();
    longLived.clear();
    for (auto &slab : slabs)
      slab.clear();
    uint64_t peak = 0;
    for (uint32_t index : order) {
      uint64_t offset = sizes[index] ? findGap(index, fit) : 0;
      offsets[index] = offset;
      peak = std::max(peak, offset + sizes[index]);
      if (peak >= limit)
        return std::numeric_limits<uint64_t>::max();
      if (sizes[index])
        insert(index, offset);
    }
    return peak;
  }

private:
  // Time is cut into slabs. Buffers that span few slabs are listed in each; the others in one list
  // of their own. So a short-lived buffer, the common kind, looks at its neighbours in time only.
  static constexpr uint32_t kSlabs = 256;
  static constexpr uint32_t kShort = 4;

  bool isShort(const Interval &interval) const {
    return interval.last / slabWidth - interval.first / slabWidth < kShort;
  }

  static void insertSorted(std::vector<Placed> &list, const Placed &placed) {
    auto at = std::upper_bound(list.begin(), list.end(), placed,
                               [](const Placed &a, const Placed &b) { return a.begin < b.begin; });
    list.insert(at, placed);
  }

  void insert(uint32_t index, uint64_t offset) {
    const Interval &interval = intervals[index];
    Placed placed{offset, offset + sizes[index], interval.first, interval.last};
    insertSorted(all, placed);
    if (!isShort(interval))
      return insertSorted(longLived, placed);
    for (uint32_t slab = interval.first / slabWidth; slab <= interval.last / slabWidth; ++slab)
      insertSorted(slabs[slab], placed);
  }

  /// Walks over the placed neighbours by offset.
  uint64_t findGap(uint32_t index, Fit fit) {
    const Interval &interval = intervals[index];
    uint64_t size = sizes[index];
    uint64_t end = 0; // of what was passed
    uint64_t bestGap = std::numeric_limits<uint64_t>::max(), bestOffset = 0;
    // True when the search is over.
    auto pass = [&](const Placed &other) {
      ++steps;
      if (other.last < interval.first || other.first > interval.last)
        return false;
      if (other.begin >= end + size) {
        uint64_t gap = other.begin - end;
        if (gap < bestGap) {
          bestGap = gap;
          bestOffset = end;
        }
        if (fit == Fit::First || gap == size)
          return true;
      }
      end = std::max(end, other.end);
      return false;
    };
    if (isShort(interval))
      mergeNeighbours(interval, pass);
    else
      for (const Placed &other : all)
        if (pass(other))
          break;
    return bestGap == std::numeric_limits<uint64_t>::max() ? end : bestOffset;
  }

  /// Passes the long-lived and the slabs' buffers in order of offset; a buffer in two slabs comes
  /// twice, which is harmless.
  template <typename Pass> void mergeNeighbours(const Interval &interval, Pass pass) {
    struct Cursor {
      const Placed *at, *end;
    };
    std::array<Cursor, kShort + 1> cursors;
    size_t count = 0;
    auto add = [&](const std::vector<Placed> &list) {
      if (!list.empty())
        cursors[count++] = {list.data(), list.data() + list.size()};
    };
    add(longLived);
    for (uint32_t slab = interval.first / slabWidth; slab <= interval.last / slabWidth; ++slab)
      add(slabs[slab]);
    while (count > 0) {
      size_t lowest = 0;
      for (size_t i = 1; i < count; ++i)
        if (cursors[i].at->begin < cursors[lowest].at->begin)
          lowest = i;
      if (pass(*cursors[lowest].at))
        return;
      if (++cursors[lowest].at == cursors[lowest].end)
        cursors[lowest] = cursors[--count];
    }
  }

  std::span<const Interval> intervals;
  std::vector<uint64_t> sizes;
  uint32_t slabWidth = 1;
  std::vector<Placed> all, longLived; // by offset
  std::array<std::vector<Placed>, kSlabs> slabs;
  uint64_t steps = 0;
};

/// Live bytes over time, between the times at which they change.
struct Profile {
  std::vector<uint32_t> times; // ascending
  std::vector<uint64_t> live;  // from times[i] to times[i + 1]

  Profile(std::span<const Interval> intervals, const std::vector<uint64_t> &sizes) {
    std::vector<std::pair<uint32_t, int64_t>> changes;
    for (size_t i = 0; i < intervals.size(); ++i) {
      changes.emplace_back(intervals[i].first, static_cast<int64_t>(sizes[i]));
      changes.emplace_back(intervals[i].last + 1, -static_cast<int64_t>(sizes[i]));
    }
    std::sort(changes.begin(), changes.end());
    uint64_t sum = 0;
    for (auto [time, change] : changes) {
      if (times.empty() || times.back() != time) {
        times.push_back(time);
        live.push_back(sum);
      }
      live.back() = sum += static_cast<uint64_t>(change);
    }
  }

  uint64_t peak() const { return live.empty() ? 0 : *std::max_element(live.begin(), live.end()); }
};

/// Largest live sum within each interval, by a sparse table over the profile.
std::vector<uint64_t> contentions(std::span<const Interval> intervals, const Profile &profile) {
  std::vector<std::vector<uint64_t>> table{profile.live};
  for (size_t width = 1; 2 * width <= profile.live.size(); width *= 2) {
    const std::vector<uint64_t> &below = table.back();
    std::vector<uint64_t> level(profile.live.size() - 2 * width + 1);
    for (size_t i = 0; i < level.size(); ++i)
      level[i] = std::max(below[i], below[i + width]);
    table.push_back(std::move(level));
  }
  auto indexOf = [&](uint32_t time) {
    auto it = std::upper_bound(profile.times.begin(), profile.times.end(), time);
    return static_cast<size_t>(it - profile.times.begin()) - 1;
  };
  std::vector<uint64_t> result;
  for (const Interval &interval : intervals) {
    size_t from = indexOf(interval.first), to = indexOf(interval.last) + 1;
    size_t level = 0;
    while ((size_t{2} << level) <= to - from)
      ++level;
    result.push_back(std::max(table[level][from], table[level][to - (size_t{1} << level)]));
  }
  return result;
}

/// The search: the best placement so far and the effort left.
class Search {
public:
  Search(std::span<const Interval> intervals, const PlannerOptions &options)
      : intervals(intervals), options(options), placer(intervals, options.alignment),
        profile(intervals, placer.getSizes()), attempt(intervals.size()) {
    best.offsets.resize(intervals.size());
    best.bytes = std::numeric_limits<uint64_t>::max();
    best.lowerBound = profile.peak();
  }

  Placement run() {
    runPortfolio();
    improve();
    return std::move(best);
  }

private:
  bool isDone() const {
    return best.bytes <= std::max(best.lowerBound, options.goodEnough) ||
           placer.getSteps() >= options.steps;
  }

  /// True if `order` gives less than `limit`; keeps it if it is the best.
  bool tryOrder(const std::vector<uint32_t> &order, Fit fit, uint64_t limit,
                std::string_view strategy) {
    uint64_t bytes = placer.place(order, fit, attempt, limit);
    if (bytes >= limit)
      return false;
    if (bytes < best.bytes) {
      best.bytes = bytes;
      best.offsets = attempt;
      best.strategy = strategy;
      bestOrder = order;
      bestFit = fit;
    }
    attemptBytes = bytes;
    return true;
  }

  void runPortfolio() {
    const std::vector<uint64_t> &sizes = placer.getSizes();
    std::vector<uint64_t> contention = contentions(intervals, profile);
    auto lifetime = [&](uint32_t i) {
      return uint64_t{intervals[i].last} - intervals[i].first + 1;
    };
    auto size = [&](uint32_t i) { return sizes[i]; };
    auto area = [&](uint32_t i) { return double(sizes[i]) * double(lifetime(i)); };
    auto hot = [&](uint32_t i) { return contention[i]; };
    auto start = [&](uint32_t i) { return ~uint64_t{intervals[i].first}; };
    auto stop = [&](uint32_t i) { return uint64_t{intervals[i].last}; };

    // Descending by the first key, then by the second, then by index.
    auto with = [&](auto key, auto second, std::string_view first, std::string_view tight) {
      if (isDone())
        return;
      std::vector<uint32_t> order(intervals.size());
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
        return key(a) != key(b) ? key(a) > key(b) : second(a) > second(b);
      });
      tryOrder(order, Fit::First, best.bytes, first);
      if (!isDone())
        tryOrder(order, Fit::Best, best.bytes, tight);
    };
    with(size, lifetime, "first-fit by size", "best-fit by size");
    with(lifetime, size, "first-fit by lifetime", "best-fit by lifetime");
    with(area, size, "first-fit by size and lifetime", "best-fit by size and lifetime");
    with(hot, size, "first-fit by contention and size", "best-fit by contention and size");
    with(hot, lifetime, "first-fit by contention and lifetime",
         "best-fit by contention and lifetime");
    with(start, size, "first-fit by start", "best-fit by start");
    with(stop, size, "first-fit by end", "best-fit by end");
  }

  /// Moves a buffer that reaches too high to an earlier turn and keeps the order if the arena did
  /// not grow.
  void improve() {
    if (intervals.size() < 2)
      return;
    std::vector<uint32_t> order = bestOrder;
    std::vector<uint64_t> offsets = best.offsets;
    uint64_t current = best.bytes;
    while (!isDone()) {
      // Blame a buffer at the top; the lower ones now and then, to leave plateaus.
      uint64_t blameFrom = random() % 4 ? current : best.lowerBound;
      candidates.clear();
      for (uint32_t i = 0; i < offsets.size(); ++i)
        if (offsets[i] + placer.getSizes()[i] >= std::max<uint64_t>(blameFrom, 1))
          candidates.push_back(i);
      uint32_t blamed = candidates[random() % candidates.size()];
      auto from = std::find(order.begin(), order.end(), blamed);
      size_t position = static_cast<size_t>(from - order.begin());
      if (position == 0) {
        // Already first: something else must yield, so a random one takes its turn.
        position = 1 + random() % (order.size() - 1);
        from = order.begin() + static_cast<ptrdiff_t>(position);
      }
      size_t target = random() % 3 ? position - std::min<size_t>(position, 1 + random() % 16)
                                   : random() % position;
      trial = order;
      std::rotate(trial.begin() + static_cast<ptrdiff_t>(target),
                  trial.begin() + static_cast<ptrdiff_t>(position),
                  trial.begin() + static_cast<ptrdiff_t>(position) + 1);
      if (++rounds > kMaxRounds)
        return;
      if (!tryOrder(trial, bestFit, current + 1, "local search"))
        continue;
      order.swap(trial);
      offsets = attempt;
      current = attemptBytes;
    }
  }

  /// splitmix64 from a fixed seed.
  uint64_t random() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  static constexpr uint64_t kMaxRounds = 20000;

  std::span<const Interval> intervals;
  const PlannerOptions &options;
  Placer placer;
  Profile profile;
  Placement best;
  std::vector<uint32_t> bestOrder;
  Fit bestFit = Fit::First;
  std::vector<uint64_t> attempt;
  uint64_t attemptBytes = 0;
  std::vector<uint32_t> candidates, trial;
  uint64_t rounds = 0, state = 1;
};

} // namespace

Placement regimen::passes::planMemory(std::span<const Interval> intervals,
                                      const PlannerOptions &options) {
  if (intervals.empty())
    return {};
  return Search(intervals, options).run();
}
