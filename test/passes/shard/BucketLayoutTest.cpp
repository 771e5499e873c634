//===- BucketLayoutTest.cpp - Which parameters share a flat buffer --------===//
#include "passes/shard/BucketLayout.h"

#include <gtest/gtest.h>

using namespace regimen::passes;

namespace {

BucketItem item(int64_t elements, uint64_t firstUse) {
  BucketItem result;
  result.elements = elements;
  result.elementBytes = 4;
  result.trainable = true;
  result.firstUse = firstUse;
  return result;
}

using Items = std::vector<std::vector<size_t>>;

Items itemsOf(const std::vector<BucketPlan> &buckets) {
  Items items;
  for (const BucketPlan &bucket : buckets)
    items.push_back(bucket.items);
  return items;
}

TEST(BucketLayout, NothingMakesNoBucket) { EXPECT_TRUE(layOutBuckets({}, 1024, 1).empty()); }

TEST(BucketLayout, OrderIsThatOfFirstUseAndOffsetsAreAligned) {
  auto buckets = layOutBuckets({item(100, 7), item(1, 3), item(64, 5)}, 1 << 20, 1);
  ASSERT_EQ(buckets.size(), 1u);
  EXPECT_EQ(buckets[0].items, (std::vector<size_t>{1, 2, 0}));
  EXPECT_EQ(buckets[0].offsets, (std::vector<int64_t>{0, 64, 128}));
  EXPECT_EQ(buckets[0].elements, 256);
}

TEST(BucketLayout, EveryShardIsPadded) {
  EXPECT_EQ(layOutBuckets({item(300, 0)}, 1 << 20, 1)[0].elements, 512);
  EXPECT_EQ(layOutBuckets({item(300, 0)}, 1 << 20, 4)[0].elements, 1024);
}

TEST(BucketLayout, FullBucketOpensTheNext) {
  // 64 elements of 4 bytes each: two fit in 512 bytes.
  EXPECT_EQ(itemsOf(layOutBuckets({item(64, 0), item(64, 1), item(64, 2)}, 512, 1)),
            (Items{{0, 1}, {2}}));
}

TEST(BucketLayout, PaddedSizesCountAgainstTheLimit) {
  EXPECT_EQ(itemsOf(layOutBuckets({item(1, 0), item(1, 1), item(1, 2)}, 512, 1)),
            (Items{{0, 1}, {2}}));
}

TEST(BucketLayout, LargeItemIsAloneAndDoesNotCloseTheOpenBucket) {
  EXPECT_EQ(itemsOf(layOutBuckets({item(64, 0), item(1000, 1), item(64, 2)}, 512, 1)),
            (Items{{0, 2}, {1}}));
}

TEST(BucketLayout, TiedItemIsAlone) {
  std::vector<BucketItem> items{item(64, 0), item(64, 1), item(64, 2)};
  items[1].tied = true;
  EXPECT_EQ(itemsOf(layOutBuckets(items, 1 << 20, 1)), (Items{{0, 2}, {1}}));
}

TEST(BucketLayout, TypesAndTrainabilityDoNotMix) {
  std::vector<BucketItem> items{item(64, 0), item(64, 1), item(64, 2), item(64, 3)};
  items[1].type = 1;
  items[2].trainable = false;
  EXPECT_EQ(itemsOf(layOutBuckets(items, 1 << 20, 1)), (Items{{0, 3}, {1}, {2}}));
}

TEST(BucketLayout, UnusedItemsComeLastAndAlone) {
  std::vector<BucketItem> items{item(64, BucketItem::kUnused), item(64, 9), item(64, 2)};
  EXPECT_EQ(itemsOf(layOutBuckets(items, 1 << 20, 1)), (Items{{2, 1}, {0}}));
}

TEST(BucketLayout, EmptyParameterTakesNoSpace) {
  auto buckets = layOutBuckets({item(0, 0)}, 1 << 20, 1);
  ASSERT_EQ(buckets.size(), 1u);
  EXPECT_EQ(buckets[0].elements, 256);
}

} // namespace
