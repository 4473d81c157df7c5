// Upstream's own tables of expositions, read from NARTHEX_CONFORMANCE_DIR. Built only where that
// folder exists.

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "exposition/parser.h"
#include "json/reader.h"
#include "model/number.h"

namespace narthex::exposition {
namespace {

std::string Path(std::string_view name) {
  return base::JoinPath(NARTHEX_CONFORMANCE_DIR "/exposition", name);
}

std::string File(std::string_view name) {
  return *base::ReadFile(base::PosixFileSystem(), Path(name));
}

base::Status Walk(std::string_view body, Format format) {
  Parser parser(body, format);
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<Parser::Entry> entry, parser.Next());
    if (!entry) return {};
    if (*entry == Parser::Entry::kSeries) RETURN_IF_ERROR(parser.Labels());
  }
}

std::string FromBase64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kAlphabet.find(c));
    count += 6;
    if (count >= 8) out += static_cast<char>(bits >> (count -= 8));
  }
  return out;
}

void ForEachInput(std::string_view name, const std::function<void(const std::string&)>& visit) {
  const auto document = *json::Document::Parse(File(name));
  ASSERT_GT(document.root().size(), 0u);
  document.root().ForEachItem([&](json::Element entry) {
    if (const auto plain = entry.Get("input").String()) {
      visit(std::string(*plain));
    } else {
      visit(FromBase64(*entry.Get("input_base64").String()));
    }
    return true;
  });
}

TEST(ExpositionConformance, RefusesWhatMustFail) {
  ForEachInput("vectors/text.must-fail.json", [](const std::string& input) {
    EXPECT_FALSE(Walk(input, Format::kText).has_value()) << input;
  });
  ForEachInput("vectors/openmetrics.must-fail.json", [](const std::string& input) {
    EXPECT_FALSE(Walk(input, Format::kOpenMetrics).has_value()) << input;
  });
}

TEST(ExpositionConformance, TakesWhatMustParse) {
  ForEachInput("vectors/text.must-parse.json", [](const std::string& input) {
    EXPECT_TRUE(Walk(input, Format::kText).has_value()) << input;
  });
  ForEachInput("vectors/openmetrics.must-parse.json", [](const std::string& input) {
    EXPECT_TRUE(Walk(input, Format::kOpenMetrics).has_value()) << input;
  });
  for (const char* name : {"alltypes.237mfs.prom.txt", "alltypes.237mfs.nometa.prom.txt",
                           "promtool/metrics-test.prom"}) {
    EXPECT_TRUE(Walk(File(name), Format::kText).has_value()) << name;
  }
  for (const char* name : {"alltypes.5mfs.om.txt", "1histogram.om.txt"}) {
    const auto status = Walk(File(name), Format::kOpenMetrics);
    EXPECT_TRUE(status.has_value()) << name << ": " << status.error().message;
  }
}

// Whether upstream's test, which folds `_created` samples into the start times of others, leaves
// this sample out of its list.
bool IsFolded(std::string_view name, model::MetricType type) {
  return name.ends_with("_created") &&
         (type == model::MetricType::kCounter || type == model::MetricType::kHistogram ||
          type == model::MetricType::kSummary);
}

void ExpectSample(const std::string& stem, const std::string& input_suffix, Format format) {
  SCOPED_TRACE(stem);
  const std::string body = File("vectors/" + stem + input_suffix);
  const auto document = *json::Document::Parse(File("vectors/" + stem + ".expected.json"));
  std::vector<json::Element> want;
  document.root().ForEachItem([&](json::Element entry) {
    want.push_back(entry);
    return true;
  });
  Parser parser(body, format);
  size_t i = 0;
  for (;;) {
    const auto entry = parser.Next();
    ASSERT_TRUE(entry.has_value()) << entry.error().message;
    if (!*entry) break;
    std::string name;
    if (**entry == Parser::Entry::kSeries) {
      name = (*parser.Labels()).Get(model::kMetricName);
      if (format == Format::kOpenMetrics && IsFolded(name, parser.type())) continue;
    }
    ASSERT_LT(i, want.size());
    const json::Element expected = want[i++];
    switch (**entry) {
      case Parser::Entry::kSeries: {
        EXPECT_EQ(expected.Get("series").String(), parser.series());
        const model::Labels labels = *parser.Labels();
        size_t count = 0;
        expected.Get("labels").ForEachMember([&](std::string_view label, json::Element value) {
          EXPECT_EQ(value.String(), labels.Get(label)) << parser.series();
          ++count;
          return true;
        });
        EXPECT_EQ(count, labels.size());
        EXPECT_EQ(model::FormatFloat(*model::ParseFloat(*expected.Get("value").String())),
                  model::FormatFloat(parser.value()));
        EXPECT_EQ(expected.Get("timestamp_ms").Int(), parser.timestamp());
        EXPECT_EQ(expected.Get("exemplars").size() > 0, parser.exemplar().has_value());
        break;
      }
      case Parser::Entry::kHelp:
        EXPECT_EQ(expected.Get("metric").String(), parser.family());
        EXPECT_EQ(expected.Get("help").String(), parser.text());
        break;
      case Parser::Entry::kUnit:
        EXPECT_EQ(expected.Get("unit").String(), parser.text());
        break;
      case Parser::Entry::kType:
        EXPECT_EQ(expected.Get("type").String(), model::MetricTypeName(parser.type()));
        break;
      case Parser::Entry::kComment:
        EXPECT_EQ(expected.Get("comment").String(), parser.text());
        break;
    }
  }
  EXPECT_EQ(i, want.size());
}

TEST(ExpositionConformance, ReadsTheSamples) {
  ExpectSample("text.sample", ".prom.txt", Format::kText);
  ExpectSample("text-utf8.sample", ".prom.txt", Format::kText);
  ExpectSample("openmetrics.sample", ".om.txt", Format::kOpenMetrics);
  ExpectSample("openmetrics-utf8.sample", ".om.txt", Format::kOpenMetrics);
}

}  // namespace
}  // namespace narthex::exposition
