#include "otlp/decode.h"

#include <gtest/gtest.h>

#include "otlp/encode.h"
#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

// A request around the fields of one Metric.
template <class Put>
std::string Request(Put put, uint32_t scope_field = 2) {
  Writer writer;
  const auto resource = writer.Begin(1);
  const auto scope = writer.Begin(scope_field);
  const auto metric = writer.Begin(2);
  put(writer);
  writer.End(metric);
  writer.End(scope);
  writer.End(resource);
  return writer.Take();
}

// A request with one gauge point, made by `put`.
template <class Put>
std::string PointRequest(Put put) {
  return Request([&](Writer& writer) {
    const auto gauge = writer.Begin(5);
    const auto point = writer.Begin(1);
    put(writer);
    writer.End(point);
    writer.End(gauge);
  });
}

void PutAttribute(Writer& writer, uint32_t field, std::string_view key, std::string_view text) {
  const auto attribute = writer.Begin(field);
  writer.Bytes(1, key);
  const auto value = writer.Begin(2);
  writer.Bytes(1, text);
  writer.End(value);
  writer.End(attribute);
}

Batch Decode(std::string request) {
  auto batch = DecodeMetrics(std::move(request));
  EXPECT_TRUE(batch.has_value()) << batch.error().message;
  return *std::move(batch);
}

std::string ErrorOf(std::string request) {
  const auto batch = DecodeMetrics(std::move(request));
  return batch.has_value() ? "" : batch.error().message;
}

TEST(Decode, EmptyRequestIsAnEmptyBatch) { EXPECT_EQ(Decode("").point_count(), 0u); }

TEST(Decode, FieldOfOlderSendersIsMigrated) {
  const Batch batch = Decode(Request([](Writer& writer) { writer.Bytes(1, "m"); }, 1000));
  ASSERT_EQ(batch.scopes.size(), 1u);
  EXPECT_EQ(batch.metrics[0].name, "m");
  // It goes on under the present number.
  const std::string again = EncodeMetrics(batch);
  EXPECT_EQ(again, Request([](Writer& writer) { writer.Bytes(1, "m"); }));
}

TEST(Decode, AttributesThatLieApartAreJoined) {
  const Batch batch = Decode(PointRequest([](Writer& writer) {
    PutAttribute(writer, 7, "a", "1");
    writer.Fixed64(3, 5);
    PutAttribute(writer, 7, "b", "2");
    writer.Varint(8, 1);
    PutAttribute(writer, 7, "a", "3");
  }));
  std::string text;
  KeyValues attributes(batch.numbers[0].attributes);
  while (const auto item = attributes.Next()) {
    text += std::string(item->key) + "=" + Text(item->value) + ";";
  }
  EXPECT_EQ(text, "a=1;b=2;a=3;");
  EXPECT_EQ(Text(*FindAttribute(batch.numbers[0].attributes, "a")), "3");
  EXPECT_EQ(batch.numbers[0].time_ns, 5u);
  EXPECT_EQ(batch.numbers[0].flags, kNoRecordedValue);
}

TEST(Decode, RepeatedWordsMayBePackedOrNot) {
  const Batch batch = Decode(Request([](Writer& writer) {
    const auto histogram = writer.Begin(9);
    const auto point = writer.Begin(1);
    writer.Fixed64(6, 1);  // Unpacked …
    writer.Fixed64(6, 2);
    const auto packed = writer.Begin(6);  // … and packed.
    writer.PutWord(3);
    writer.End(packed);
    writer.Double(7, 0.5);
    writer.Double(7, 1.5);
    writer.End(point);
    writer.End(histogram);
  }));
  const HistogramPoint& point = batch.histograms[0];
  ASSERT_EQ(point.bucket_counts.size(), 3u);
  EXPECT_EQ(point.bucket_counts.Uint(0), 1u);
  EXPECT_EQ(point.bucket_counts.Uint(1), 2u);
  EXPECT_EQ(point.bucket_counts.Uint(2), 3u);
  EXPECT_EQ(point.explicit_bounds.Double(1), 1.5);
}

TEST(Decode, ExponentialCountsMayBePackedOrNot) {
  const Batch batch = Decode(Request([](Writer& writer) {
    const auto histogram = writer.Begin(10);
    const auto point = writer.Begin(1);
    const auto positive = writer.Begin(8);
    writer.Varint(2, 300);
    const auto packed = writer.Begin(2);
    writer.PutVarint(1);
    writer.PutVarint(500);
    writer.End(packed);
    writer.ZigZag(1, -7);
    writer.End(positive);
    writer.End(point);
    writer.End(histogram);
  }));
  const ExponentialBuckets& buckets = batch.exponentials[0].positive;
  EXPECT_EQ(buckets.offset, -7);
  internal::Cursor counts(buckets.counts);
  EXPECT_EQ(counts.ReadVarint(), 300u);
  EXPECT_EQ(counts.ReadVarint(), 1u);
  EXPECT_EQ(counts.ReadVarint(), 500u);
  EXPECT_TRUE(counts.empty());
}

