//===- BucketLayout.h - Which parameters share a flat buffer ----*- C++ -*-===//
#ifndef REGIMEN_PASSES_SHARD_BUCKETLAYOUT_H
#define REGIMEN_PASSES_SHARD_BUCKETLAYOUT_H

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace regimen::passes {

/// What the layout needs to know of one parameter.
struct BucketItem {
  static constexpr uint64_t kUnused = std::numeric_limits<uint64_t>::max();

  int64_t elements = 0;
  /// Identifies the element type; items of different types never share a bucket.
  uint32_t type = 0;
  /// Bytes of one element.
  uint32_t elementBytes = 0;
  bool trainable = false;
  /// Has several names: gathered by several users, so it stays alone.
  bool tied = false;
  /// Stays whole where larger ones are sharded.
  bool persistent = false;
  /// Position of the first use in the forward, or kUnused.
  uint64_t firstUse = kUnused;
};

/// One bucket: indices of its items in order of first use, where each starts, and the padded
/// length, in elements.
struct BucketPlan {
  std::vector<size_t> items;
  std::vector<int64_t> offsets;
  int64_t elements = 0;
};

/// Cuts parameters into buckets. Items of one bucket agree in type, trainability, persistence and
/// in whether they are used at all; an item joins the open bucket of its kind unless that would
/// exceed `bucketBytes` (padded). Tied items, and items that exceed `bucketBytes` themselves, are
/// buckets of their own and do not close an open one. Every item starts at a multiple of 64
/// elements, each of `shards` equal parts of a bucket is a multiple of 256. Buckets come in the
/// order of their first use, those of unused items last.
std::vector<BucketPlan> layOutBuckets(const std::vector<BucketItem> &items, uint64_t bucketBytes,
                                      int64_t shards);

/// The same for buckets whose items are known, by index and in order.
std::vector<BucketPlan> layOutBucketsAs(const std::vector<BucketItem> &items,
                                        const std::vector<std::vector<size_t>> &buckets,
                                        int64_t shards);

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SHARD_BUCKETLAYOUT_H
