#include "remote/write_receiver.h"

#include <gtest/gtest.h>

#include <protozero/pbf_writer.hpp>

#include "base/testing/manual_clock.h"
#include "compress/compress.h"
#include "storage/testing/memory_storage.h"

namespace narthex::remote {
namespace {

using model::Label;

struct Series {
  std::vector<Label> labels;
  std::vector<model::Sample> samples;
};

std::string Encode(const std::vector<Series>& all) {
  std::string body;
  protozero::pbf_writer request(body);
  for (const Series& series : all) {
    protozero::pbf_writer message(request, 1);
    for (const Label& label : series.labels) {
      protozero::pbf_writer field(message, 1);
      field.add_string(1, label.name);
      field.add_string(2, label.value);
    }
    for (const model::Sample& sample : series.samples) {
      protozero::pbf_writer field(message, 2);
      field.add_double(1, sample.v);
      field.add_int64(2, sample.t);
    }
  }
  return body;
}

class WriteReceiverTest : public testing::Test {
 protected:
  net::HttpResponse Send(const std::string& body) {
    net::HttpRequest request{.method = "POST", .body = compress::SnappyEncode(body)};
    request.headers.Add("Content-Type", "application/x-protobuf");
    request.headers.Add("Content-Encoding", "snappy");
    return receiver_.Handle(request);
  }

  base::ManualClock clock_{1'000'000};
  storage::MemoryStorage storage_;
  WriteReceiver receiver_{storage_, clock_, {}};
};

TEST_F(WriteReceiverTest, StoresSamplesOfNewAndKnownSeries) {
  // Label order on the wire does not matter to what is stored.
  EXPECT_EQ(Send(Encode({{{{"job", "a"}, {"__name__", "up"}}, {{1000, 1}, {2000, 2}}}})).status,
            204);
  EXPECT_EQ(Send(Encode({{{{"job", "a"}, {"__name__", "up"}}, {{3000, 3}}},
                         {{{"__name__", "up"}, {"job", "a"}, {"empty", ""}}, {{4000, 4}}}}))
                .status,
            204);
  const auto content = storage_.content();
  ASSERT_EQ(content.size(), 1u);
  EXPECT_EQ(content.begin()->first.ToString(), "up{job=\"a\"}");
  EXPECT_EQ(content.begin()->second,
            (std::map<model::Timestamp, double>{{1000, 1}, {2000, 2}, {3000, 3}, {4000, 4}}));
  EXPECT_EQ(receiver_.statistics().samples, 4u);
}

TEST_F(WriteReceiverTest, PassesOverSeriesWithUnusableLabels) {
  EXPECT_EQ(Send(Encode({{{{"job", "no name"}}, {{1, 1}}},
                         {{{"__name__", "m"}, {"a", "1"}, {"a", "2"}}, {{1, 1}}},
                         {{{"__name__", "m"}, {"a", "\xff"}}, {{1, 1}}},
                         {{{"__name__", "good"}}, {{1, 1}}}}))
                .status,
            204);
  EXPECT_EQ(storage_.content().size(), 1u);
  EXPECT_EQ(receiver_.statistics().invalid_series, 3u);
}

TEST_F(WriteReceiverTest, RefusesTheWholeRequestForASampleOfTheFuture) {
  const auto response =
      Send(Encode({{{{"__name__", "m"}}, {{1000, 1}, {1'000'000 + 600'001, 1}}}}));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, "out of bounds: series m, timestamp 1600001\n");
  EXPECT_TRUE(storage_.content().empty());
}

TEST_F(WriteReceiverTest, RefusesOtherFormats) {
  net::HttpRequest request{.method = "POST"};
  request.headers.Add("Content-Type", "application/json");
  EXPECT_EQ(receiver_.Handle(request).status, 415);
  request.headers.Set("Content-Type",
                      "application/x-protobuf;proto=io.prometheus.write.v2.Request");
  EXPECT_EQ(receiver_.Handle(request).status, 415);
  request.headers.Set("Content-Type", "application/x-protobuf;proto=prometheus.WriteRequest");
  request.headers.Set("Content-Encoding", "gzip");
  EXPECT_EQ(receiver_.Handle(request).status, 415);
  request.headers.Set("Content-Encoding", "snappy");
  request.body = "\xff\xff\xff\xff\x0f";  // Claims 4 GiB.
  EXPECT_EQ(receiver_.Handle(request).status, 400);
}

TEST_F(WriteReceiverTest, ForgetsSeriesThatNobodyWritesAnyMore) {
  constexpr int64_t kHourMs = 3'600'000;
  for (int hour = 0; hour < 10; ++hour) {
    std::vector<Series> all = {{{{"__name__", "stays"}}, {{hour * 1000, 1}}}};
    for (int i = 0; i < 50; ++i) {
      all.push_back({{{"__name__", "pod"}, {"id", std::to_string(hour * 50 + i)}}, {{1000, 1}}});
    }
    EXPECT_EQ(Send(Encode(all)).status, 204);
    clock_.AdvanceMs(kHourMs);
    EXPECT_LE(receiver_.statistics().known_series, 101u) << hour;
  }
  EXPECT_EQ(storage_.content().size(), 501u);
  clock_.AdvanceMs(5 * kHourMs);
  EXPECT_EQ(Send(Encode({{{{"__name__", "stays"}}, {{20'000, 1}}}})).status, 204);
  EXPECT_EQ(receiver_.statistics().known_series, 1u);
}

TEST_F(WriteReceiverTest, SurvivesEveryTruncationOfARequest) {
  const std::string body = Encode({{{{"__name__", "m"}, {"a", "b"}}, {{1, 1.5}}}});
  for (size_t size = 1; size < body.size(); ++size) {
    EXPECT_EQ(Send(body.substr(0, size)).status, 400) << size;
  }
  EXPECT_TRUE(storage_.content().empty());
}

}  // namespace
}  // namespace narthex::remote
