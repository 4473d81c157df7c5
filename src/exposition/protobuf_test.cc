#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <protozero/pbf_writer.hpp>

#include "exposition/protobuf_parser.h"
#include "exposition/protobuf_writer.h"
#include "exposition/writer.h"

namespace narthex::exposition {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Options = ProtobufParser::Options;

std::string Join(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, "\n"));
}

// Every entry as a line; an error as the last.
std::vector<std::string> Walk(std::string_view body, Options options = {}) {
  std::vector<std::string> lines;
  ProtobufParser parser(body, options);
  for (;;) {
    const auto next = parser.Next();
    if (!next) {
      lines.push_back("error: " + next.error().message);
      return lines;
    }
    if (!*next) return lines;
    switch (**next) {
      case ProtobufParser::Entry::kType:
        lines.push_back(
            fmt::format("type {} {}", parser.family(), model::MetricTypeName(parser.type())));
        break;
      case ProtobufParser::Entry::kHelp:
        lines.push_back(fmt::format("help {}", parser.text()));
        break;
      case ProtobufParser::Entry::kUnit:
        lines.push_back(fmt::format("unit {}", parser.text()));
        break;
      case ProtobufParser::Entry::kSeries:
      case ProtobufParser::Entry::kHistogram: {
        const auto labels = parser.Labels();
        if (!labels) {
          lines.push_back("error: " + labels.error().message);
          return lines;
        }
        std::string line = labels->ToString();
        if (**next == ProtobufParser::Entry::kSeries) {
          line += fmt::format(" {}", parser.value());
          if (parser.exemplar()) {
            line += fmt::format(" # {} {} {}", parser.exemplar()->labels.ToString(),
                                parser.exemplar()->value, parser.exemplar()->timestamp.value_or(0));
          }
        } else {
          line += std::visit(
              [](const auto& histogram) {
                if constexpr (requires { histogram.ToFloat(); }) {
                  return " " + histogram.ToFloat().ToString();
                } else {
                  return " float " + histogram.ToString();
                }
              },
              parser.histogram());
          line += fmt::format(" # {}", parser.histogram_exemplars().size());
        }
        if (parser.timestamp()) line += fmt::format(" @{}", *parser.timestamp());
        lines.push_back(line);
      }
    }
  }
}

model::IntegerHistogram Native() {
  return {.schema = 1,
          .zero_threshold = 0.001,
          .zero_count = 2,
          .count = 8,
          .sum = 12.5,
          .positive_spans = {{0, 2}, {1, 1}},
          .negative_spans = {{-1, 1}},
          .positive_deltas = {1, 1, -1},
          .negative_deltas = {2}};
}

