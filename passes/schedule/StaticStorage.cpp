//===- StaticStorage.cpp - Static buffers of a module ---------------------===//
#include "passes/schedule/StaticStorage.h"

#include "dialects/dist/DistDialect.h"
#include "passes/layout/Layout.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

StaticStorage::StaticStorage(ModuleOp module)
    : module(module), symbols(module), builder(module.getContext()) {
  Operation *last = nullptr;
  for (Operation &op : *module.getBody())
    if (!isa<train::ProgramOp>(op))
      last = &op;
  last ? builder.setInsertionPointAfter(last) : builder.setInsertionPointToStart(module.getBody());

  placeBuckets();
  for (auto op : llvm::to_vector(module.getOps<train::StorageOpInterface>())) {
    // What a forward saves has its layout only then.
    if (places.contains(SymbolTable::getSymbolName(op).getValue()) ||
        isa<train::SavedOp, dist::SegmentOp>(op))
      continue;
    bindOutside(op, isa<train::ParameterOp>(op)  ? exec::Category::Params
                    : isa<train::GradientOp>(op) ? exec::Category::Grads
                    : isa<train::StateOp>(op)    ? exec::Category::Optimizer
                                                 : exec::Category::Workspace);
  }
}

FlatSymbolRefAttr StaticStorage::addBuffer(const Twine &name, int64_t bytes,
                                           exec::Category category, Location loc,
                                           ElementsAttr value, exec::MemorySpace space) {
  auto op = exec::StaticOp::create(builder, loc, name.str(), bytes, category, FlatSymbolRefAttr(),
                                   IntegerAttr(), value, space);
  // Inserting gives it a name that no other symbol has.
  return FlatSymbolRefAttr::get(symbols.insert(op, builder.getInsertionPoint()));
}

void StaticStorage::bind(train::StorageOpInterface storage, Place place) {
  RankedTensorType type = storage.getTensorType();
  if (place.layout.rank() != type.getRank())
    place.layout = contiguousLayout(type.getShape());
  MemRefType tensor =
      exec::tensorType(place.layout.sizes, place.layout.strides, type.getElementType());
  StringRef name = SymbolTable::getSymbolName(storage).getValue();
  if (place.buffer)
    exec::BindOp::create(builder, storage.getLoc(), name, place.buffer.getValue(), place.offset,
                         place.segment, tensor);
  places[name] = place;
}

void StaticStorage::bindOutside(train::StorageOpInterface storage, exec::Category category) {
  std::string name = (SymbolTable::getSymbolName(storage).getValue() + ":storage").str();
  bind(storage,
       {addBuffer(name, exec::denseBytes(storage.getTensorType()), category, storage.getLoc())});
}

void StaticStorage::placeSaved(train::SavedOp saved, const Layout &layout) {
  auto op = exec::FrameOp::create(builder, saved.getLoc(), (saved.getSymName() + ":frame").str(),
                                  exec::denseBytes(saved.getTensorType()),
                                  exec::Category::Activations, FlatSymbolRefAttr(), IntegerAttr());
  bind(saved, {FlatSymbolRefAttr::get(symbols.insert(op, builder.getInsertionPoint())), 0, layout});
}

FlatSymbolRefAttr StaticStorage::callerArena() {
  if (!caller) {
    OpBuilder start = OpBuilder::atBlockBegin(module.getBody());
    auto arena = exec::ArenaOp::create(start, module.getLoc(), "caller", exec::MemoryClass::Caller,
                                       exec::MemorySpace::Device, start.getI64IntegerAttr(0));
    caller = FlatSymbolRefAttr::get(symbols.insert(arena, module.getBody()->begin()));
  }
  return caller;
}

void StaticStorage::placeBuckets() {
  for (auto mesh : module.getOps<dist::MeshOp>())
    dp = mesh.getAxisSize("dp");
  for (auto gradient : module.getOps<train::GradientOp>())
    gradients[gradient.getParameter()] = gradient;
  for (auto state : module.getOps<train::StateOp>())
    states[state.getParameter()].push_back(state);
  for (auto bucket : llvm::to_vector(module.getOps<dist::BucketOp>()))
    placeBucket(bucket);
}

void StaticStorage::placeBucket(dist::BucketOp bucket) {
  int64_t shard = bucket.getElements() / dp;
  /// One buffer a kind of tensor, made for the first tensor of that kind.
  llvm::MapVector<StringRef, FlatSymbolRefAttr> buffers;
  auto add = [&](StringRef kind, train::StorageOpInterface storage, int64_t element,
                 exec::Category category, bool sharded, bool onHost) {
    int64_t bytes = exec::elementBytes(storage.getTensorType().getElementType());
    FlatSymbolRefAttr &buffer = buffers[kind];
    if (!buffer)
      buffer =
          addBuffer(bucket.getSymName() + "." + kind,
                    (sharded ? shard : bucket.getElements()) * bytes, category, bucket.getLoc(), {},
                    onHost ? exec::MemorySpace::Host : exec::MemorySpace::Device);
    Place whole{sharded ? FlatSymbolRefAttr() : buffer, element * bytes};
    whole.bucket = bucket;
    bind(storage, whole);
    StringRef name = SymbolTable::getSymbolName(storage).getValue();
    if (auto segment = symbols.lookup<dist::SegmentOp>(dist::segmentName(name))) {
      Place part{buffer, sharded ? 0 : element * bytes};
      part.segment = exec::SegmentAttr::get(
          module.getContext(), element, storage.getTensorType().getNumElements(), shard,
          sharded ? exec::SegmentPlace::Shard : exec::SegmentPlace::Whole);
      part.bucket = bucket;
      bind(segment, part);
    }
  };
  auto members =
      llvm::zip_equal(bucket.getParameters().getAsRange<FlatSymbolRefAttr>(), bucket.getOffsets());
  for (auto [name, offset] : members)
    add("params", symbols.lookup<train::ParameterOp>(name.getValue()), offset,
        exec::Category::Params, bucket.shardsParameters(), bucket.getHostParameters());
  for (auto [name, offset] : members)
    if (train::GradientOp gradient = gradients.lookup(name.getValue())) {
      add("grads", gradient, offset, exec::Category::Grads, bucket.shardsGradients(),
          /*onHost=*/false);
      bucketGradients[bucket].push_back(gradient);
    }
  for (auto [name, offset] : members)
    for (train::StateOp state : states.lookup(name.getValue()))
      add(state.getSlot(), state, offset, exec::Category::Optimizer, bucket.shardsStates(),
          bucket.getHostStates());
  bucketBuffers[bucket] = {buffers.lookup("params"), buffers.lookup("grads")};
}

StaticStorage::Place StaticStorage::constant(ElementsAttr value, Location loc) {
  FlatSymbolRefAttr &symbol = constants[value];
  if (!symbol)
    symbol = addBuffer("constant", exec::denseBytes(value.getShapedType()),
                       exec::Category::Workspace, loc, value);
  return {symbol, 0, contiguousLayout(value.getShapedType().getShape())};
}
