//===- LowerMoves.cpp - Moves between memories to exec --------------------===//
//
// Part of ProgramLowering. Lane copy starts no move before the program comes to it: what the move
// fills may have held something else until there. Who uses the copy waits for it by AssignEvents'
// events; who wants the place of what was moved waits by dist.moved.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/ProgramLowering.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;

exec::CallOp ProgramLowering::move(Value from, Value to, Location loc) {
  // Right behind another move, lane copy is there already.
  exec::InstructionOpInterface before;
  for (Operation &op : llvm::reverse(target.getBody().front()))
    if ((before = dyn_cast<exec::InstructionOpInterface>(op)))
      break;
  if (!before || before.getLane() != exec::Lane::Copy) {
    int64_t ready = target.getEvents();
    target.setEvents(ready + 1);
    exec::RecordOp::create(builder, loc, ready, exec::Lane::Compute);
    exec::WaitOp::create(builder, loc, ready, exec::Lane::Copy);
  }
  exec::CallOp call = CallArgs(loc.getContext())
                          .tensor(from)
                          .create(builder, loc, "regimen::move", exec::KernelMode::Own, to);
  call.setLane(exec::Lane::Copy);
  return call;
}

void ProgramLowering::lowerMove(dist::MoveOp op) {
  Value from = tensorOf(op.getValue()), to = tensorOf(op.getResult());
  moves[op] = move(from, to, op.getLoc());
}

void ProgramLowering::lowerMoved(dist::MovedOp op) {
  exec::CallOp call = moves.lookup(op.getValue().getDefiningOp());
  int64_t done = target.getEvents();
  target.setEvents(done + 1);
  OpBuilder behind(call);
  behind.setInsertionPointAfter(call);
  exec::RecordOp::create(behind, op.getLoc(), done, exec::Lane::Copy);
  exec::WaitOp::create(builder, op.getLoc(), done, exec::Lane::Compute);
}

void ProgramLowering::moveShard(Value shard, Value window, dist::BucketOp bucket) {
  int64_t elements = bucket.getElements() / statics.ranks();
  auto segment = exec::SegmentAttr::get(builder.getContext(), 0, bucket.getElements(), elements,
                                        exec::SegmentPlace::Shard);
  Layout layout = contiguousLayout({elements});
  Type type = bucket.getElementType();
  Value from = view(shard, 0, layout, type, segment);
  Value to = view(window, 0, layout, type, segment.in(exec::SegmentPlace::Whole));
  move(from, to, bucket.getLoc());
}
