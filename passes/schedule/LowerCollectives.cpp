//===- LowerCollectives.cpp - Collectives to exec -------------------------===//
//
// Part of ProgramLowering: windows of gathered parameters and of gradients before their reduction,
// segments, and collectives between events that keep them from starting before, or being used
// until, the program says so.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/ProgramLowering.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using exec::KernelMode;

void ProgramLowering::findWindows() {
  llvm::DenseMap<Operation *, dist::StartOp> gathered;
  auto module = source->getParentOfType<ModuleOp>();
  auto bucketOf = [&](dist::StartOp start) {
    return module.lookupSymbol<dist::BucketOp>(start.getBucketAttr());
  };
  for (Operation &op : source.getBody().front()) {
    if (auto start = dyn_cast<dist::StartOp>(op)) {
      bool gather = start.getCollective() == dist::Collective::AllGather;
      (gather ? gathered : reductions)[bucketOf(start)] = start;
    } else if (auto read = dyn_cast<train::ReadOp>(op)) {
      StaticStorage::Place place = statics.placeOf(read.getSymbol());
      if (!place.buffer && place.bucket)
        gathers[read] = gathered.lookup(place.bucket);
    } else if (auto write = dyn_cast<train::WriteOp>(op)) {
      contributed.insert(write.getSymbol());
    } else if (auto accumulate = dyn_cast<train::AccumulateOp>(op)) {
      contributed.insert(accumulate.getSymbol());
    }
  }
}

void ProgramLowering::findSegments() {
  for (Operation &op : source.getBody().front()) {
    if (auto read = dyn_cast<train::ReadOp>(op)) {
      if (exec::SegmentAttr segment = statics.placeOf(read.getSymbol()).segment)
        segments[read.getResult()] = segment;
      continue;
    }
    // A result of it is where its operand was, which may be a copy.
    if (auto fused = dyn_cast<train::FusedAdamWOp>(op))
      for (auto [result, operand] :
           llvm::zip_equal(fused.getNewParameters(), fused.getParameters()))
        if (exec::SegmentAttr segment = segments.lookup(operand))
          segments[result] = segment;
    if (!layouts.kernelOf(&op) && !isa<dist::MoveOp>(op))
      continue;
    for (Value operand : op.getOperands())
      if (exec::SegmentAttr segment = segments.lookup(operand))
        for (Value result : op.getResults())
          segments[result] = segment;
  }
}

Value ProgramLowering::bucketTensor(Value buffer, dist::BucketOp bucket, bool shard) {
  int64_t elements = bucket.getElements() / (shard ? statics.ranks() : 1);
  return view(buffer, 0, contiguousLayout({elements}), bucket.getElementType());
}

Value ProgramLowering::windowOf(dist::StartOp start) {
  Value &window = windows[start];
  if (!window) {
    auto bucket =
        source->getParentOfType<ModuleOp>().lookupSymbol<dist::BucketOp>(start.getBucketAttr());
    bool gather = start.getCollective() == dist::Collective::AllGather;
    window = newBuffer((bucket.getSymName() + (gather ? ".params" : ".grads")).str(),
                       bucket.getElements() * exec::elementBytes(bucket.getElementType()),
                       exec::Category::Comm, start.getLoc());
  }
  return window;
}

void ProgramLowering::lowerStart(dist::StartOp op) {
  Location loc = op.getLoc();
  auto bucket =
      source->getParentOfType<ModuleOp>().lookupSymbol<dist::BucketOp>(op.getBucketAttr());
  StaticStorage::BucketBuffers buffers = statics.buffersOf(bucket);
  bool gather = op.getCollective() == dist::Collective::AllGather;
  bool sharded = gather ? bucket.shardsParameters() : bucket.shardsGradients();
  Value lasting = staticBuffer(gather ? buffers.parameters : buffers.gradients);
  Value whole = bucketTensor(sharded ? windowOf(op) : lasting, bucket, /*shard=*/false);
  Value part;
  // From the host the shard comes straight to its place in the window.
  if (gather && bucket.getHostParameters())
    moveShard(lasting, windowOf(op), bucket);
  else if (sharded)
    part = bucketTensor(lasting, bucket, /*shard=*/true);
  SmallVector<Value> members;
  Value scratch;
  if (!gather) {
    for (train::GradientOp gradient : statics.gradientsOf(bucket))
      if (contributed.contains(gradient.getSymName()))
        members.push_back(storageTensor(FlatSymbolRefAttr::get(gradient.getSymNameAttr()),
                                        gradient.getTensorType()));
    // The parts of the other ranks; in a ring the sum that leaves and the one that arrives.
    int64_t others = statics.ranks() - 1,
            parts = options.ring ? std::min<int64_t>(others, 2) : others;
    int64_t bytes = bucket.getElements() / statics.ranks() *
                    exec::elementBytes(bucket.getElementType()) * parts;
    scratch =
        newBuffer((bucket.getSymName() + ".received").str(), bytes, exec::Category::Comm, loc);
  }
  int64_t ready = target.getEvents(), done = ready + 1;
  target.setEvents(done + 1);
  exec::RecordOp::create(builder, loc, ready, exec::Lane::Compute);
  exec::WaitOp::create(builder, loc, ready, exec::Lane::Comm);
  exec::CollectiveOp::create(builder, loc, op.getCollective(), op.getBucketAttr(),
                             op.getAccumulate(), whole, part, members, scratch, exec::Lane::Comm);
  exec::RecordOp::create(builder, loc, done, exec::Lane::Comm);
  finished[op] = done;
}

void ProgramLowering::lowerWait(dist::WaitOp op) {
  exec::WaitOp::create(builder, op.getLoc(),
                       finished.lookup(op.getPending().getDefiningOp<dist::StartOp>()),
                       exec::Lane::Compute);
}

void ProgramLowering::lowerSumOfSquares(dist::SumOfSquaresOp op) {
  SmallVector<Value> tensors =
      llvm::map_to_vector(op.getTensors(), [&](Value value) { return tensorOf(value); });
  CallArgs(op.getContext())
      .tensors(tensors)
      .create(builder, op.getLoc(), "regimen::sum_of_squares", KernelMode::Own,
              tensorOf(op.getResult()));
}

void ProgramLowering::lowerShare(dist::ShareOp op) {
  exec::CollectiveOp::create(builder, op.getLoc(), dist::Collective::AllGather, FlatSymbolRefAttr(),
                             /*accumulate=*/false, tensorOf(op.getResult()),
                             tensorOf(op.getValue()), ValueRange(), Value(), exec::Lane::Comm);
}

void ProgramLowering::lowerNormOfSquares(dist::NormOfSquaresOp op) {
  CallArgs(op.getContext())
      .tensor(tensorOf(op.getSums()))
      .create(builder, op.getLoc(), "regimen::norm_of_squares", KernelMode::Own,
              tensorOf(op.getResult()));
}
