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

TEST_F(WriteReceiverTest, KeepsMetadataOfRequestsThatItTakes) {
  const auto with_metadata = [](std::string body, const std::string& family) {
    std::string message;
    protozero::pbf_writer fields(message);
    fields.add_enum(1, 1);
    fields.add_string(2, family);
    protozero::pbf_writer(body).add_message(3, message);
    return body;
  };
  const std::string body = Encode({{{{"__name__", "up"}}, {{5000, 1}}}});
  EXPECT_EQ(Send(with_metadata(body, "a")).status, 204);
  EXPECT_EQ(Send(with_metadata("", "b")).status, 204);
  EXPECT_EQ(Send(with_metadata(Encode({{{{"__name__", "up"}}, {{10'000'000, 1}}}}), "c")).status,
            400);
  const std::string whole = with_metadata(body, "d");
  for (size_t size = body.size() + 1; size < whole.size(); ++size) {
    EXPECT_EQ(Send(whole.substr(0, size)).status, 400) << size;
  }
  std::string families;
  receiver_.metadata().ForEach(
      [&](std::string_view family, const model::Metadata&) { families += family; });
  EXPECT_EQ(families, "ab");
}

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

// A label behind the samples names the series as much as those in front.
TEST_F(WriteReceiverTest, LabelsMayStandAnywhereInASeries) {
  const auto request = [](const std::string& pod, model::Timestamp t) {
    std::string body;
    protozero::pbf_writer all(body);
    protozero::pbf_writer message(all, 1);
    const auto add_label = [&](const std::string& name, const std::string& value) {
      protozero::pbf_writer field(message, 1);
      field.add_string(1, name);
      field.add_string(2, value);
    };
    add_label("__name__", "up");
    {
      protozero::pbf_writer field(message, 2);
      field.add_double(1, 1);
      field.add_int64(2, t);
    }
    add_label("pod", pod);
    return body;
  };
  for (const model::Timestamp t : {1000, 2000}) {
    EXPECT_EQ(Send(request("a", t)).status, 204);
    EXPECT_EQ(Send(request("b", t)).status, 204);
  }
  EXPECT_EQ(Send(Encode({{{{"__name__", "up"}}, {{3000, 3}}}})).status, 204);
  std::map<std::string, size_t> samples;
  for (const auto& [labels, content] : storage_.content())
    samples[labels.ToString()] = content.size();
  EXPECT_EQ(samples,
            (std::map<std::string, size_t>{{"up", 1}, {"up{pod=\"a\"}", 2}, {"up{pod=\"b\"}", 2}}));
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

void AddSpan(protozero::pbf_writer& histogram, uint32_t field, int32_t offset, uint32_t length) {
  protozero::pbf_writer span(histogram, field);
  span.add_sint32(1, offset);
  span.add_uint32(2, length);
}

// A series with one histogram of whole counts, one of float counts, and an exemplar.
std::string HistogramRequest(int64_t count) {
  std::string body;
  {
    protozero::pbf_writer request(body);
    protozero::pbf_writer series(request, 1);
    {
      protozero::pbf_writer label(series, 1);
      label.add_string(1, "__name__");
      label.add_string(2, "h");
    }
    const std::vector<int64_t> deltas = {1, 2, -1};
    {
      protozero::pbf_writer histogram(series, 4);
      histogram.add_uint64(1, static_cast<uint64_t>(count));
      histogram.add_double(3, 2.5);
      histogram.add_sint32(4, 2);
      histogram.add_double(5, 0.001);
      histogram.add_uint64(6, 4);
      AddSpan(histogram, 11, -3, 2);
      AddSpan(histogram, 11, 1, 1);
      histogram.add_packed_sint64(12, deltas.begin(), deltas.end());
      histogram.add_int64(15, 1000);
    }
    const std::vector<double> bounds = {0.5, 1};
    {
      protozero::pbf_writer histogram(series, 4);
      histogram.add_double(2, 1.5);
      histogram.add_double(3, 7);
      histogram.add_sint32(4, -53);
      AddSpan(histogram, 11, 1, 1);
      histogram.add_double(13, 1.5);  // Not packed.
      histogram.add_enum(14, 3);
      histogram.add_int64(15, 2000);
      histogram.add_packed_double(16, bounds.begin(), bounds.end());
    }
    {
      protozero::pbf_writer exemplar(series, 3);
      {
        protozero::pbf_writer label(exemplar, 1);
        label.add_string(1, "trace_id");
        label.add_string(2, "abc");
      }
      exemplar.add_double(2, 0.7);
      exemplar.add_int64(3, 1500);
    }
  }
  return body;
}

TEST_F(WriteReceiverTest, StoresNativeHistogramsAndExemplars) {
  ASSERT_EQ(Send(HistogramRequest(10)).status, 204);
  const auto querier = *storage_.OpenQuerier({});
  const auto set = *querier->Select({});
  ASSERT_EQ(set->size(), 1u);
  model::SampleColumns samples;
  ASSERT_TRUE(set->Read(0, {}, samples).has_value());
  ASSERT_EQ(samples.t, (std::vector<model::Timestamp>{1000, 2000}));
  EXPECT_EQ(samples.histograms[0]->positive, (std::vector<double>{1, 3, 2}));
  EXPECT_EQ(samples.histograms[0]->positive_spans,
            (std::vector<model::BucketSpan>{{-3, 2}, {1, 1}}));
  EXPECT_EQ(samples.histograms[0]->zero_count, 4);
  EXPECT_EQ(samples.histograms[0]->sum, 2.5);
  EXPECT_EQ(samples.histograms[1]->custom_bounds, (std::vector<double>{0.5, 1}));
  EXPECT_EQ(samples.histograms[1]->positive, std::vector<double>{1.5});
  EXPECT_EQ(samples.histograms[1]->hint, model::ResetHint::kGauge);
  const std::vector<std::vector<model::Matcher>> all = {{}};
  const auto exemplars = *storage_.SelectExemplars(all, {});
  ASSERT_EQ(exemplars.size(), 1u);
  EXPECT_EQ(exemplars[0].exemplars[0].labels.ToString(), "{trace_id=\"abc\"}");
  EXPECT_EQ(exemplars[0].exemplars[0].timestamp, 1500);
  EXPECT_EQ(receiver_.statistics().histograms, 2u);
  EXPECT_EQ(receiver_.statistics().exemplars, 1u);
}

TEST_F(WriteReceiverTest, RefusesAHistogramThatDoesNotAddUp) {
  const auto response = Send(HistogramRequest(11));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, "invalid histogram: series h, timestamp 1000\n");
  EXPECT_TRUE(storage_.content().empty());
}

