//===- OffloadActivations.cpp - Values that wait on the host --------------===//
#include "dialects/aten/AtenOps.h"
#include "dialects/dist/DistDialect.h"
#include "passes/budget/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/MapVector.h"

namespace regimen::passes {
#define GEN_PASS_DEF_OFFLOADACTIVATIONSPASS
#include "passes/budget/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using namespace regimen::train;

namespace {

/// Between its last use in the forward and its first in the backward at least so many ops must
/// come: else the value is back before its place is free.
constexpr size_t kFewestOps = 16;

/// Values on their way to the host at one time.
constexpr size_t kLeaving = 2;

bool isView(Operation *op) { return op->hasTrait<aten::ViewLike>(); }

/// A value of the forward that the backward uses, itself or by views of it.
struct Saved {
  Value value;
  Operation *lastForward = nullptr, *firstBackward = nullptr;
  SmallVector<OpOperand *> uses; // of the backward, by ops that are no views
};

class ActivationMover {
public:
  ActivationMover(ProgramOp program, SeedOp seed, int64_t leastBytes)
      : program(program), seed(seed), leastBytes(leastBytes) {}

  void run() {
    for (Operation &op : program.getBody().front())
      positions[&op] = positions.size();
    for (Operation *op = &program.getBody().front().front(); op != seed; op = op->getNextNode())
      if (!isView(op) && !isa<ReadOp, aten::ConstantOp>(op))
        for (Value result : op->getResults())
          consider(result);
    sendAway();
    bringBack();
    int64_t bytes = 0;
    for (const Saved &saved : chosen)
      bytes += bytesOf(saved.value);
    remark::analysis(program.getLoc(),
                     remark::RemarkOpts::name("offload activations").category("budget"))
        << remark::metric("program", program.getSymName().str())
        << remark::metric("values", chosen.size()) << remark::metric("bytes", bytes);
  }

private:
  static int64_t bytesOf(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.getNumElements() * int64_t(llvm::divideCeil(type.getElementTypeBitWidth(), 8));
  }

  bool isBefore(Operation *a, Operation *b) const {
    return positions.lookup(a) < positions.lookup(b);
  }

  void consider(Value value) {
    Saved saved{value, value.getDefiningOp(), nullptr, {}};
    if (!isa<RankedTensorType>(value.getType()) || bytesOf(value) < leastBytes ||
        !collect(value, saved) || !saved.firstBackward ||
        positions[saved.firstBackward] - positions[saved.lastForward] < kFewestOps)
      return;
    llvm::sort(saved.uses,
               [&](OpOperand *a, OpOperand *b) { return isBefore(a->getOwner(), b->getOwner()); });
    chosen.push_back(std::move(saved));
  }

  /// Whether it may wait elsewhere: results, and what is written to storage, have their place.
  bool collect(Value value, Saved &saved) {
    for (OpOperand &use : value.getUses()) {
      Operation *user = use.getOwner();
      if (isa<WriteOp, ReturnOp>(user))
        return false;
      if (isView(user) && use.getOperandNumber() == 0) {
        for (Value result : user->getResults())
          if (!collect(result, saved))
            return false;
      } else if (isBefore(user, seed)) {
        if (isBefore(saved.lastForward, user))
          saved.lastForward = user;
      } else {
        saved.uses.push_back(&use);
        if (!saved.firstBackward || isBefore(user, saved.firstBackward))
          saved.firstBackward = user;
      }
    }
    return true;
  }

  /// Moves each value behind its last use in the forward. The compute lane waits where more than a
  /// few would be on their way, so that their places are free again.
  void sendAway() {
    llvm::stable_sort(chosen, [&](const Saved &a, const Saved &b) {
      return isBefore(a.lastForward, b.lastForward);
    });
    Operation *after = nullptr; // the last op put behind lastForward
    SmallVector<Value> leaving;
    OpBuilder builder(program.getContext());
    for (size_t i = 0; i < chosen.size(); ++i) {
      Saved &saved = chosen[i];
      bool shared = i > 0 && chosen[i - 1].lastForward == saved.lastForward;
      builder.setInsertionPointAfter(shared ? after : saved.lastForward);
      if (leaving.size() >= kLeaving)
        dist::MovedOp::create(builder, saved.value.getLoc(), leaving[leaving.size() - kLeaving]);
      auto move = dist::MoveOp::create(builder, saved.value.getLoc(), saved.value.getType(),
                                       saved.value, dist::Space::Host);
      after = move;
      leaving.push_back(move);
    }
    builder.setInsertionPoint(seed);
    for (Value rest : ArrayRef(leaving).take_back(kLeaving))
      dist::MovedOp::create(builder, rest.getLoc(), rest);
    for (auto [saved, host] : llvm::zip_equal(chosen, leaving))
      hosts[saved.value] = host;
  }

  /// Moves each value back one use ahead: where the one that is used before it is used first.
  void bringBack() {
    llvm::stable_sort(chosen, [&](const Saved &a, const Saved &b) {
      return isBefore(a.firstBackward, b.firstBackward);
    });
    Operation *place = seed, *use = seed;
    for (Saved &saved : chosen) {
      if (saved.firstBackward != use) {
        place = use;
        use = saved.firstBackward;
      }
      OpBuilder builder(program.getContext());
      place == seed ? builder.setInsertionPointAfter(seed) : builder.setInsertionPoint(place);
      Value host = hosts.lookup(saved.value);
      IRMapping remade;
      remade.map(saved.value, dist::MoveOp::create(builder, host.getLoc(), host.getType(), host,
                                                   dist::Space::Device)
                                  .getResult());
      for (OpOperand *operand : saved.uses)
        operand->set(remake(operand->get(), operand->getOwner(), remade));
    }
  }

  /// The value that was moved back, or views of it made again before `user`.
  static Value remake(Value value, Operation *user, IRMapping &remade) {
    if (Value known = remade.lookupOrNull(value))
      return known;
    Operation *view = value.getDefiningOp();
    remake(view->getOperand(0), user, remade);
    OpBuilder(user).clone(*view, remade);
    return remade.lookup(value);
  }

  ProgramOp program;
  SeedOp seed;
  const int64_t leastBytes;
  /// Of the ops that the program had at first.
  llvm::DenseMap<Operation *, size_t> positions;
  std::vector<Saved> chosen;
  llvm::DenseMap<Value, Value> hosts;
};

struct OffloadActivationsPass : passes::impl::OffloadActivationsPassBase<OffloadActivationsPass> {
  using Base::Base;

  void runOnOperation() override {
    for (auto seed : llvm::to_vector(getOperation().getBody().getOps<SeedOp>()))
      ActivationMover(getOperation(), seed, leastBytes).run();
  }
};

} // namespace
