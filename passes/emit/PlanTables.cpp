//===- PlanTables.cpp - The tables that programs refer to -----------------===//
#include "passes/emit/PlanTables.h"

#include "formats/Error.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
namespace fb = regimen::plan::fb;

namespace {
/// What a location says of the model: the layer is the name that import gives.
struct SourcePlace {
  std::string layer, file;
  uint32_t line = 0;
};
} // namespace

static SourcePlace placeOf(Location location) {
  SourcePlace place;
  location->walk([&](Location part) {
    if (auto named = dyn_cast<NameLoc>(part); named && place.layer.empty())
      place.layer = named.getName().str();
    if (auto file = dyn_cast<FileLineColLoc>(part); file && place.file.empty()) {
      place.file = file.getFilename().str();
      place.line = file.getLine();
    }
    return WalkResult::advance();
  });
  return place;
}

void regimen::passes::failEmit(Operation *op, const Twine &what) {
  SourcePlace place = placeOf(op->getLoc());
  std::string message =
      "internal compiler error: " + what.str() + " (" + op->getName().getStringRef().str();
  if (!place.layer.empty())
    message += ", layer '" + place.layer + "'";
  if (!place.file.empty())
    message += ", " + place.file + ":" + std::to_string(place.line);
  throw Error(message + "); please report it with the model");
}

fb::DType regimen::passes::emitDType(Type type) {
  if (type.isF32())
    return fb::DType::F32;
  if (type.isF64())
    return fb::DType::F64;
  if (type.isF16())
    return fb::DType::F16;
  if (type.isBF16())
    return fb::DType::BF16;
  if (type.isUnsignedInteger(8))
    return fb::DType::U8;
  if (auto integer = dyn_cast<IntegerType>(type); integer && !integer.isUnsigned())
    switch (integer.getWidth()) {
    case 1:
      return fb::DType::Bool;
    case 8:
      return fb::DType::I8;
    case 16:
      return fb::DType::I16;
    case 32:
      return fb::DType::I32;
    case 64:
      return fb::DType::I64;
    }
  std::string text;
  llvm::raw_string_ostream(text) << type;
  throw Error("internal compiler error: a plan has no type " + text);
}

void PlanTables::addArena(exec::ArenaOp arena) {
  auto entry = std::make_unique<fb::ArenaT>();
  entry->name = arena.getSymName().str();
  entry->memory_class = static_cast<fb::MemoryClass>(arena.getMemoryClass());
  entry->space = static_cast<fb::MemorySpace>(arena.getSpace());
  if (!arena.getBytes())
    failEmit(arena, "an arena without a size");
  entry->bytes = *arena.getBytes();
  arenas[entry->name] = static_cast<uint16_t>(plan.arenas.size());
  plan.arenas.push_back(std::move(entry));
}

template <typename Buffer>
uint32_t PlanTables::addBufferEntry(Buffer op, int32_t program, Lifetime lifetime, StringRef name) {
  auto arena = op.getArena() ? arenas.find(op.getArena()->str()) : arenas.end();
  if (arena == arenas.end())
    failEmit(op, "buffer '" + name + "' has no place");
  auto entry = std::make_unique<fb::BufferT>();
  entry->arena = arena->second;
  entry->offset = *op.getOffset();
  entry->bytes = op.getBytes();
  entry->category = static_cast<fb::Category>(op.getCategory());
  entry->program = program;
  entry->first = lifetime.first;
  entry->last = lifetime.last;
  entry->name = name.str();
  plan.buffers.push_back(std::move(entry));
  return static_cast<uint32_t>(plan.buffers.size() - 1);
}

void PlanTables::addStatic(exec::StaticOp buffer) {
  symbols[buffer.getSymName().str()] = addBufferEntry(buffer, -1, {}, buffer.getSymName());
}

void PlanTables::addFrame(exec::FrameOp buffer) {
  symbols[buffer.getSymName().str()] = addBufferEntry(buffer, -1, {}, buffer.getSymName());
}

void PlanTables::addBuffer(exec::BufferOp buffer, int32_t program, Lifetime lifetime) {
  buffers[buffer] = addBufferEntry(buffer, program, lifetime, buffer.getName());
}

