//===- FormBuckets.cpp - Lay parameters out in flat buckets ---------------===//
#include "dialects/train/TrainDialect.h"
#include "passes/shard/BucketLayout.h"
#include "passes/shard/Passes.h"

#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"
#include <nlohmann/json.hpp>

using namespace mlir;

namespace regimen::passes {
#define GEN_PASS_DEF_FORMBUCKETSPASS
#include "passes/shard/Passes.h.inc"

namespace {

/// Position of the first op that uses each parameter in the forward, by name. Reads themselves do
/// not count: they may all stand at the top.
llvm::StringMap<uint64_t> findFirstUses(train::ProgramOp program) {
  llvm::DenseMap<Operation *, uint64_t> positions;
  for (Operation &op : program.getBody().front())
    positions.try_emplace(&op, positions.size());
  llvm::StringMap<uint64_t> uses;
  for (auto read : program.getBody().getOps<train::ReadOp>())
    for (Operation *user : read->getUsers()) {
      uint64_t position = positions.lookup(user);
      auto [it, isNew] = uses.try_emplace(read.getSymbol(), position);
      it->second = std::min(it->second, position);
    }
  return uses;
}

/// The program whose order of use counts: the forward, or the micro-step that starts with it.
train::ProgramOp findForward(ModuleOp module) {
  for (auto program : module.getOps<train::ProgramOp>())
    if (program.getRole() == train::Role::Forward || program.getRole() == train::Role::MicroStep)
      return program;
  return nullptr;
}

uint32_t bytesOf(Type elementType) { return (elementType.getIntOrFloatBitWidth() + 7) / 8; }

struct FormBucketsPass : impl::FormBucketsPassBase<FormBucketsPass> {
  using FormBucketsPassBase::FormBucketsPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto parameters = llvm::to_vector(module.getOps<train::ParameterOp>());
    llvm::StringMap<uint64_t> firstUses;
    if (train::ProgramOp forward = findForward(module))
      firstUses = findFirstUses(forward);

    llvm::MapVector<Type, uint32_t> types;
    std::vector<BucketItem> items;
    for (train::ParameterOp parameter : parameters) {
      RankedTensorType type = parameter.getTensorType();
      BucketItem item;
      item.elements = type.getNumElements();
      item.type = types.try_emplace(type.getElementType(), types.size()).first->second;
      item.elementBytes = bytesOf(type.getElementType());
      item.trainable = parameter.getTrainable();
      item.persistent = isPersistent(parameter);
      item.tied = !parameter.getAliases().empty();
      if (auto it = firstUses.find(parameter.getSymName()); it != firstUses.end())
        item.firstUse = it->second;
      items.push_back(item);
    }
    if (layout.empty())
      return write(parameters, layOutBuckets(items, largestBucket(items), dp));
    FailureOr<std::vector<std::vector<size_t>>> given = readLayout(parameters);
    if (failed(given))
      return signalPassFailure();
    write(parameters, layOutBucketsAs(items, *given, dp));
  }

  /// Bytes of a bucket at most. The first gather and the last reduction of a micro-step have
  /// nothing to hide under, so a small model gets smaller buckets than a large one; not so small
  /// that a message's latency counts.
  uint64_t largestBucket(const std::vector<BucketItem> &items) const {
    uint64_t total = 0;
    for (const BucketItem &item : items)
      total += item.elements * item.elementBytes;
    constexpr uint64_t kLeastBytes = uint64_t(1) << 20, kBuckets = 16;
    return std::min<uint64_t>(bucketBytes, std::max(kLeastBytes, total / kBuckets));
  }

  /// Whether a parameter is too small to be sharded.
  bool isPersistent(train::ParameterOp parameter) const {
    RankedTensorType type = parameter.getTensorType();
    uint64_t bytes = type.getNumElements() * bytesOf(type.getElementType());
    return zeroStage == 3 && bytes < persistBytes;
  }

