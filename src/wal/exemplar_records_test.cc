#include "wal/exemplar_records.h"

#include <gtest/gtest.h>

namespace narthex::wal {
namespace {

using model::Labels;

TEST(ExemplarsRecord, GivesBackWhatItTook) {
  const std::vector<ExemplarEntry> put = {
      {7, 1'700'000'000'000, 0.25, *Labels::From({{"trace_id", "abc"}, {"span_id", "1"}})},
      {3, 1'700'000'000'500, -1, Labels()},
      {1u << 31, -5, 1e300, *Labels::From({{"a", std::string(300, 'x')}})}};
  ExemplarsRecord record;
  for (const ExemplarEntry& entry : put) record.Add(entry);
  std::vector<ExemplarEntry> got;
  ASSERT_TRUE(DecodeExemplars(record.bytes(), got).has_value());
  ASSERT_EQ(got.size(), put.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].ref, put[i].ref);
    EXPECT_EQ(got[i].t, put[i].t);
    EXPECT_EQ(got[i].v, put[i].v);
    EXPECT_EQ(got[i].labels, put[i].labels);
  }
}

// As upstream's encoder writes it. Source: the layout in Prometheus, tsdb/docs/format/wal.md.
TEST(MetadataRecord, HasUpstreamsLayout) {
  MetadataRecord record;
  record.Add({300, {model::MetricType::kCounter, "How many.", "bytes"}});
  using namespace std::string_view_literals;
  EXPECT_EQ(record.bytes(),
            "\x06\xac\x02\x01\x02\x04UNIT\x05"
            "bytes\x04HELP\x09How many."sv);
  record.Add({1, {model::MetricType::kStateSet, "", ""}});
  std::vector<MetadataEntry> got;
  ASSERT_TRUE(DecodeMetadata(record.bytes(), got).has_value());
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].ref, 300u);
  EXPECT_EQ(got[0].metadata, (model::Metadata{model::MetricType::kCounter, "How many.", "bytes"}));
  EXPECT_EQ(got[1].metadata.type, model::MetricType::kStateSet);
}

TEST(ExemplarAndMetadataRecords, EveryTruncationIsDamage) {
  ExemplarsRecord exemplars;
  exemplars.Add({7, 5, 0.25, *Labels::From({{"trace_id", "abc"}})});
  for (size_t size = 2; size < exemplars.bytes().size(); ++size) {
    if (size == 1 + 16) continue;  // The base alone: no entries.
    std::vector<ExemplarEntry> got;
    EXPECT_FALSE(DecodeExemplars(exemplars.bytes().substr(0, size), got).has_value()) << size;
    EXPECT_TRUE(got.empty());
  }
  MetadataRecord metadata;
  metadata.Add({7, {model::MetricType::kGauge, "Help.", "unit"}});
  for (size_t size = 2; size < metadata.bytes().size(); ++size) {
    std::vector<MetadataEntry> got;
    EXPECT_FALSE(DecodeMetadata(metadata.bytes().substr(0, size), got).has_value()) << size;
    EXPECT_TRUE(got.empty());
  }
}

}  // namespace
}  // namespace narthex::wal