TEST(Decode, LaterDataReplacesAnotherKindAndExtendsTheSame) {
  const auto put_point = [](Writer& writer, uint32_t kind, uint64_t value) {
    const auto data = writer.Begin(kind);
    const auto point = writer.Begin(1);
    writer.Fixed64(6, value);
    writer.End(point);
    writer.End(data);
  };
  const Batch batch = Decode(Request([&](Writer& writer) {
    put_point(writer, 5, 1);
    put_point(writer, 7, 2);
    put_point(writer, 7, 3);
  }));
  ASSERT_EQ(batch.metrics.size(), 1u);
  EXPECT_EQ(batch.metrics[0].kind, MetricKind::kSum);
  const auto points = batch.NumbersOf(batch.metrics[0]);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].Int(), 2);
  EXPECT_EQ(points[1].Int(), 3);
}

TEST(Decode, LastMemberOfAValueCounts) {
  const Batch batch = Decode(PointRequest([](Writer& writer) {
    writer.Double(4, 1.5);
    writer.Fixed64(6, 7);
  }));
  EXPECT_EQ(batch.numbers[0].type, NumberPoint::Type::kInt);
  EXPECT_EQ(batch.numbers[0].Double(), 7);
}

// An attribute whose value is an array in an array in an array …
std::string Nested(size_t depth) {
  std::string value;
  for (size_t i = 0; i < depth; ++i) {
    Writer array;
    array.Bytes(1, value);
    Writer outer;
    outer.Bytes(5, array.Take());
    value = outer.Take();
  }
  return PointRequest([&](Writer& writer) {
    const auto attribute = writer.Begin(7);
    writer.Bytes(1, "k");
    writer.Bytes(2, value);
    writer.End(attribute);
  });
}

TEST(Decode, NestingIsBounded) {
  const Batch batch = Decode(Nested(kValueDepthMax));
  EXPECT_EQ(Text(*FindAttribute(batch.numbers[0].attributes, "k")),
            std::string(kValueDepthMax, '[') + "null" + std::string(kValueDepthMax, ']'));
  EXPECT_TRUE(ErrorOf(Nested(2 * kValueDepthMax)).ends_with("values nest too deeply"));
}

TEST(Decode, ErrorsNameTheOffset) {
  EXPECT_EQ(ErrorOf("\x0a\x05"), "protobuf: offset 0: damaged or truncated field");
  EXPECT_EQ(ErrorOf(std::string("\x0a\x04\x12\x02\x0a\x05", 6)),
            "protobuf: offset 4: damaged or truncated field");
  EXPECT_EQ(ErrorOf(std::string(1, '\0')), "protobuf: offset 0: damaged or truncated field");
  // A varint that never ends.
  EXPECT_NE(ErrorOf("\x08" + std::string(11, '\xff')), "");
  // A group, long out of use.
  EXPECT_NE(ErrorOf("\x0b\x0c"), "");
}

TEST(Decode, RequestsOfNothingButEmptyMessagesAreRefused) {
  const std::string points = Request([](Writer& writer) {
    const auto gauge = writer.Begin(5);
    for (int i = 0; i < 1'000'000; ++i) writer.Bytes(1, "");
    writer.End(gauge);
  });
  EXPECT_TRUE(ErrorOf(points).starts_with("protobuf: the request consists of empty messages"));
}

TEST(Value, TextForms) {
  const auto text = [](auto put) {
    Writer writer;
    put(writer);
    const std::string bytes = writer.Take();
    return Text(AnyValue(bytes));
  };
  EXPECT_EQ(text([](Writer& w) { w.Bytes(1, "plain \"text\""); }), "plain \"text\"");
  EXPECT_EQ(text([](Writer& w) { w.Varint(2, 1); }), "true");
  EXPECT_EQ(text([](Writer& w) { w.Varint(3, static_cast<uint64_t>(-5)); }), "-5");
  EXPECT_EQ(text([](Writer& w) { w.Double(4, 1.5); }), "1.5");
  EXPECT_EQ(text([](Writer& w) { w.Double(4, 1e21); }), "1e+21");
  EXPECT_EQ(text([](Writer& w) { w.Bytes(7, "\x01\x02"); }), "AQI=");
  EXPECT_EQ(text([](Writer&) {}), "");
  EXPECT_EQ(text([](Writer& w) {
              const auto list = w.Begin(6);
              PutAttribute(w, 1, "a", "x\"");
              PutAttribute(w, 1, "b", "");
              w.End(list);
            }),
            R"({"a":"x\"","b":""})");
}

}  // namespace
}  // namespace narthex::otlp
