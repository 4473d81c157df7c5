#include "exposition/parser.h"

#include <gtest/gtest.h>

#include "model/number.h"

namespace narthex::exposition {
namespace {

// Everything an exposition says, one line per entry.
base::Result<std::vector<std::string>> Read(std::string_view body, Format format) {
  Parser parser(body, format);
  std::vector<std::string> lines;
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<Parser::Entry> entry, parser.Next());
    if (!entry) return lines;
    const std::string family(parser.family());
    switch (*entry) {
      case Parser::Entry::kSeries: {
        ASSIGN_OR_RETURN(const model::Labels labels, parser.Labels());
        std::string line = labels.ToString() + " " + model::FormatFloat(parser.value());
        if (parser.timestamp()) line += " @" + std::to_string(*parser.timestamp());
        if (parser.exemplar()) {
          line += " # " + parser.exemplar()->labels.ToString() + " " +
                  model::FormatFloat(parser.exemplar()->value);
        }
        lines.push_back(line);
        break;
      }
      case Parser::Entry::kHelp:
        lines.push_back("HELP " + family + " " + std::string(parser.text()));
        break;
      case Parser::Entry::kUnit:
        lines.push_back("UNIT " + family + " " + std::string(parser.text()));
        break;
      case Parser::Entry::kType:
        lines.push_back("TYPE " + family + " " + std::string(model::MetricTypeName(parser.type())));
        break;
      case Parser::Entry::kComment:
        lines.push_back(std::string(parser.text()));
        break;
    }
  }
}

using Lines = std::vector<std::string>;

Lines Shown(std::string_view body, Format format) {
  base::Result<Lines> lines = Read(body, format);
  return lines ? *lines : Lines{"error " + lines.error().message};
}

TEST(TextParser, ReadsWhatExportersWrite) {
  EXPECT_EQ(
      *Read("# HELP up Whether \\n it \\\\ is.\n"
            "#\tTYPE up gauge\n"
            "# a comment\n"
            "\n"
            "up 1\n"
            "  up{a=\"b\",} 2.5 1234\n"
            "up { a = \"x\\\"y\\\\z\\n\" b=\"c\" }\tNaN\n"
            "up{a=\"b\"}3",
            Format::kText),
      (Lines{"HELP up Whether \n it \\ is.", "TYPE up gauge", "# a comment", "up 1",
             "up{a=\"b\"} 2.5 @1234", "up{a=\"x\\\"y\\\\z\\n\", b=\"c\"} NaN", "up{a=\"b\"} 3"}));
}

TEST(TextParser, ReadsQuotedNames) {
  EXPECT_EQ(
      *Read("# TYPE \"my.metric\" counter\n{\"my.metric\", \"a.b\"=\"c\"} 1\n", Format::kText),
      (Lines{"TYPE my.metric counter", "{\"my.metric\", \"a.b\"=\"c\"} 1"}));
}

TEST(TextParser, GivesBucketsAndQuantilesOneForm) {
  EXPECT_EQ(Shown("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1000000\"} 1\n"
                  "# TYPE s summary\ns{quantile=\"0\"} 1\ns{le=\"1\"} 1\n",
                  Format::kText),
            (Lines{"TYPE h histogram", "h_bucket{le=\"1.0\"} 1", "h_bucket{le=\"1e+06\"} 1",
                   "TYPE s summary", "s{quantile=\"0.0\"} 1", "s{le=\"1\"} 1"}));
}

TEST(TextParser, SaysWhereItIsWrong) {
  EXPECT_EQ(Read("ok 1\nbad{a=1} 2\n", Format::kText).error().message,
            "2:7: expected a quoted label value in \"bad{a=1} 2\"");
  EXPECT_EQ(Read("ok 1 2 3\n", Format::kText).error().message,
            "1:8: expected the end of the line after the timestamp in \"ok 1 2 3\"");
  for (const char* body :
       {"a", "a true\n", "{a=\"b\"} 1", "a{=\"\"} 0", "{A}0", "a 1_2\n", "a 0x1p-3\n", "# TYPE #\n",
        "# TYPE a widget\n", "a{b=\"\xff\"} 1\n", "a{b=\"", "a{b=\"c\"", "a{b=\"1\",b=\"2\"} 1\n",
        "{\"\"} 1\n", "{\"\",a=\"b\"} 1\n"}) {
    EXPECT_FALSE(Read(body, Format::kText).has_value()) << body;
  }
}

TEST(OpenMetricsParser, ReadsExemplarsUnitsAndSeconds) {
  EXPECT_EQ(Shown("# HELP req_seconds Say \\\"hi\\\".\n"
                  "# TYPE req_seconds histogram\n"
                  "# UNIT req_seconds seconds\n"
                  "req_seconds_bucket{le=\"1\"} 7 1520879607.789 # {trace_id=\"x\"} 0.5 1.5\n"
                  "req_seconds_count 7 # {} 1\n"
                  "# EOF\n",
                  Format::kOpenMetrics),
            (Lines{"HELP req_seconds Say \"hi\".", "TYPE req_seconds histogram",
                   "UNIT req_seconds seconds",
                   "req_seconds_bucket{le=\"1.0\"} 7 @1520879607789 # {trace_id=\"x\"} 0.5",
                   "req_seconds_count 7 # {} 1"}));
}

TEST(OpenMetricsParser, IsStrict) {
  for (const char* body :
       {"", "\n", "a 1\n", "a 1\n# EOF\n\n", " a 1\n# EOF\n", "#  TYPE c counter\n# EOF\n",
        "# UNIT m suffix\n# EOF\n", "a\t1\n# EOF\n", "a{b=\"c\"d=\"e\"} 1\n# EOF\n",
        "a{,b=\"c\"} 1\n# EOF\n", "a 1 NaN\n# EOF\n", "a 1 1 1\n# EOF\n",
        "# TYPE a untyped\n# EOF\n", "a 1 # {b=\"c\"}\n# EOF\n"}) {
    EXPECT_FALSE(Read(body, Format::kOpenMetrics).has_value()) << body;
  }
}

}  // namespace
}  // namespace narthex::exposition
