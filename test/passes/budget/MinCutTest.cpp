//===- MinCutTest.cpp -----------------------------------------------------===//
#include "passes/budget/MinCut.h"

#include <gtest/gtest.h>

#include <random>

using namespace regimen::passes;

namespace {

struct Edge {
  size_t from, to;
  int64_t capacity;
};

/// The cheapest cut by trying all, node 0 against the last one.
int64_t cheapest(size_t nodes, const std::vector<Edge> &edges) {
  int64_t best = INT64_MAX;
  for (size_t set = 0; set < (size_t(1) << nodes); ++set) {
    if (set & 1 || !(set >> (nodes - 1) & 1))
      continue;
    int64_t cost = 0;
    for (const Edge &edge : edges)
      if (!(set >> edge.from & 1) && (set >> edge.to & 1))
        cost += edge.capacity;
    best = std::min(best, cost);
  }
  return best;
}

TEST(MinCut, IsTheCheapestOfAll) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    size_t nodes = 2 + random() % 8;
    std::vector<Edge> edges;
    for (size_t i = random() % 24; i > 0; --i)
      edges.push_back({random() % nodes, random() % nodes, int64_t(random() % 10)});
    MinCut graph(nodes);
    for (const Edge &edge : edges)
      graph.addEdge(edge.from, edge.to, edge.capacity);
    std::vector<bool> side = graph.sinkSide(0, nodes - 1);
    int64_t cost = 0;
    for (const Edge &edge : edges)
      if (!side[edge.from] && side[edge.to])
        cost += edge.capacity;
    EXPECT_EQ(graph.capacity(), cheapest(nodes, edges));
    EXPECT_EQ(cost, graph.capacity());
  }
}

TEST(MinCut, OfEqualCutsIsNearestToTheSink) {
  MinCut graph(4);
  for (size_t node : {0, 1, 2})
    graph.addEdge(node, node + 1, 5);
  EXPECT_EQ(graph.sinkSide(0, 3), (std::vector<bool>{false, false, false, true}));
}

TEST(MinCut, DeepGraphsNeedNoStack) {
  const size_t nodes = 200000;
  MinCut graph(nodes);
  for (size_t node = 0; node + 1 < nodes; ++node)
    graph.addEdge(node, node + 1, node == 7 ? 1 : 2);
  graph.sinkSide(0, nodes - 1);
  EXPECT_EQ(graph.capacity(), 1);
}

} // namespace
