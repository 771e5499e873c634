//===- Recomputation.cpp --------------------------------------------------===//
#include "passes/budget/Recomputation.h"

#include "dialects/aten/AtenDialect.h"
#include "passes/budget/Layers.h"
#include "passes/budget/MinCut.h"
#include "passes/cost/OpCost.h"

#include "llvm/ADT/StringSet.h"

#include <algorithm>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using namespace regimen::train;

static int64_t bytesOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type ? type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8) : 0;
}

Operation *Recomputation::boundaryOf(ProgramOp program) {
  for (Operation &op : program.getBody().front())
    if (isa<SuspendOp, SeedOp>(op))
      return &op;
  return nullptr;
}

Recomputation::Recomputation(ProgramOp program, Operation *boundary) {
  Block &block = program.getBody().front();
  llvm::StringSet<> written;
  for (Operation &op : block) {
    if (&op == boundary)
      break;
    forward.push_back(&op);
    if (auto write = dyn_cast<WriteOp>(op))
      written.insert(write.getSymbol());
  }
  for (Operation *op : forward)
    if (auto read = dyn_cast<ReadOp>(op); read && written.contains(read.getSymbol()))
      overwritten.insert(read.getResult());
  for (auto [op, layer] : llvm::zip_equal(forward, layersOf(forward)))
    layers[op] = layer;
  // Outputs of a program that a caller suspends are the caller's, who keeps them anyway.
  if (isa<SuspendOp>(boundary))
    for (Value output : block.getTerminator()->getOperands())
      held.insert(output);
  llvm::DenseSet<Value> seen;
  for (Operation *op = boundary->getNextNode(); op; op = op->getNextNode())
    if (!op->hasTrait<OpTrait::IsTerminator>())
      for (Value operand : op->getOperands())
        if (isForward(operand) && seen.insert(operand).second)
          needed.push_back(operand);
}

bool Recomputation::isForward(Value value) const {
  Operation *op = value.getDefiningOp();
  return op && layers.contains(op);
}

/// Whether a value is there at no cost.
bool Recomputation::isFree(Value value) const {
  Operation *op = value.getDefiningOp();
  return !op || held.contains(value) || !isa<RankedTensorType>(value.getType()) ||
         op->hasTrait<OpTrait::ConstantLike>() || (isa<ReadOp>(op) && !overwritten.contains(value));
}

bool Recomputation::mayRemake(Operation *op, Policy policy) const {
  if (!isa<aten::AtenOpInterface>(op) ||
      llvm::any_of(op->getOperands(), [&](Value v) { return overwritten.contains(v); }))
    return false;
  if (op->hasTrait<aten::ViewLike>())
    return true;
  if (policy == Policy::None || (policy == Policy::Cheap && computesMoreThanItMoves(op)))
    return false;
  int layer = layers.lookup(op);
  return llvm::all_of(op->getUsers(), [&](Operation *user) {
    auto it = layers.find(user);
    return it == layers.end() || it->second == layer || isa<WriteOp>(user);
  });
}