  /// The stage of a bucket. One rank holds everything; what is frozen has neither gradients nor
  /// states.
  int64_t stageOf(train::ParameterOp first) const {
    if (dp == 1)
      return 0;
    if (isPersistent(first) || zeroStage < 3)
      return first.getTrainable() ? std::min<int64_t>(zeroStage, 2) : 0;
    return 3;
  }

  /// The buckets that the option `layout` names, by indices of parameters.
  FailureOr<std::vector<std::vector<size_t>>>
  readLayout(MutableArrayRef<train::ParameterOp> parameters) {
    ModuleOp module = getOperation();
    llvm::StringMap<size_t> indices;
    for (auto [index, parameter] : llvm::enumerate(parameters))
      indices[parameter.getSymName()] = index;
    std::vector<std::vector<size_t>> buckets;
    for (const auto &names : nlohmann::json::parse(layout.getValue())) {
      std::vector<size_t> &bucket = buckets.emplace_back();
      for (const std::string name : names) {
        auto it = indices.find(name);
        if (it == indices.end())
          return module.emitError() << "key 'layout': '" << name
                                    << "' is no parameter of the model, or stands there twice";
        auto sameKind = [&](train::ParameterOp other) {
          return other.getTensorType().getElementType() ==
                     parameters[it->second].getTensorType().getElementType() &&
                 other.getTrainable() == parameters[it->second].getTrainable();
        };
        if (!bucket.empty() && !sameKind(parameters[bucket.front()]))
          return module.emitError() << "key 'layout': '" << name
                                    << "' differs in type or trainability from its bucket's others";
        bucket.push_back(it->second);
        indices.erase(it);
      }
      if (bucket.empty())
        return module.emitError() << "key 'layout': bucket " << buckets.size() - 1 << " is empty";
    }
    for (train::ParameterOp parameter : parameters)
      if (indices.contains(parameter.getSymName()))
        return module.emitError() << "key 'layout': parameter '" << parameter.getSymName()
                                  << "' is in no bucket";
    return buckets;
  }

  void write(MutableArrayRef<train::ParameterOp> parameters,
             const std::vector<BucketPlan> &buckets) {
    ModuleOp module = getOperation();
    OpBuilder builder(&getContext());
    // After the parameters, before whatever uses the buckets.
    if (parameters.empty())
      builder.setInsertionPointToStart(module.getBody());
    else
      builder.setInsertionPointAfter(parameters.back());
    SymbolTable symbols(module);
    Location loc = module.getLoc();
    auto add = [&](Operation *op, StringRef name) {
      // A parameter may be called "mesh" or "bucket0"; the table then picks a free name.
      symbols.setSymbolName(op, name);
      symbols.insert(op);
    };
    add(dist::MeshOp::create(builder, loc, "", builder.getStrArrayAttr({"dp"}),
                             builder.getDenseI64ArrayAttr({dp})),
        "mesh");
    int64_t used = 0, padded = 0;
    for (auto [index, bucket] : llvm::enumerate(buckets)) {
      SmallVector<Attribute> names;
      for (size_t item : bucket.items) {
        names.push_back(FlatSymbolRefAttr::get(parameters[item].getSymNameAttr()));
        used += parameters[item].getTensorType().getNumElements();
      }
      padded += bucket.elements;
      train::ParameterOp first = parameters[bucket.items.front()];
      auto op = dist::BucketOp::create(
          builder, loc, "", builder.getArrayAttr(names), bucket.offsets, bucket.elements,
          first.getTensorType().getElementType(), first.getTrainable(), stageOf(first));
      add(op, "bucket" + std::to_string(index));
    }
    remark::analysis(loc, remark::RemarkOpts::name("buckets").category("shard"))
        << remark::metric("buckets", buckets.size()) << remark::metric("elements", used)
        << remark::metric("paddedElements", padded);
  }
};

} // namespace
} // namespace regimen::passes
