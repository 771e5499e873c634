//===- HostChannel.cpp ----------------------------------------------------===//
#include "runtime/comm/HostChannel.h"

#include "formats/Error.h"
#include "runtime/comm/RankReports.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace regimen::runtime {
namespace {

std::string describe(const std::vector<Entry> &entries, const HostChannel::Naming &name) {
  std::string text;
  std::vector<bool> told(entries.size());
  for (size_t first = 0; first < entries.size(); ++first) {
    if (told[first])
      continue;
    const Entry &entry = entries[first];
    std::vector<size_t> same;
    for (size_t rank = first; rank < entries.size(); ++rank)
      if (entries[rank] == entry) {
        same.push_back(rank);
        told[rank] = true;
      }
    std::string program = name ? fmt::format("'{}'", name(entry.program, entry.variant))
                               : fmt::format("{}", entry.program);
    text +=
        fmt::format("{}{} entered program {} (variant {}) as segment {}", text.empty() ? "" : "; ",
                    listRanks(same), program, entry.variant, entry.sequence);
  }
  return text;
}

} // namespace

void HostChannel::agree(uint32_t program, uint32_t variant, const Naming &name) {
  const Entry own{program, variant, entered++};
  std::vector<Entry> entries(static_cast<size_t>(collectives.size()));
  collectives.allGatherBytes(std::as_bytes(std::span(&own, 1)),
                             std::as_writable_bytes(std::span(entries)));
  if (std::all_of(entries.begin(), entries.end(), [&](const Entry &e) { return e == own; }))
    return;
  throw Error(
      fmt::format("{}the ranks do not run the same: {}",
                  collectives.size() > 1 ? fmt::format("rank {}: ", collectives.rank()) : "",
                  describe(entries, name)));
}

} // namespace regimen::runtime
