//===- ProgramLowering.h - One train.program to exec ------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_SCHEDULE_PROGRAMLOWERING_H
#define REGIMEN_PASSES_SCHEDULE_PROGRAMLOWERING_H

#include "passes/layout/MemorySpaces.h"
#include "passes/schedule/CallBuilder.h"
#include "passes/schedule/StaticStorage.h"
#include "passes/schedule/StoragePlan.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringSet.h"

namespace regimen::passes {

/// What lowering needs to know of the machine.
struct LoweringOptions {
  /// Threads of a rank.
  int64_t threads = 1;
  /// Whether reductions are a ring.
  bool ring = false;
};

/// Writes the exec.program of a train.program in front of it.
class ProgramLowering {
public:
  ProgramLowering(train::ProgramOp program, const LayoutAnalysis &layouts, StaticStorage &statics,
                  const LoweringOptions &options);
  mlir::LogicalResult run();

private:
  mlir::LogicalResult lower(mlir::Operation *op);
  void createTarget();
  void loadInputs();
  void returnOutputs();
  void lowerKernel(mlir::Operation *op, const KernelRecord &kernel);
  void lowerReshape(mlir::Operation *op);
  void lowerRead(train::ReadOp op);
  void lowerWrite(train::WriteOp op);
  void lowerAccumulate(train::AccumulateOp op);
  void lowerSeed(train::SeedOp op);
  void lowerGlobalNorm(train::GlobalNormOp op);
  void lowerStart(dist::StartOp op);
  void lowerWait(dist::WaitOp op);
  void lowerSumOfSquares(dist::SumOfSquaresOp op);
  void lowerShare(dist::ShareOp op);
  void lowerNormOfSquares(dist::NormOfSquaresOp op);
  void lowerMove(dist::MoveOp op);
  void lowerMoved(dist::MovedOp op);
  /// Copies a tensor to the other memory on lane copy, not before what the program did until here.
  exec::CallOp move(mlir::Value from, mlir::Value to, mlir::Location loc);
  /// Moves a rank's shard of a bucket to its place in a window of the bucket.
  void moveShard(mlir::Value shard, mlir::Value window, dist::BucketOp bucket);
  mlir::LogicalResult lowerFusedAdamW(train::FusedAdamWOp op);

  /// The exec tensor of a train value, with its layout.
  mlir::Value tensorOf(mlir::Value value);
  /// The same storage seen with another layout.
  mlir::Value tensorOf(mlir::Value value, const Layout &layout);
  /// A tensor over all of a storage symbol.
  mlir::Value storageTensor(mlir::FlatSymbolRefAttr symbol, mlir::RankedTensorType type);
  mlir::Value view(mlir::Value buffer, int64_t byteOffset, const Layout &layout,
                   mlir::Type elementType, exec::SegmentAttr segment = {});
  /// The buffer that holds base value `base`, and the byte in it where `base` starts.
  struct BufferPlace {
    mlir::Value buffer;
    int64_t offset = 0;
    exec::SegmentAttr segment = {};
  };
  BufferPlace locationOf(mlir::Value base);
  /// Where a storage symbol lies; `read` is the op that reads it, if one does.
  BufferPlace locationOf(mlir::FlatSymbolRefAttr symbol, mlir::Operation *read);
  /// Finds the gather or reduction whose window holds each sharded parameter that is read, and each
  /// gradient, and the segment that values of an update have.
  void findWindows();
  void findSegments();
  /// A flat tensor over all of a bucket, or a shard of it.
  mlir::Value bucketTensor(mlir::Value buffer, dist::BucketOp bucket, bool shard);
  /// The buffer of a bucket that lasts from a gather to its release, or from the first gradient to
  /// its reduction.
  mlir::Value windowOf(dist::StartOp start);
  mlir::Value staticBuffer(mlir::FlatSymbolRefAttr symbol);
  mlir::Value newBuffer(llvm::StringRef name, int64_t bytes, exec::Category category,
                        mlir::Location loc, dist::Space space = dist::Space::Device);
  mlir::Value newCallerBuffer(llvm::StringRef name, int64_t bytes, mlir::Location loc);
  /// The register of an f64 value.
  mlir::Value registerOf(mlir::Value scalar);

  train::ProgramOp source;
  const LayoutAnalysis &layouts;
  StaticStorage &statics;
  StoragePlan plan;
  MemorySpaces spaces;
  LoweringOptions options;
  mlir::OpBuilder builder;
  exec::ProgramOp target;
  /// Scalars of the source to registers.
  mlir::IRMapping registers;
  llvm::DenseMap<mlir::Value, mlir::Value> buffers;
  llvm::DenseMap<mlir::Attribute, mlir::Value> staticBuffers;
  llvm::DenseMap<std::tuple<mlir::Value, int64_t, mlir::Type, mlir::Attribute>, mlir::Value> views;
  llvm::DenseMap<mlir::Operation *, dist::StartOp> gathers;    // by train.read
  llvm::DenseMap<mlir::Operation *, dist::StartOp> reductions; // by dist.bucket
  /// Gradients to which the program contributes.
  llvm::StringSet<> contributed;
  llvm::DenseMap<mlir::Operation *, mlir::Value> windows; // by dist.start
  llvm::DenseMap<mlir::Operation *, int64_t> finished;    // events by dist.start
  llvm::DenseMap<mlir::Value, exec::SegmentAttr> segments;
  llvm::DenseMap<mlir::Operation *, exec::CallOp> moves; // by dist.move
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SCHEDULE_PROGRAMLOWERING_H
