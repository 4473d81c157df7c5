#include "exposition/writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace narthex::exposition {
namespace {

using model::MetricType;

std::string Write(Format format) {
  Writer writer(format);
  std::string labels;
  AppendLabel(labels, "path", "a\\b\"c\nd");
  writer.Family("requests_total", MetricType::kCounter, "Requests \"served\"\nso far");
  writer.Sample("requests_total", "", labels, 1e6,
                {.timestamp = 1781369164374,
                 .exemplar_labels = "trace_id=\"ab\"",
                 .exemplar_value = 0.5,
                 .exemplar_timestamp = 1500});
  writer.Family("latency", MetricType::kHistogram, "");
  writer.Count("latency", "_bucket", "le=\"" + FormatBound(1, format) + "\"", 3, {});
  writer.Count("latency", "_bucket", "le=\"+Inf\"", 2000000, {});
  writer.Sample("latency", "_sum", "", 12, {});
  writer.Family("odd", MetricType::kUnknown, "");
  writer.Sample("odd", "", -std::numeric_limits<double>::infinity());
  return writer.Finish();
}

TEST(Writer, TextFormat) {
  EXPECT_EQ(Write(Format::kText),
            "# HELP requests_total Requests \"served\"\\nso far\n"
            "# TYPE requests_total counter\n"
            "requests_total{path=\"a\\\\b\\\"c\\nd\"} 1e+06 1781369164374\n"
            "# HELP latency \n"
            "# TYPE latency histogram\n"
            "latency_bucket{le=\"1\"} 3\n"
            "latency_bucket{le=\"+Inf\"} 2e+06\n"
            "latency_sum 12\n"
            "# HELP odd \n"
            "# TYPE odd untyped\n"
            "odd -Inf\n");
}

TEST(Writer, OpenMetrics) {
  EXPECT_EQ(Write(Format::kOpenMetrics),
            "# HELP requests Requests \\\"served\\\"\\nso far\n"
            "# TYPE requests counter\n"
            "requests_total{path=\"a\\\\b\\\"c\\nd\"} 1e+06 1.781369164374e+09"
            " # {trace_id=\"ab\"} 0.5 1.5\n"
            "# HELP latency \n"
            "# TYPE latency histogram\n"
            "latency_bucket{le=\"1.0\"} 3\n"
            "latency_bucket{le=\"+Inf\"} 2000000\n"
            "latency_sum 12.0\n"
            "# HELP odd \n"
            "# TYPE odd unknown\n"
            "odd -Inf\n"
            "# EOF\n");
}

TEST(Writer, NamesOutsideTheLegacySetAreQuoted) {
  Writer writer(Format::kText);
  std::string labels;
  AppendLabel(labels, "http.method", "GET");
  writer.Family("http.requests", MetricType::kCounter, "h");
  writer.Sample("http.requests", "_sum", labels, 1, {});
  EXPECT_EQ(writer.Finish(),
            "# HELP \"http.requests\" h\n# TYPE \"http.requests\" counter\n"
            "{\"http.requests_sum\",\"http.method\"=\"GET\"} 1\n");
}

TEST(Writer, WhatItWritesTheParserReads) {
  for (const Format format : {Format::kText, Format::kOpenMetrics}) {
    const std::string body = Write(format);
    Parser parser(body, format);
    int series = 0;
    for (;;) {
      const auto entry = parser.Next();
      ASSERT_TRUE(entry.has_value()) << entry.error().message;
      if (!entry->has_value()) break;
      if (**entry != Parser::Entry::kSeries) continue;
      if (++series == 1) {
        EXPECT_EQ(parser.Labels()->Get("path"), "a\\b\"c\nd");
      }
    }
    EXPECT_EQ(series, 5);
  }
}

}  // namespace
}  // namespace narthex::exposition
