//===- MinCut.h - The cheapest cut through a graph --------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_BUDGET_MINCUT_H
#define REGIMEN_PASSES_BUDGET_MINCUT_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace regimen::passes {

/// A directed graph with capacities, cut between a source and a sink by Dinic's algorithm.
class MinCut {
public:
  /// More than all capacities of a graph together.
  static constexpr int64_t kInfinite = INT64_MAX / 4;

  explicit MinCut(size_t nodes) : outgoing(nodes) {}

  void addEdge(size_t from, size_t to, int64_t capacity);
  /// By node, whether it lies on the sink's side of a cheapest cut: of several the one nearest to
  /// the sink. Called once. An infinite path from source to sink has no cut; it gives the whole
  /// graph to the sink.
  std::vector<bool> sinkSide(size_t source, size_t sink);
  /// The capacity of that cut.
  int64_t capacity() const { return flow; }

private:
  struct Edge {
    size_t to;
    int64_t free; // capacity that the flow leaves
  };
  bool findLevels(size_t source, size_t sink);
  int64_t augment(size_t source, size_t sink);

  /// An edge and its reverse are neighbours: i and i ^ 1.
  std::vector<Edge> edges;
  std::vector<std::vector<size_t>> outgoing;
  std::vector<size_t> level, next;
  int64_t flow = 0;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_BUDGET_MINCUT_H