TEST_F(WriteReceiverTest, TakesTheFormatsThatItAccepts) {
  struct Row {
    std::string_view content_type, content_encoding;
    int status;
  };
  const auto statuses = [&](std::vector<WriteMessage> accepted, std::span<const Row> rows) {
    WriteReceiver receiver(storage_, clock_, {.accepted = std::move(accepted)});
    for (const auto& [content_type, content_encoding, status] : rows) {
      net::HttpRequest request{.method = "POST", .body = compress::SnappyEncode("")};
      if (!content_type.empty()) request.headers.Add("Content-Type", content_type);
      if (!content_encoding.empty()) request.headers.Add("Content-Encoding", content_encoding);
      EXPECT_EQ(receiver.Handle(request).status, status) << content_type << content_encoding;
    }
  };
  constexpr std::string_view kPlain = "application/x-protobuf";
  constexpr std::string_view k1 = "application/x-protobuf;proto=prometheus.WriteRequest";
  constexpr std::string_view k2 = "application/x-protobuf; proto=io.prometheus.write.v2.Request";
  constexpr std::string_view k3 = "application/x-protobuf;proto=io.prometheus.write.v3.Request";
  statuses({WriteMessage::kVersion1, WriteMessage::kVersion2},
           std::vector<Row>{{"", "", 204},
                            {kPlain, "snappy", 204},
                            {k1, "snappy", 204},
                            {k2, "snappy", 204},
                            {k3, "snappy", 415},
                            {"application/json", "snappy", 415},
                            {k1, "gzip", 415},
                            {k2, "zstd", 415}});
  statuses({WriteMessage::kVersion1}, std::vector<Row>{{k1, "", 204}, {k2, "", 415}});
  statuses({WriteMessage::kVersion2},
           std::vector<Row>{{"", "", 415}, {k1, "", 415}, {k2, "", 204}});
}

// Labels are decoded only once the rest of the request has been read.
TEST_F(WriteReceiverTest, RefusesARequestWithALabelThatIsCutShort) {
  std::string good = Encode({{{{"__name__", "good"}}, {{1000, 1}}}});
  std::string body = Encode({{{{"__name__", "m"}, {"a", "b"}}, {{1000, 1}}}});
  const size_t length = body.find("b", body.find("a\x12")) - 1;
  ASSERT_EQ(body[length], 1);
  body[length] = 'a';
  EXPECT_EQ(Send(good + body).status, 400);
  EXPECT_TRUE(storage_.content().empty());
}

TEST_F(WriteReceiverTest, RefusesABodyThatClaimsToBeTooLarge) {
  net::HttpRequest request{.method = "POST", .body = "\xff\xff\xff\xff\x0f"};  // 4 GiB.
  EXPECT_EQ(receiver_.Handle(request).status, 400);
}

// A field of another wire type is another field, which nobody knows.
TEST_F(WriteReceiverTest, PassesOverFieldsOfOtherWireTypes) {
  for (const uint32_t field : {1u, 2u, 3u, 4u, 5u, 15u}) {
    std::string inner;
    protozero::pbf_writer(inner).add_uint64(field, 7);
    protozero::pbf_writer(inner).add_fixed64(field, 7);
    protozero::pbf_writer(inner).add_fixed32(field, 7);
    for (const uint32_t outer : {1u, 2u, 3u, 4u}) {
      std::string message = inner;
      protozero::pbf_writer(message).add_message(outer, inner);
      std::string body = inner;
      protozero::pbf_writer(body).add_message(1, message);
      protozero::pbf_writer(body).add_message(3, message);
      EXPECT_EQ(Send(body).status, 204) << field << " in " << outer;
    }
  }
  for (const auto& [labels, samples] : storage_.content()) ADD_FAILURE() << labels.ToString();
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
