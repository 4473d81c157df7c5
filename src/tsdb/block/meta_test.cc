#include "tsdb/block/meta.h"

#include <gtest/gtest.h>

namespace narthex::tsdb {
namespace {

// As upstream writes it, with members that Thanos adds.
constexpr char kWritten[] = R"({
	"ulid": "01M81HY7WY19PVEGRCPAV583NS",
	"minTime": 1699963200000,
	"maxTime": 1699984800000,
	"stats": {
		"numSamples": 479,
		"numSeries": 4,
		"numChunks": 12,
		"numGlowworms": 3
	},
	"compaction": {
		"level": 2,
		"sources": [
			"01M81HY4XK1M39NG7HH3CPXV44",
			"01M81HY5X2V9RZKT3QPTCD5ZXT"
		],
		"parents": [
			{
				"ulid": "01M81HY4XK1M39NG7HH3CPXV44",
				"minTime": 1699963200000,
				"maxTime": 1699970400000
			}
		],
		"hints": [
			"from-out-of-order"
		],
		"mood": null
	},
	"version": 1,
	"thanos": {
		"labels": {
			"replica": "a \"b\": {c}, [d]\\"
		},
		"downsample": {
			"resolution": 0
		},
		"ratio": 0.5,
		"files": [],
		"none": {},
		"flags": [
			true,
			18446744073709551615,
			-7
		]
	}
})";

TEST(BlockMeta, UnknownMembersSurvive) {
  const auto meta = BlockMeta::Parse(kWritten);
  ASSERT_TRUE(meta.has_value()) << meta.error().message;
  EXPECT_EQ(meta->ToJson(), kWritten);
}

TEST(BlockMeta, ReadsEveryMember) {
  const auto meta = *BlockMeta::Parse(kWritten);
  EXPECT_EQ(meta.ulid.ToString(), "01M81HY7WY19PVEGRCPAV583NS");
  EXPECT_EQ(meta.min_time, 1699963200000);
  EXPECT_EQ(meta.max_time, 1699984800000);
  EXPECT_EQ(meta.stats.samples, 479u);
  EXPECT_EQ(meta.stats.series, 4u);
  EXPECT_EQ(meta.stats.chunks, 12u);
  EXPECT_EQ(meta.compaction.level, 2);
  EXPECT_EQ(meta.compaction.sources.size(), 2u);
  ASSERT_EQ(meta.compaction.parents.size(), 1u);
  EXPECT_EQ(meta.compaction.parents[0].max_time, 1699970400000);
  EXPECT_EQ(meta.compaction.hints, std::vector<std::string>{std::string(kHintOutOfOrder)});
  EXPECT_FALSE(meta.compaction.failed);
}

TEST(BlockMeta, FlagsSurvive) {
  BlockMeta meta;
  meta.compaction.failed = true;
  meta.compaction.deletable = true;
  meta.stats = {.samples = 3, .float_samples = 2, .histogram_samples = 1, .tombstones = 4};
  const auto again = BlockMeta::Parse(meta.ToJson());
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->compaction.failed);
  EXPECT_TRUE(again->compaction.deletable);
  EXPECT_EQ(again->stats.histogram_samples, 1u);
  EXPECT_EQ(again->ToJson(), meta.ToJson());
}

TEST(BlockMeta, RefusesWhatIsNone) {
  for (const char* text :
       {"", "[]", "{}", R"({"version":2})", R"({"version":1,"ulid":"x"})",
        R"({"version":1,"ulid":"01M81HY7WY19PVEGRCPAV583NS","minTime":"0","maxTime":1})",
        R"({"version":1,"ulid":"01M81HY7WY19PVEGRCPAV583NS","minTime":2,"maxTime":1})",
        R"({"version":1,"ulid":"01M81HY7WY19PVEGRCPAV583NS","minTime":1,"maxTime":2,
            "compaction":{"sources":["x"]}})"}) {
    EXPECT_FALSE(BlockMeta::Parse(text).has_value()) << text;
  }
  const std::string whole = kWritten;
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(BlockMeta::Parse(whole.substr(0, size)).has_value()) << size;
  }
}

}  // namespace
}  // namespace narthex::tsdb
