#include "ottl/statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/manual_clock.h"
#include "otlp/encode.h"
#include "otlp/json.h"

namespace narthex::ottl {
namespace {

using otlp::Any;
using testing::HasSubstr;

constexpr std::string_view kRequest = R"({"resourceMetrics":[
  {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},
     {"key":"list","value":{"arrayValue":{"values":[{"intValue":"1"},{"intValue":"2"}]}}}]},
   "scopeMetrics":[{"scope":{"name":"lib","version":"2"},"metrics":[
    {"name":"requests","unit":"ms","sum":{"aggregationTemporality":2,"isMonotonic":true,
     "dataPoints":[
      {"asInt":"10","timeUnixNano":"5","attributes":[{"key":"code","value":{"intValue":"404"}},
        {"key":"path","value":{"stringValue":"/users/17/cart"}}]},
      {"asInt":"30","timeUnixNano":"6","attributes":[{"key":"code","value":{"intValue":"404"}},
        {"key":"path","value":{"stringValue":"/users/18/cart"}}]}]}},
    {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"7","sum":4.5,
      "bucketCounts":["1","2","4"],"explicitBounds":[1,2],"min":0,"max":4}]}},
    {"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"7",
      "sum":9,"scale":0,"zeroCount":"1","positive":{"offset":0,"bucketCounts":["4","2"]}}]}},
    {"name":"q","summary":{"dataPoints":[{"count":"6","sum":3,"quantileValues":[
      {"quantile":0.5,"value":1},{"quantile":0.99,"value":2}]}]}}]}]}]})";

class StatementTest : public testing::Test {
 protected:
  // Runs it at its level, over everything.
  base::Status Run(std::string_view text, Level level = Level::kMetric) {
    auto statement = Statement::Parse(text, level);
    EXPECT_TRUE(statement.has_value()) << text << ": " << statement.error().message;
    if (!statement.has_value()) return std::unexpected(statement.error());
    Stage stage;
    stage.resource = &tree_.resources[0];
    stage.scope = &stage.resource->scopes[0];
    stage.cache = &cache_;
    stage.clock = &clock_;
    if (statement->level() <= Level::kScope) return statement->Run(stage);
    for (size_t i = 0; i < stage.scope->metrics.size(); ++i) {
      stage.metric = &stage.scope->metrics[i];
      stage.point = nullptr;
      if (statement->level() == Level::kMetric) {
        RETURN_IF_ERROR(statement->Run(stage));
        continue;
      }
      for (otlp::TreePoint& point : stage.metric->points) {
        stage.point = &point;
        RETURN_IF_ERROR(statement->Run(stage));
      }
    }
    return {};
  }
  std::string Attribute(std::string_view key) {
    const Any* found = otlp::Find(tree_.resources[0].attributes, key);
    return found != nullptr ? otlp::Text(*found) : "(nil)";
  }
  otlp::TreeMetric& Metric(std::string_view name) {
    static otlp::TreeMetric none;
    for (otlp::TreeMetric& metric : tree_.resources[0].scopes[0].metrics) {
      if (metric.name == name) return metric;
    }
    ADD_FAILURE() << "no metric " << name;
    return none;
  }

  base::ManualClock clock_{1'700'000'000'000};
  otlp::Tree tree_ = otlp::Tree::From(*otlp::DecodeMetricsJson(kRequest));
  otlp::AttributeMap cache_;
};

