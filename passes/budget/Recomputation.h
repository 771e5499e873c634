//===- Recomputation.h - What a backward computes again ---------*- C++ -*-===//
//
// Which values a forward leaves for its backward, and which the backward makes again, is a cut
// through the forward's graph: between what is there anyway (inputs, parameters) and what the
// backward needs, at the fewest bytes (Jain et al., "Checkmate", 2019, state the problem; the cut
// is that of PyTorch's partitioner, functorch's min_cut_rematerialization_partition). What must not
// be computed again is there anyway too, at the price of its bytes.
//
//===----------------------------------------------------------------------===//
#ifndef REGIMEN_PASSES_BUDGET_RECOMPUTATION_H
#define REGIMEN_PASSES_BUDGET_RECOMPUTATION_H

#include "dialects/train/TrainDialect.h"
#include "passes/CompileConfig.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

#include <vector>

namespace regimen::passes {

/// A micro-step whose forward ends at a boundary: at train.suspend, or at the seed of its backward.
class Recomputation {
public:
  /// What is computed again of a layer: nothing; ops that move more bytes than they compute; all
  /// that lies inside it. Values that leave a layer are kept, so that none costs more than one more
  /// forward.
  enum class Policy { None, Cheap, All };

  /// The op before which the forward ends; null for a program that has no backward.
  static mlir::Operation *boundaryOf(train::ProgramOp program);

  Recomputation(train::ProgramOp program, mlir::Operation *boundary);

  /// The steps from nothing to everything: which layer goes over to which policy, those first that
  /// free most bytes a second.
  struct Step {
    int layer;
    Policy policy;
    int64_t bytes; // that it frees
    double seconds;
  };
  std::vector<Step> steps() const;

  /// Decides by one policy for all layers, or by so many steps. What lies in no layer is computed
  /// again where that is cheap, unless nothing is.
  void decide(Policy policy);
  void decideSteps(size_t count);

  /// Whether the backward makes a value of the forward again.
  bool isRemade(mlir::Value value) const;
  /// Bytes of values that the forward leaves, and time that the backward takes more.
  int64_t savedBytes() const { return saved; }
  double seconds() const { return extra; }

private:
  /// What one decision costs, by layer.
  struct Costs {
    llvm::DenseMap<int, int64_t> bytes;
    llvm::DenseMap<int, double> seconds;
  };
  using Policies = llvm::function_ref<Policy(int layer)>;

  bool isForward(mlir::Value value) const;
  bool isFree(mlir::Value value) const;
  bool mayRemake(mlir::Operation *op, Policy policy) const;
  Costs cut(Policies policies);

  std::vector<mlir::Operation *> forward;
  llvm::DenseMap<mlir::Operation *, int> layers;
  /// Values whose storage the forward overwrites, and those that the caller holds.
  llvm::DenseSet<mlir::Value> overwritten, held;
  /// Values of the forward that the backward uses.
  std::vector<mlir::Value> needed;
  llvm::DenseSet<mlir::Value> kept;
  int64_t saved = 0;
  double extra = 0;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_BUDGET_RECOMPUTATION_H
