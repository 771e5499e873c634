//===- MinCut.cpp ---------------------------------------------------------===//
#include "passes/budget/MinCut.h"

#include <algorithm>
#include <limits>

using namespace regimen::passes;

static constexpr size_t kUnreached = std::numeric_limits<size_t>::max();

void MinCut::addEdge(size_t from, size_t to, int64_t capacity) {
  outgoing[from].push_back(edges.size());
  edges.push_back({to, capacity});
  outgoing[to].push_back(edges.size());
  edges.push_back({from, 0});
}

bool MinCut::findLevels(size_t source, size_t sink) {
  level.assign(outgoing.size(), kUnreached);
  level[source] = 0;
  std::vector<size_t> queue{source};
  for (size_t i = 0; i < queue.size(); ++i)
    for (size_t edge : outgoing[queue[i]])
      if (edges[edge].free > 0 && level[edges[edge].to] == kUnreached) {
        level[edges[edge].to] = level[queue[i]] + 1;
        queue.push_back(edges[edge].to);
      }
  return level[sink] != kUnreached;
}

/// Sends flow along one path of the levels; 0 when there is none left.
int64_t MinCut::augment(size_t source, size_t sink) {
  // Not by recursion: a path is as long as a model is deep.
  std::vector<size_t> path;
  size_t node = source;
  while (node != sink) {
    size_t &at = next[node];
    while (at < outgoing[node].size()) {
      const Edge &edge = edges[outgoing[node][at]];
      if (edge.free > 0 && level[edge.to] == level[node] + 1)
        break;
      ++at;
    }
    if (at < outgoing[node].size()) {
      path.push_back(outgoing[node][at]);
      node = edges[path.back()].to;
      continue;
    }
    if (path.empty())
      return 0;
    node = edges[path.back() ^ 1].to;
    path.pop_back();
    ++next[node];
  }
  int64_t amount = kInfinite;
  for (size_t edge : path)
    amount = std::min(amount, edges[edge].free);
  for (size_t edge : path) {
    edges[edge].free -= amount;
    edges[edge ^ 1].free += amount;
  }
  return amount;
}

std::vector<bool> MinCut::sinkSide(size_t source, size_t sink) {
  while (flow < kInfinite && findLevels(source, sink)) {
    next.assign(outgoing.size(), 0);
    while (int64_t amount = augment(source, sink))
      if ((flow += amount) >= kInfinite)
        break;
  }
  // What can still reach the sink, backwards from it.
  std::vector<bool> side(outgoing.size());
  side[sink] = true;
  std::vector<size_t> queue{sink};
  for (size_t i = 0; i < queue.size(); ++i)
    for (size_t edge : outgoing[queue[i]])
      if (edges[edge ^ 1].free > 0 && !side[edges[edge].to]) {
        side[edges[edge].to] = true;
        queue.push_back(edges[edge].to);
      }
  return side;
}
