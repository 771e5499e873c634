//===- BucketLayout.cpp - Which parameters share a flat buffer ------------===//
#include "passes/shard/BucketLayout.h"

#include "dialects/dist/DistDialect.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

using namespace regimen;
using namespace regimen::passes;

static int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Appends an item to a bucket.
static void append(BucketPlan &bucket, const std::vector<BucketItem> &items, size_t index) {
  bucket.items.push_back(index);
  bucket.offsets.push_back(bucket.elements);
  bucket.elements += roundUp(items[index].elements, dist::BucketOp::kParameterAlignment);
}

static void pad(std::vector<BucketPlan> &buckets, int64_t shards) {
  for (BucketPlan &bucket : buckets)
    bucket.elements =
        roundUp(std::max<int64_t>(bucket.elements, 1), dist::BucketOp::kShardAlignment * shards);
}

std::vector<BucketPlan>
regimen::passes::layOutBucketsAs(const std::vector<BucketItem> &items,
                                 const std::vector<std::vector<size_t>> &lists, int64_t shards) {
  std::vector<BucketPlan> buckets(lists.size());
  for (size_t i = 0; i < lists.size(); ++i)
    for (size_t index : lists[i])
      append(buckets[i], items, index);
  pad(buckets, shards);
  return buckets;
}

std::vector<BucketPlan> regimen::passes::layOutBuckets(const std::vector<BucketItem> &items,
                                                       uint64_t bucketBytes, int64_t shards) {
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return items[a].firstUse < items[b].firstUse; });

  using Kind = std::tuple<uint32_t, bool, bool, bool>;
  std::vector<BucketPlan> buckets;
  std::map<Kind, size_t> open;
  for (size_t index : order) {
    const BucketItem &item = items[index];
    int64_t length = roundUp(item.elements, dist::BucketOp::kParameterAlignment);
    bool alone = item.tied || static_cast<uint64_t>(length) * item.elementBytes > bucketBytes;
    Kind kind{item.type, item.trainable, item.persistent, item.firstUse == BucketItem::kUnused};
    auto it = open.find(kind);
    bool fits = it != open.end() &&
                static_cast<uint64_t>(buckets[it->second].elements + length) * item.elementBytes <=
                    bucketBytes;
    if (alone || !fits) {
      if (!alone)
        open[kind] = buckets.size();
      buckets.emplace_back();
    }
    BucketPlan &bucket = alone || !fits ? buckets.back() : buckets[it->second];
    append(bucket, items, index);
  }
  pad(buckets, shards);
  return buckets;
}