std::string Everything() {
  ProtobufWriter writer;
  std::string labels, odd;
  AppendLabel(labels, "a", "x");
  AppendLabel(labels, "b", "y\"\\\n");
  AppendLabel(odd, "odd.name", "z");
  const ProtobufWriter::Exemplar exemplar{
      .labels = "trace_id=\"abc\"", .value = 0.75, .timestamp = 1'500};
  writer.Family("requests_total", model::MetricType::kCounter, "Requests.");
  writer.Number(labels, 3, exemplar, {.timestamp = 1234, .created_ns = 1'000'000'001});
  writer.Number(odd, 4, {}, {});
  writer.Family("temperature", model::MetricType::kGauge, "");
  writer.Number("", -1.5, {}, {});
  writer.Family("odd", model::MetricType::kUnknown, "");
  writer.Number("", 7, {}, {});
  writer.Family("latency", model::MetricType::kHistogram, "");
  const double bounds[] = {0.5, 1};
  const uint64_t counts[] = {1, 2, 3};
  writer.Histogram(labels, bounds, counts, 6, 4.5, {{exemplar}}, {});
  writer.Family("native", model::MetricType::kHistogram, "");
  writer.NativeHistogram("", Native(), {});
  writer.NativeHistogram("k=\"empty\"", {}, {});
  writer.Family("sizes", model::MetricType::kSummary, "");
  const double quantiles[] = {0.5, 1};
  const double values[] = {10, 20};
  writer.Summary("", quantiles, values, 5, 60, {});
  return writer.Finish();
}

TEST(Protobuf, WhatIsWrittenIsRead) {
  EXPECT_EQ(Join(Walk(Everything(), {.native_histograms = true})), R"(type requests_total counter
help Requests.
requests_total{a="x", b="y\"\\\n"} 3 # {trace_id="abc"} 0.75 1500 @1234
requests_total{"odd.name"="z"} 4
type temperature gauge
temperature -1.5
type odd unknown
odd 7
type latency histogram
latency_count{a="x", b="y\"\\\n"} 6
latency_sum{a="x", b="y\"\\\n"} 4.5
latency_bucket{a="x", b="y\"\\\n", le="0.5"} 1
latency_bucket{a="x", b="y\"\\\n", le="1.0"} 3 # {trace_id="abc"} 0.75 1500
latency_bucket{a="x", b="y\"\\\n", le="+Inf"} 6
type native histogram
native {count:8, sum:12.5, [-0.7071067811865476,-0.5):2, [-0.001,0.001]:2, (0.7071067811865476,1]:1, (1,1.4142135623730951]:2, (2,2.8284271247461903]:1} # 0
native{k="empty"} {count:0, sum:0} # 0
type sizes summary
sizes{quantile="0.5"} 10
sizes{quantile="1.0"} 20
sizes_count 5
sizes_sum 60)");
}

TEST(Protobuf, NativeHistogramsAreClassicOnesWhereTheyAreNotWanted) {
  ProtobufWriter writer;
  writer.Family("h", model::MetricType::kHistogram, "");
  writer.NativeHistogram("", Native(), {});
  EXPECT_THAT(Walk(writer.Finish()), ElementsAre("type h histogram", "h_count 8", "h_sum 12.5",
                                                 "h_bucket{le=\"+Inf\"} 8"));
}

// One family with one histogram, with what `fill` puts into it.
template <class Fill>
std::string HistogramFamily(Fill fill) {
  std::string family, body;
  protozero::pbf_writer writer(family);
  writer.add_string(1, "h");
  writer.add_enum(3, 4);
  {
    protozero::pbf_writer metric(writer, 4);
    protozero::pbf_writer histogram(metric, 7);
    fill(histogram);
  }
  protozero::add_varint_to_buffer(&body, family.size());
  return body + family;
}

TEST(Protobuf, BothKindsOfBucketsMayComeTogether) {
  const std::string body = HistogramFamily([](protozero::pbf_writer& histogram) {
    histogram.add_uint64(1, 3);
    histogram.add_double(2, 4);
    {
      protozero::pbf_writer bucket(histogram, 3);
      bucket.add_uint64(1, 3);
      bucket.add_double(2, std::numeric_limits<double>::infinity());
      protozero::pbf_writer exemplar(bucket, 3);
      exemplar.add_double(2, 2);
      protozero::pbf_writer time(exemplar, 3);
      time.add_int64(1, 9);
    }
    histogram.add_double(6, 0.1);
    histogram.add_uint64(7, 3);
  });
  const std::string native = "h {count:3, sum:4, [-0.1,0.1]:3} # 1";
  EXPECT_THAT(Walk(body, {.native_histograms = true}), ElementsAre("type h histogram", native));
  EXPECT_THAT(Walk(body, {.native_histograms = true, .classic_histograms = true}),
              ElementsAre("type h histogram", native, "h_count 3", "h_sum 4",
                          "h_bucket{le=\"+Inf\"} 3 # {} 2 9000"));
}

TEST(Protobuf, FloatHistograms) {
  const std::string body = HistogramFamily([](protozero::pbf_writer& histogram) {
    histogram.add_double(2, 4);
    histogram.add_double(4, 2.5);
    histogram.add_sint32(5, 0);
    {
      protozero::pbf_writer span(histogram, 12);
      span.add_sint32(1, 0);
      span.add_uint32(2, 1);
    }
    histogram.add_double(14, 2.5);  // Not packed.
  });
  EXPECT_THAT(Walk(body, {.native_histograms = true}),
              ElementsAre("type h histogram", "h float {count:2.5, sum:4, (0.5,1]:2.5} # 0"));
}

TEST(Protobuf, ImpossibleHistogramsAreRefused) {
  const std::string body = HistogramFamily([](protozero::pbf_writer& histogram) {
    histogram.add_uint64(1, 1);
    protozero::pbf_writer span(histogram, 12);
    span.add_uint32(2, 5);
  });
  const auto lines = Walk(body, {.native_histograms = true});
  EXPECT_THAT(lines.back(), HasSubstr("error: byte 0: histogram h: "));
}

// A field of that number and wire type, inside the fields of `path`.
std::string FieldWithin(std::span<const uint32_t> path, uint32_t number, unsigned wire_type) {
  std::string bytes;
  protozero::add_varint_to_buffer(&bytes, number << 3 | wire_type);
  constexpr std::string_view kValues[] = {"\x05",
                                          "12345678",
                                          "\x03"
                                          "abc",
                                          "",
                                          "",
                                          "1234"};
  bytes += kValues[wire_type];
  for (size_t i = path.size(); i-- > 0;) {
    std::string outer;
    protozero::add_varint_to_buffer(&outer, path[i] << 3 | 2);
    protozero::add_varint_to_buffer(&outer, bytes.size());
    bytes = outer + bytes;
  }
  return bytes;
}

TEST(Protobuf, AFieldOfAnotherWireTypeIsNoneOfOurs) {
  constexpr std::string_view kHead("\x0a\x01h\x18\x04", 5);  // The name, and a histogram.
  const auto walk = [](const std::string& family) {
    std::string body;
    protozero::add_varint_to_buffer(&body, family.size());
    return Walk(body + family, {.native_histograms = true, .classic_histograms = true});
  };
  const uint32_t histogram[] = {4, 7};
  const auto plain = walk(std::string(kHead) + FieldWithin(histogram, 99, 0));
  EXPECT_EQ(plain.size(), 4u);
  // The count as text, the sum as an integer, a bucket as a number.
  for (const auto& [number, wire_type] : {std::pair(1u, 2u), {2u, 0u}, {3u, 1u}, {12u, 5u}}) {
    EXPECT_EQ(walk(std::string(kHead) + FieldWithin(histogram, number, wire_type)), plain);
  }
  // And whatever there is, wherever it is.
  const std::vector<uint32_t> paths[] = {
      {},           {4},          {4, 1},    {4, 2},     {4, 3},     {4, 3, 2},
      {4, 3, 2, 1}, {4, 3, 2, 3}, {4, 4},    {4, 4, 3},  {4, 5},     {4, 7},
      {4, 7, 3},    {4, 7, 3, 3}, {4, 7, 9}, {4, 7, 12}, {4, 7, 15}, {4, 7, 16}};
  for (const std::vector<uint32_t>& path : paths) {
    for (uint32_t number = 1; number <= 17; ++number) {
      for (const unsigned wire_type : {0u, 1u, 2u, 5u}) {
        for (const char type : {'\0', '\2', '\4'}) {
          std::string family(kHead);
          family.back() = type;
          EXPECT_FALSE(walk(family + FieldWithin(path, number, wire_type)).empty());
        }
      }
    }
  }
}

TEST(Protobuf, EveryTruncationIsAnErrorAtItsFamily) {
  const std::string body = Everything();
  size_t whole_ends = 0;
  for (size_t size = 0; size < body.size(); ++size) {
    const auto lines = Walk(std::string_view(body).substr(0, size), {.native_histograms = true});
    const bool has_error = !lines.empty() && lines.back().starts_with("error: byte ");
    if (!has_error) ++whole_ends;
  }
  EXPECT_EQ(whole_ends, 6u);  // Between families there is no telling.
}

TEST(Protobuf, NamesAndLabelsThatCannotBe) {
  const auto family = [](std::string_view name, std::string_view label) {
    ProtobufWriter writer;
    std::string labels;
    AppendLabel(labels, label, "1");
    AppendLabel(labels, "b", "2");
    writer.Family(name, model::MetricType::kGauge, "");
    writer.Number(labels, 1, {}, {});
    return writer.Finish();
  };
  EXPECT_THAT(Walk(family("", "a")).back(), HasSubstr("a family has no name"));
  EXPECT_THAT(Walk(family("\xff", "a")).back(), HasSubstr("not UTF-8"));
  EXPECT_THAT(Walk(family("m", "b")).back(), HasSubstr("error: byte 0: "));  // Twice.
}

}  // namespace
}  // namespace narthex::exposition