TEST_F(StatementTest, EditorsOfMapsAndValues) {
  struct Row {
    std::string_view statement, key, want;
  };
  for (const Row& row : std::initializer_list<Row>{
           {R"(set(resource.attributes["a"], "x"))", "a", "x"},
           {R"(set(resource.attributes["a"], nil))", "a", "x"},
           {R"(set(resource.attributes["m"]["k"]["l"], 5))", "m", R"({"k":{"l":5}})"},
           {R"(set(resource.attributes["list"][1], "two"))", "list", R"([1,"two"])"},
           {R"(append(resource.attributes["list"], value = true))", "list", R"([1,"two",true])"},
           {R"(append(resource.attributes["list"], values=["v", 1.5]))", "list",
            R"([1,"two",true,"v",1.5])"},
           {R"(delete_index(resource.attributes["list"], 1, 4))", "list", "[1,1.5]"},
           {R"(delete_key(resource.attributes, "a"))", "a", "(nil)"},
           {R"(merge_maps(resource.attributes, {"a": 1, "service.name": "n"}, "insert"))",
            "service.name", "shop"},
           {R"(merge_maps(resource.attributes, {"b": 1, "service.name": "n"}, "update"))",
            "service.name", "n"},
           {R"(flatten(resource.attributes))", "m.k.l", "5"},
           {R"(replace_match(resource.attributes["service.name"], "?*", "shop"))", "service.name",
            "shop"},
           {R"(replace_pattern(resource.attributes["service.name"], "s(h)o", "$1-${1}$$"))",
            "service.name", "h-h$p"},
           {R"(replace_all_patterns(resource.attributes, "key", "^service\\.", "svc_"))",
            "svc_name", "h-h$p"},
           {R"(replace_all_matches(resource.attributes, "h-*", "long word"))", "svc_name",
            "long word"},
           {R"(truncate_all(resource.attributes, 4))", "svc_name", "long"},
           {R"(stringify_all(resource.attributes))", "a", "1"},
           {R"(limit(resource.attributes, 1, ["svc_name"]))", "a", "(nil)"},
           {R"(keep_matching_keys(resource.attributes, "^svc"))", "svc_name", "long"},
           {R"(delete_matching_keys(resource.attributes, "^x"))", "svc_name", "long"},
           {R"(keep_keys(resource.attributes, ["other"]))", "svc_name", "(nil)"},
       }) {
    const base::Status status = Run(row.statement);
    EXPECT_TRUE(status.has_value()) << row.statement << ": " << status.error().message;
    EXPECT_EQ(Attribute(row.key), row.want) << row.statement;
  }
}

