//===- StaticStorage.h - Static buffers of a module -------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_SCHEDULE_STATICSTORAGE_H
#define REGIMEN_PASSES_SCHEDULE_STATICSTORAGE_H

#include "dialects/exec/ExecDialect.h"
#include "passes/layout/Layout.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

namespace regimen::passes {

/// Places model states and constants in static buffers, and what forwards save in frame buffers:
/// writes exec.static, exec.frame and exec.bind ops behind the ops they place.
///
/// Parameters of a dist.bucket lie at the bucket's offsets in one buffer, their gradients and each
/// slot of their states at the same offsets in buffers of their own. Of what the bucket's stage
/// shards the buffer is a shard, in which segments lie. What is in no bucket has its own buffer.
class StaticStorage {
public:
  /// A tensor's window of a static or frame buffer; `offset` in bytes. Without a buffer it is one
  /// of the window that a program has of `bucket`: whole gradients, or whole parameters, of which
  /// only shards last.
  struct Place {
    mlir::FlatSymbolRefAttr buffer;
    int64_t offset = 0;
    Layout layout = {};
    exec::SegmentAttr segment = {};
    dist::BucketOp bucket = {};
  };

  explicit StaticStorage(mlir::ModuleOp module);

  /// Where parameter, gradient, state, module buffer or saved value `symbol` lies.
  Place placeOf(llvm::StringRef symbol) const { return places.lookup(symbol); }
  /// Gives a saved value a frame buffer, dense, with these strides.
  void placeSaved(train::SavedOp saved, const Layout &layout);
  /// The arena of tensors that the caller owns.
  mlir::FlatSymbolRefAttr callerArena();
  /// The constant with this value; equal constants share storage.
  Place constant(mlir::ElementsAttr value, mlir::Location loc);

  /// The buffers of a bucket: the whole of its parameters and gradients, or a shard. Null where
  /// there are none.
  struct BucketBuffers {
    mlir::FlatSymbolRefAttr parameters, gradients;
  };
  BucketBuffers buffersOf(dist::BucketOp bucket) const { return bucketBuffers.lookup(bucket); }
  /// Data-parallel ranks.
  int64_t ranks() const { return dp; }
  /// Gradients of a bucket's parameters.
  llvm::ArrayRef<train::GradientOp> gradientsOf(dist::BucketOp bucket) const {
    auto it = bucketGradients.find(bucket);
    return it == bucketGradients.end() ? llvm::ArrayRef<train::GradientOp>() : it->second;
  }

private:
  mlir::FlatSymbolRefAttr addBuffer(const llvm::Twine &name, int64_t bytes, exec::Category category,
                                    mlir::Location loc, mlir::ElementsAttr value = {},
                                    exec::MemorySpace space = exec::MemorySpace::Device);
  void bind(train::StorageOpInterface storage, Place place);
  void bindOutside(train::StorageOpInterface storage, exec::Category category);
  void placeBuckets();
  void placeBucket(dist::BucketOp bucket);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  mlir::OpBuilder builder;
  llvm::StringMap<Place> places;
  llvm::DenseMap<mlir::Attribute, mlir::FlatSymbolRefAttr> constants;
  mlir::FlatSymbolRefAttr caller;
  int64_t dp = 1;
  llvm::DenseMap<mlir::Operation *, BucketBuffers> bucketBuffers;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<train::GradientOp>> bucketGradients;
  /// Gradients and states by parameter.
  llvm::StringMap<train::GradientOp> gradients;
  llvm::StringMap<llvm::SmallVector<train::StateOp>> states;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SCHEDULE_STATICSTORAGE_H