/// Nodes are values: where one enters the graph, and, behind an edge of its bytes, where it is
/// kept.
Recomputation::Costs Recomputation::cut(Policies policies) {
  std::vector<Value> values;
  llvm::DenseMap<Value, size_t> index;
  for (Operation *op : forward)
    for (Value result : op->getResults())
      if (!isFree(result)) {
        index[result] = values.size();
        values.push_back(result);
      }
  const size_t source = 2 * values.size(), sink = source + 1;
  MinCut graph(sink + 1);
  for (auto [i, value] : llvm::enumerate(values)) {
    Operation *op = value.getDefiningOp();
    bool view = op->hasTrait<aten::ViewLike>();
    graph.addEdge(2 * i, 2 * i + 1, view ? MinCut::kInfinite : bytesOf(value));
    if (!mayRemake(op, policies(layers.lookup(op)))) {
      graph.addEdge(source, 2 * i, MinCut::kInfinite);
      continue;
    }
    for (Value operand : op->getOperands())
      if (auto it = index.find(operand); it != index.end())
        graph.addEdge(2 * it->second + 1, 2 * i, MinCut::kInfinite);
  }
  for (Value value : needed)
    if (auto it = index.find(value); it != index.end())
      graph.addEdge(2 * it->second + 1, sink, MinCut::kInfinite);

  std::vector<bool> side = graph.sinkSide(source, sink);
  kept.clear();
  saved = 0;
  extra = 0;
  Costs costs;
  for (auto [i, value] : llvm::enumerate(values))
    if (!side[2 * i] && side[2 * i + 1]) {
      kept.insert(value);
      saved += bytesOf(value);
      costs.bytes[layers.lookup(value.getDefiningOp())] += bytesOf(value);
    }
  llvm::DenseSet<Operation *> remade;
  std::vector<Value> work(needed.begin(), needed.end());
  while (!work.empty()) {
    Value value = work.back();
    work.pop_back();
    if (!isForward(value) || !isRemade(value) || !remade.insert(value.getDefiningOp()).second)
      continue;
    Operation *op = value.getDefiningOp();
    double seconds = secondsOf(op, MachineModel());
    extra += seconds;
    costs.seconds[layers.lookup(op)] += seconds;
    work.insert(work.end(), op->operand_begin(), op->operand_end());
  }
  return costs;
}

bool Recomputation::isRemade(Value value) const {
  return isForward(value) && !isFree(value) && !kept.contains(value);
}

std::vector<Recomputation::Step> Recomputation::steps() const {
  Recomputation trial = *this;
  std::array<Costs, 3> costs;
  for (Policy policy : {Policy::None, Policy::Cheap, Policy::All})
    costs[static_cast<size_t>(policy)] =
        trial.cut([&](int layer) { return layer < 0 ? std::min(policy, Policy::Cheap) : policy; });
  llvm::DenseSet<int> all;
  for (auto [op, layer] : layers)
    all.insert(layer);
  std::vector<Step> steps;
  for (int layer : llvm::to_vector(all)) {
    auto step = [&](Policy from, Policy to) {
      Costs &before = costs[static_cast<size_t>(from)], &after = costs[static_cast<size_t>(to)];
      return Step{layer, to, before.bytes.lookup(layer) - after.bytes.lookup(layer),
                  after.seconds.lookup(layer) - before.seconds.lookup(layer)};
    };
    Step cheap = step(Policy::None, Policy::Cheap), rest = step(Policy::Cheap, Policy::All);
    auto rate = [](const Step &s) { return double(s.bytes) / std::max(s.seconds, 1e-12); };
    if (cheap.bytes <= 0 || (rest.bytes > 0 && rate(rest) > rate(cheap))) {
      cheap = step(Policy::None, Policy::All);
      rest.bytes = 0;
    }
    for (const Step &one : {cheap, rest})
      if (one.bytes > 0)
        steps.push_back(one);
  }
  // Ties, as between equal layers, in the order of the forward: the first layer's values live
  // longest.
  llvm::sort(steps, [](const Step &a, const Step &b) {
    double x = double(a.bytes) * std::max(b.seconds, 1e-12),
           y = double(b.bytes) * std::max(a.seconds, 1e-12);
    return x != y ? x > y : std::tie(a.layer, a.policy) < std::tie(b.layer, b.policy);
  });
  return steps;
}

void Recomputation::decide(Policy policy) {
  cut([&](int layer) { return layer < 0 ? std::min(policy, Policy::Cheap) : policy; });
}

void Recomputation::decideSteps(size_t count) {
  std::vector<Step> list = steps();
  llvm::DenseMap<int, Policy> policies;
  for (const Step &step : llvm::ArrayRef(list).take_front(count)) {
    Policy &policy = policies.try_emplace(step.layer, Policy::None).first->second;
    policy = std::max(policy, step.policy);
  }
  cut([&](int layer) { return policies.lookup_or(layer, Policy::None); });
}