uint32_t PlanTables::bufferOf(StringRef symbol) const { return symbols.at(symbol.str()); }

uint32_t PlanTables::bufferOf(Value buffer) const {
  if (auto get = buffer.getDefiningOp<exec::GetOp>())
    return bufferOf(get.getSymbol());
  return buffers.at(buffer.getDefiningOp());
}

uint32_t PlanTables::tensorOf(Value tensor) {
  auto view = tensor.getDefiningOp<exec::ViewOp>();
  return tensorOf(bufferOf(view.getBuffer()), view.getOffset(), view.getType(),
                  view.getSegmentAttr());
}

void PlanTables::addBucket(dist::BucketOp bucket) {
  auto entry = std::make_unique<fb::BucketT>();
  entry->name = bucket.getSymName().str();
  entry->elements = bucket.getElements();
  entry->dtype = emitDType(bucket.getElementType());
  entry->zero = static_cast<uint8_t>(bucket.getZero());
  bucketIndices[entry->name] = static_cast<int32_t>(plan.buckets.size());
  plan.buckets.push_back(std::move(entry));
}

uint32_t PlanTables::tensorOf(uint32_t buffer, int64_t byteOffset, MemRefType type,
                              exec::SegmentAttr segment) {
  SmallVector<int64_t> strides = exec::stridesOf(type);
  TensorKey key{buffer,
                byteOffset,
                emitDType(type.getElementType()),
                std::vector<int64_t>(type.getShape()),
                std::vector<int64_t>(strides.begin(), strides.end()),
                {-1, 0, 0, 0}};
  if (segment)
    std::get<5>(key) = {segment.getBegin(), segment.getElements(), segment.getShard(),
                        static_cast<int64_t>(segment.getPlace())};
  auto [it, isNew] = tensors.try_emplace(key, plan.tensors.size());
  if (isNew) {
    auto entry = std::make_unique<fb::TensorT>();
    entry->buffer = buffer;
    entry->byte_offset = static_cast<uint64_t>(byteOffset);
    entry->dtype = std::get<2>(key);
    entry->sizes = std::get<3>(key);
    entry->strides = std::get<4>(key);
    if (segment) {
      entry->segment = std::make_unique<fb::ShardPartT>();
      entry->segment->begin = static_cast<uint64_t>(segment.getBegin());
      entry->segment->elements = static_cast<uint64_t>(segment.getElements());
      entry->segment->shard = static_cast<uint64_t>(segment.getShard());
      entry->segment->place = static_cast<fb::ShardPlace>(segment.getPlace());
    }
    plan.tensors.push_back(std::move(entry));
  }
  return it->second;
}

uint32_t PlanTables::kernelOf(exec::CallOp call) {
  auto mode = static_cast<fb::KernelMode>(call.getMode());
  auto [it, isNew] = kernels.try_emplace({call.getKernel().str(), mode}, plan.kernels.size());
  if (isNew) {
    auto entry = std::make_unique<fb::KernelT>();
    entry->name = call.getKernel().str();
    entry->mode = mode;
    plan.kernels.push_back(std::move(entry));
  }
  return it->second;
}

uint32_t PlanTables::locationOf(Operation *op) {
  SourcePlace place = placeOf(op->getLoc());
  // The operator as the model's author knows it: "aten::addmm.out" runs aten.addmm.
  std::string name = op->getName().getStringRef().str();
  if (auto call = dyn_cast<exec::CallOp>(op)) {
    auto [space, overload] = call.getKernel().split("::");
    overload.consume_back(".out");
    overload.consume_back("_out");
    name = (space + "." + overload).str();
  }
  LocationKey key{name, place.layer, place.file, place.line};
  auto [it, isNew] = locations.try_emplace(key, plan.locations.size());
  if (isNew) {
    auto entry = std::make_unique<fb::LocationT>();
    entry->op = name;
    entry->layer = place.layer;
    entry->file = place.file;
    entry->line = place.line;
    plan.locations.push_back(std::move(entry));
  }
  return it->second;
}
