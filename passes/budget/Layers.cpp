//===- Layers.cpp ---------------------------------------------------------===//
#include "passes/budget/Layers.h"

#include "dialects/aten/AtenDialect.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

std::string passes::moduleOf(Location location) {
  std::string found;
  location->walk([&](Location part) {
    if (auto named = dyn_cast<NameLoc>(part)) {
      found = named.getName().str();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return found;
}

/// `name` up to its `depth`-th index, or up to its last one; empty if it has none.
static StringRef elementOf(StringRef name, size_t depth) {
  size_t end = 0, position = 0;
  while (position <= name.size() && depth > 0) {
    size_t dot = std::min(name.find('.', position), name.size());
    StringRef part = name.slice(position, dot);
    if (!part.empty() && llvm::all_of(part, llvm::isDigit)) {
      end = dot;
      --depth;
    }
    position = dot + 1;
  }
  return name.take_front(end);
}

static int64_t bytesOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  Operation *op = value.getDefiningOp();
  if (!type || (op && op->hasTrait<aten::ViewLike>()))
    return 0;
  return type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8);
}

/// Neighbours of one element are a layer; a module that runs again later is another one.
static std::vector<int> layersAt(ArrayRef<std::string> modules, size_t depth) {
  std::vector<int> layers;
  llvm::StringMap<int> current;
  StringRef last;
  int count = 0;
  for (const std::string &module : modules) {
    StringRef element = elementOf(module, depth);
    if (!element.empty() && element != last)
      current[element] = count++;
    layers.push_back(element.empty() ? -1 : current[element]);
    if (!element.empty())
      last = element;
  }
  return layers;
}

/// Bytes between layers, and the inside of the largest one.
static int64_t costOf(ArrayRef<Operation *> forward, ArrayRef<int> layers) {
  llvm::DenseMap<Operation *, int> layerOf;
  for (auto [op, layer] : llvm::zip_equal(forward, layers))
    layerOf[op] = layer;
  int64_t crossing = 0;
  llvm::DenseMap<int, int64_t> inside;
  for (auto [op, layer] : llvm::zip_equal(forward, layers))
    for (Value result : op->getResults()) {
      bool leaves = layer < 0 || llvm::any_of(
                                     result.getUsers(),
                                     [&](Operation *user) {
                                       auto it = layerOf.find(user);
                                       return it != layerOf.end() && it->second != layer;
                                     });
      (leaves ? crossing : inside[layer]) += bytesOf(result);
    }
  int64_t largest = 0;
  for (auto [layer, bytes] : inside)
    largest = std::max(largest, bytes);
  return crossing + largest;
}

std::vector<int> passes::layersOf(ArrayRef<Operation *> forward) {
  auto modules = llvm::map_to_vector(forward, [](Operation *op) { return moduleOf(op->getLoc()); });
  std::vector<int> best;
  for (size_t depth = 1;; ++depth) {
    std::vector<int> layers = layersAt(modules, depth);
    if (depth == 1 && llvm::all_of(layers, [](int layer) { return layer < 0; }))
      break;
    if (depth > 1 && layers == layersAt(modules, depth - 1))
      return best;
    if (best.empty() || costOf(forward, layers) < costOf(forward, best))
      best = layers;
  }
  auto pieces = static_cast<size_t>(std::sqrt(static_cast<double>(forward.size())));
  for (size_t i = 0; i < forward.size(); ++i)
    best.push_back(static_cast<int>(i * std::max<size_t>(pieces, 1) / forward.size()));
  return best;
}
