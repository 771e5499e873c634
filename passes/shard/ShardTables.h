//===- ShardTables.h - Buckets by what lies in them -------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_SHARD_SHARDTABLES_H
#define REGIMEN_PASSES_SHARD_SHARDTABLES_H

#include "dialects/dist/DistDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace regimen::passes {

/// The mesh and, for every model state, its parameter and bucket.
class ShardTables {
public:
  explicit ShardTables(mlir::ModuleOp module);

  /// Data-parallel ranks.
  int64_t ranks() const { return dp; }
  /// The bucket of a parameter, gradient or state; null for other symbols.
  dist::BucketOp bucketOf(llvm::StringRef storage) const { return buckets.lookup(storage); }
  /// Whether `storage` is a gradient or a parameter.
  bool isGradient(llvm::StringRef storage) const { return gradients.contains(storage); }
  bool isParameter(llvm::StringRef storage) const { return parameters.contains(storage); }
  /// Whether any parameter of the bucket gets a gradient.
  bool hasGradients(dist::BucketOp bucket) const { return reduced.contains(bucket); }

private:
  int64_t dp = 1;
  llvm::StringMap<dist::BucketOp> buckets;
  llvm::StringSet<> gradients, parameters;
  llvm::DenseSet<mlir::Operation *> reduced;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SHARD_SHARDTABLES_H