TEST_F(StatementTest, Converters) {
  for (const auto& [expression, want] : std::initializer_list<std::pair<std::string, std::string>>{
           {R"(Concat(["a", 1, 2.5, nil], "-"))", "a-1-2.5-<nil>"},
           {R"(Split("a,b", ","))", R"(["a","b"])"},
           {R"(Substring("abcdef", 1, 3))", "bcd"},
           {R"(ToLowerCase("aBC"))", "abc"},
           {R"(ToUpperCase("aBc"))", "ABC"},
           {R"(ConvertCase("HTTPRequestCount", "snake"))", "http_request_count"},
           {R"(ConvertCase("http.request_count", "camel"))", "HttpRequestCount"},
           {R"(Trim("  a "))", "a"},
           {R"(TrimPrefix("abc", "a"))", "bc"},
           {R"(TrimSuffix("abc", "c"))", "ab"},
           {R"(HasPrefix("abc", "ab"))", "true"},
           {R"(HasSuffix("abc", "ab"))", "false"},
           {R"(Format("%s=%05.1f%% of %d", ["x", 2.25, 7]))", "x=002.2% of 7"},
           {R"(String(0x01ff))", "Af8="},
           {R"(Int("12"))", "12"},
           {R"(Double("1.5"))", "1.5"},
           {R"(Bool("true"))", "true"},
           {R"(ParseInt("ff", 16))", "255"},
           {R"(Hex("AZ"))", "415a"},
           {R"(Len([1, 2, 3]))", "3"},
           {R"(IsMatch("abc", "^a.c$"))", "true"},
           {R"(IsString(1))", "false"},
           {R"(IsMap({"a": 1}))", "true"},
           {R"(IsList([]))", "true"},
           {R"(IsInCIDR("10.1.2.3", ["192.168.0.0/16", "10.0.0.0/8"]))", "true"},
           {R"(IsInCIDR("fe80::1", ["fe80::/10"]))", "true"},
           {R"(IsInCIDR("::ffff:10.0.0.1", ["::ffff:10.0.0.0/104"]))", "true"},
           {R"(IsInCIDR("10.0.0.256", ["10.0.0.0/8"]))", "false"},
           {R"(IsInCIDR("1:2:3:4:5:6:7:8", ["1:2::/32", "10.0.0.0/8"]))", "true"},
           {R"(IsInCIDR("1::2::3", ["::/0"]))", "false"},
           {R"(ExtractPatterns("GET /a", "^(?P<verb>\\w+) (?P<path>.*)$")["path"])", "/a"},
           {R"(ParseJSON("{\"a\": [true, 2]}")["a"][1])", "2"},
           {R"(ParseCSV("1,\"b,c\"", "x,y")["y"])", "b,c"},
           {R"(ParseKeyValue("a=1 b=2")["b"])", "2"},
           {R"(URL("https://u:p@h.org:81/a/b.txt?q=1#f")["url.port"])", "81"},
           {R"(SHA256("abc"))", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
           {R"(SHA1("abc"))", "a9993e364706816aba3e25717850c26c9cd0d89d"},
           {R"(MD5("abc"))", "900150983cd24fb0d6963f7d28e17f72"},
           {R"(FNV("abc"))", "-2820157060406071861"},
           {R"(UnixSeconds(Now()))", "1700000000"},
           {R"(UnixMilli(Time("1970-01-02 00:00:01", "%Y-%m-%d %H:%M:%S")))", "86401000"},
           {R"(Duration("1m1.5s"))", "61500000000"},
           {R"(Seconds(Duration("1500ms")))", "1.5"},
           {R"(Index("abc", "c"))", "2"},
           {R"(ContainsValue([1, "a"], "a"))", "true"},
           {R"(SliceToMap([{"k": "a", "v": 1}], ["k"], ["v"]))", R"({"a":1})"},
           {R"(Len(UUID()))", "36"},
           {R"(1 + 2 * 3 - 8 / 4)", "5"},
           {R"((1 + 2) * 3.0)", "9"},
           {R"(metric.data_points)", "[null,null]"},
       }) {
    const base::Status status = Run("set(resource.attributes[\"x\"], " + expression +
                                    ") where metric.name == \"requests\"");
    EXPECT_TRUE(status.has_value()) << expression << ": " << status.error().message;
    EXPECT_EQ(Attribute("x"), want) << expression;
  }
}

TEST_F(StatementTest, FieldsOfEveryLevel) {
  EXPECT_TRUE(Run(R"(set(scope.name, "other"))").has_value());
  EXPECT_EQ(tree_.resources[0].scopes[0].name, "other");
  EXPECT_TRUE(Run(R"(set(unit, "s") where name == "requests")").has_value());
  EXPECT_EQ(Metric("requests").unit, "s");
  EXPECT_TRUE(
      Run(R"(set(datapoint.value_double, datapoint.value_int * 0.5) where metric.unit == "s")")
          .has_value());
  EXPECT_EQ(Metric("requests").points[1].Number(), 15);
  EXPECT_TRUE(Run(R"(set(attributes["p"], attributes["path"]) where attributes["code"] == 404)",
                  Level::kDatapoint)
                  .has_value());
  EXPECT_EQ(*otlp::Find(Metric("requests").points[0].attributes, "p"), Any("/users/17/cart"));
  EXPECT_TRUE(Run(R"(set(cache["n"], metric.name))").has_value());
  EXPECT_EQ(*otlp::Find(cache_, "n"), Any("q"));
  EXPECT_TRUE(Run(R"(set(datapoint.explicit_bounds, [3, 4.5]))").has_value());
  EXPECT_EQ(Metric("h").points[0].explicit_bounds, (std::vector<double>{3, 4.5}));
}

TEST_F(StatementTest, MetricFunctions) {
  EXPECT_TRUE(Run(R"(extract_count_metric(true) where name == "h")").has_value());
  EXPECT_EQ(Metric("h_count").points[0].whole, 7);
  EXPECT_EQ(Metric("h_count").unit, "1");
  EXPECT_TRUE(Run(R"(extract_sum_metric(true, ".total") where name == "e")").has_value());
  EXPECT_EQ(Metric("e.total").points[0].Number(), 9);
  EXPECT_TRUE(Run(R"(extract_percentile_metric(50) where name == "h")").has_value());
  EXPECT_DOUBLE_EQ(Metric("h_p50").points[0].Number(), 2 + 2 * 0.5 / 4);
  EXPECT_TRUE(Run(R"(convert_summary_count_val_to_sum("delta", true))").has_value());
  EXPECT_EQ(Metric("q_count").points[0].whole, 6);
  EXPECT_TRUE(Run(R"(convert_summary_sum_val_to_sum("delta", true))").has_value());
  EXPECT_EQ(Metric("q_sum").points[0].Number(), 3);
  EXPECT_TRUE(Run(R"(convert_summary_quantile_val_to_gauge())").has_value());
  EXPECT_EQ(*otlp::Find(Metric("q.quantiles").points[1].attributes, "quantile"), Any("0.99"));
  EXPECT_TRUE(Run(R"(copy_metric(name="copy") where name == "requests")").has_value());
  EXPECT_TRUE(Run(R"(scale_metric(0.5, "s") where name == "copy")").has_value());
  EXPECT_EQ(Metric("copy").points[1].whole, 15);
  EXPECT_TRUE(Run(R"(aggregate_on_attributes("sum", ["code"]) where name == "copy")").has_value());
  EXPECT_EQ(Metric("copy").points.size(), 1u);
  EXPECT_EQ(Metric("copy").points[0].whole, 20);
  EXPECT_TRUE(Run(R"(aggregate_on_attribute_value("max", "path", ["/users/17/cart",
                  "/users/18/cart"], "/users/:id/cart") where name == "requests")")
                  .has_value());
  EXPECT_EQ(Metric("requests").points[0].whole, 30);
  EXPECT_TRUE(Run(R"(convert_sum_to_gauge() where name == "copy")").has_value());
  EXPECT_EQ(Metric("copy").kind, otlp::MetricKind::kGauge);
  EXPECT_TRUE(Run(R"(convert_gauge_to_sum("cumulative", false) where name == "copy")").has_value());
  EXPECT_EQ(Metric("copy").temporality, otlp::Temporality::kCumulative);
  EXPECT_TRUE(Run(R"(merge_histogram_buckets(1))").has_value());
  EXPECT_EQ(Metric("h").points[0].bucket_counts, (std::vector<uint64_t>{3, 4}));
}

TEST_F(StatementTest, ExponentialHistogramsBecomeExplicit) {
  for (const std::string_view how : {"upper", "midpoint", "uniform", "random"}) {
    tree_ = otlp::Tree::From(*otlp::DecodeMetricsJson(kRequest));
    ASSERT_TRUE(
        Run(fmt::format(R"(convert_exponential_histogram_to_histogram("{}", [1, 2, 4]))", how))
            .has_value());
    const otlp::TreeMetric& metric = Metric("e");
    EXPECT_EQ(metric.kind, otlp::MetricKind::kHistogram);
    uint64_t total = 0;
    for (const uint64_t count : metric.points[0].bucket_counts) total += count;
    EXPECT_EQ(total, 7u) << how;
    if (how == "upper") {
      EXPECT_EQ(metric.points[0].bucket_counts, (std::vector<uint64_t>{1, 4, 2, 0}));
    }
  }
}

TEST_F(StatementTest, CopyingWithoutAnEndIsStopped) {
  const base::Status status = Run("copy_metric()");
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message, HasSubstr("where clause"));
}

TEST_F(StatementTest, WhatCannotBeDoneIsAnError) {
  for (const std::string_view text : {
           R"(set(metric.name, 5))",
           R"(set(resource.attributes["list"][9], 5))",
           R"(set(resource.attributes["x"], 1 / 0))",
           R"(set(resource.attributes["x"], "a" + 1))",
           R"(set(resource.attributes["x"], Substring("abc", 2, 2)))",
           R"(set(resource.attributes["x"], ParseJSON("{")))",
           R"(set(metric.name, "x") where Concat(["a"], "") )",
           R"(delete_key(resource.attributes["service.name"], "a"))",
       }) {
    EXPECT_FALSE(Run(text).has_value()) << text;
  }
  EXPECT_EQ(Metric("requests").points[0].whole, 10);
}

TEST(Statement, MistakesHaveAPlace) {
  const auto error = [](std::string_view text) {
    const auto statement = Statement::Parse(text);
    return statement.has_value() ? "" : statement.error().message;
  };
  EXPECT_EQ(error(""), "column 1: a statement begins with a function that changes something");
  EXPECT_EQ(error("Split(name, \",\")"),
            "column 1: a statement begins with a function that changes something");
  EXPECT_EQ(error("frob(name)"), "column 1: unknown function \"frob\"");
  EXPECT_EQ(error("set(name)"), "column 1: set needs \"value\"");
  EXPECT_EQ(error("set(name, \"a\", \"b\")"), "column 16: too many arguments");
  EXPECT_EQ(error("set(name, vale=\"a\")"), "column 11: no parameter is called \"vale\"");
  EXPECT_EQ(error("set(type, 1)"), "column 5: expected a path that can be set");
  EXPECT_EQ(error("set(\"a\", 1)"), "column 5: expected a path that can be set");
  EXPECT_EQ(error("set(name, \"a\") where name"),
            "column 22: a condition has to compare this with something");
  EXPECT_EQ(error("set(name, \"a\") were true"), "column 16: unexpected text");
  EXPECT_THAT(error("replace_pattern(name, \"(\", \"\")"), HasSubstr("column 23: missing"));
  EXPECT_EQ(error("set(cache[\"a\"], 0x0)"), "column 17: bytes need an even number of digits");
  std::string sum = "set(cache[\"a\"], 1";
  for (int i = 0; i < 100'000; ++i) sum += "+1";
  EXPECT_THAT(error(sum + ")"), HasSubstr("too many operators"));
}

TEST(Statement, KnowsItsLevel) {
  EXPECT_EQ(Statement::Parse("set(resource.attributes[\"a\"], 1)")->level(), Level::kResource);
  EXPECT_EQ(Statement::Parse("set(scope.name, \"a\")")->level(), Level::kScope);
  EXPECT_EQ(Statement::Parse("scale_metric(2)", Level::kResource)->level(), Level::kMetric);
  EXPECT_EQ(Statement::Parse("set(resource.attributes[\"a\"], datapoint.count)")->level(),
            Level::kDatapoint);
  EXPECT_EQ(Statement::Parse("set(exemplar.span_id, nil)")->level(), Level::kExemplar);
}

TEST(Statement, WhatChangesWholeMetricsCannotLookAtTheirPoints) {
  EXPECT_TRUE(Statement::Parse("scale_metric(2)")->changes_metric());
  EXPECT_FALSE(Statement::Parse("set(metric.name, \"a\")")->changes_metric());
  EXPECT_THAT(Statement::Parse("aggregate_on_attributes(\"sum\") where datapoint.value_int > 1")
                  .error()
                  .message,
              HasSubstr("column 1: aggregate_on_attributes changes whole metrics"));
}

// Each line is what one statement for each of many points would do.
TEST_F(StatementTest, AValueThatGrowsWithEveryPointIsAnErrorInTheEnd) {
  for (
      const char* const text :
      {R"(replace_all_patterns(resource.attributes, "value", "(\\w\\.)*", "$1 and on"))",
       R"(set(resource.attributes["a"], Concat([resource.attributes["a"], "x", resource.attributes["a"]], "")))",
       R"(set(resource.attributes["b"], {"b": resource.attributes["b"]}))"}) {
    base::Status status;
    int runs = 0;
    while (status.has_value() && ++runs < 1000) status = Run(text);
    ASSERT_FALSE(status.has_value()) << text;
    EXPECT_EQ(status.error().code, base::Code::kResourceExhausted) << text;
    EXPECT_THAT(status.error().message, HasSubstr("grows over 4 MiB or 100 levels"));
  }
}

class ExemplarStatementTest : public testing::Test {
 protected:
  base::Status Run(std::string_view text) {
    auto statement = Statement::Parse(text, Level::kExemplar);
    EXPECT_TRUE(statement.has_value()) << text << ": " << statement.error().message;
    if (!statement.has_value()) return std::unexpected(statement.error());
    Stage stage;
    stage.resource = &resource_;
    stage.metric = &metric_;
    stage.point = &point_;
    stage.exemplar = &exemplar_;
    return statement->Run(stage);
  }

  otlp::TreeResource resource_;
  otlp::TreeMetric metric_{.name = "m", .kind = otlp::MetricKind::kGauge};
  otlp::TreePoint point_{.attributes = {{"k", Any("v")}}};
  otlp::TreeExemplar exemplar_;
};

TEST_F(ExemplarStatementTest, SetsEveryField) {
  ASSERT_TRUE(Run("set(time, 5)"));
  ASSERT_TRUE(Run("set(exemplar.int_value, 7)"));
  ASSERT_TRUE(Run("set(trace_id, TraceID(\"000102030405060708090A0b0c0d0e0f\"))"));
  ASSERT_TRUE(Run("set(span_id, SpanID(0x0001020304050607))"));
  ASSERT_TRUE(
      Run("set(filtered_attributes[\"a\"], datapoint.attributes[\"k\"]) where "
          "metric.name == \"m\" and time_unix_nano == 5 and double_value == nil"));
  EXPECT_EQ(exemplar_.time_ns, 5u);
  EXPECT_EQ(std::get<int64_t>(exemplar_.value), 7);
  EXPECT_EQ(exemplar_.trace_id.size(), 16u);
  EXPECT_EQ(exemplar_.span_id, std::string("\0\1\2\3\4\5\6\7", 8));
  EXPECT_EQ(exemplar_.attributes, (otlp::AttributeMap{{"a", Any("v")}}));
  ASSERT_TRUE(Run("set(double_value, int_value + 0.5)"));
  EXPECT_EQ(std::get<double>(exemplar_.value), 7.5);
}

TEST_F(ExemplarStatementTest, AnUnknownIdIsZeros) {
  ASSERT_TRUE(Run("set(time, 1) where span_id == SpanID(0x0000000000000000)"));
  EXPECT_EQ(exemplar_.time_ns, 1u);
  exemplar_.trace_id = "0123456789abcdef";
  ASSERT_TRUE(Run("set(trace_id, TraceID(\"00000000000000000000000000000000\"))"));
  EXPECT_EQ(exemplar_.trace_id, "");
}

TEST_F(ExemplarStatementTest, NoIdIsMadeOfAnythingElse) {
  for (const char* const id :
       {"TraceID(0x00)", "TraceID(\"xx0102030405060708090a0b0c0d0e0f\")", "SpanID(\"0001\")",
        "SpanID(5)", "TraceID(\"-10102030405060708090a0b0c0d0e0f\")"}) {
    EXPECT_EQ(Run(std::string("set(filtered_attributes[\"a\"], ") + id + ")").error().code,
              base::Code::kInvalidArgument)
        << id;
  }
  EXPECT_THAT(Run("set(trace_id, SpanID(0x0001020304050607))").error().message,
              HasSubstr("expected a TraceID"));
  EXPECT_THAT(Run("set(span_id, \"text\")").error().message, HasSubstr("expected a SpanID"));
}

}  // namespace
}  // namespace narthex::ottl
