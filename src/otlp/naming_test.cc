#include "otlp/naming.h"

#include <gtest/gtest.h>

namespace narthex::otlp {
namespace {

using enum TranslationStrategy;

enum class Kind { kCounter, kUpDown, kGauge, kHistogram };

struct NameCase {
  const char* name;
  const char* unit;
  Kind kind;
  const char* want;
  const char* prefix = "";
  TranslationStrategy strategy = kUnderscoreEscapingWithSuffixes;
};

const NameCase kNameCases[] = {
    {"http.server.request.duration", "s", Kind::kHistogram, "http_server_request_duration_seconds"},
    {"http.requests", "1", Kind::kCounter, "http_requests_total"},
    {"http.requests", "{request}", Kind::kCounter, "http_requests_total"},
    {"http_requests_total", "", Kind::kCounter, "http_requests_total"},
    {"total.requests.total", "", Kind::kCounter, "requests_total"},
    {"bytes.read", "By", Kind::kCounter, "bytes_read_total"},
    {"system.cpu.utilization", "1", Kind::kGauge, "system_cpu_utilization_ratio"},
    {"ratio.of.things", "1", Kind::kGauge, "of_things_ratio"},
    {"x", "1", Kind::kUpDown, "x"},
    {"x", "1", Kind::kHistogram, "x"},
    {"disk.io", "By/s", Kind::kGauge, "disk_io_bytes_per_second"},
    {"x", "foo/min", Kind::kGauge, "x_foo_per_min"},
    {"x", "foo/m", Kind::kGauge, "x_foo_per_minute"},
    {"x", " By / s ", Kind::kGauge, "x_bytes_per_second"},
    {"x", "/s", Kind::kGauge, "x_per_second"},
    {"x", "By/", Kind::kGauge, "x_bytes"},
    {"q", "req/{s}", Kind::kGauge, "q_req"},
    {"orders.value", "USD", Kind::kCounter, "orders_value_USD_total"},
    {"orders.value", "{USD}", Kind::kCounter, "orders_value_total"},
    {"orders.value", "[USD]", Kind::kCounter, "orders_value_USD__total"},
    {"mem", "kBy", Kind::kGauge, "mem_kBy"},
    {"mem", "KBy", Kind::kGauge, "mem_kilobytes"},
    {"mem", "%", Kind::kGauge, "mem_percent"},
    {"3x", "", Kind::kGauge, "_3x"},
    {"3x", "", Kind::kGauge, "app_3x", "app"},
    {"a__b..c_", "", Kind::kGauge, "a_b_c"},
    {"a:b", "", Kind::kGauge, "a:b"},
    {"http.requests", "", Kind::kCounter, "app_http_requests_total", "app"},
    {"http.requests.in_flight", "{request}", Kind::kUpDown, "http_requests_in_flight"},
    {"http.requests", "1", Kind::kCounter, "http_requests", "", kUnderscoreEscapingWithoutSuffixes},
    {"a__b..c_", "s", Kind::kGauge, "a__b_c_", "", kUnderscoreEscapingWithoutSuffixes},
    {"3x", "", Kind::kGauge, "_3x", "", kUnderscoreEscapingWithoutSuffixes},
    {"3x", "", Kind::kGauge, "ns_3x", "ns", kUnderscoreEscapingWithoutSuffixes},
    {"http.requests", "", Kind::kCounter, "http.requests_total", "", kNoUtf8EscapingWithSuffixes},
    {"disk.io", "By/s", Kind::kGauge, "disk.io_bytes_per_second", "", kNoUtf8EscapingWithSuffixes},
    {"x_total", "", Kind::kCounter, "x_total", "", kNoUtf8EscapingWithSuffixes},
    {"cpu", "1", Kind::kGauge, "cpu_ratio", "", kNoUtf8EscapingWithSuffixes},
    {"http.requests", "s", Kind::kCounter, "http.requests", "", kNoTranslation},
    {"http.requests", "s", Kind::kCounter, "ns_http.requests", "ns", kNoTranslation},
};

TEST(Naming, MetricNames) {
  for (const NameCase& row : kNameCases) {
    const auto name = MetricName({.name = row.name,
                                  .unit = row.unit,
                                  .is_monotonic_sum = row.kind == Kind::kCounter,
                                  .is_gauge = row.kind == Kind::kGauge},
                                 row.strategy, row.prefix);
    ASSERT_TRUE(name.has_value()) << row.name;
    EXPECT_EQ(*name, row.want) << row.name << " " << row.unit;
  }
}

TEST(Naming, NamesOfNothingAreRefused) {
  for (const char* name : {"", "_", "...", "__"}) {
    EXPECT_FALSE(MetricName({.name = name}, kUnderscoreEscapingWithSuffixes).has_value()) << name;
  }
  for (const char* key : {"", "_", "--", "____"}) {
    EXPECT_FALSE(LabelName(key, kUnderscoreEscapingWithSuffixes).has_value()) << key;
  }
}

TEST(Naming, LabelNames) {
  const std::pair<const char*, const char*> kCases[] = {
      {"http.method", "http_method"},
      {"a..b", "a_b"},
      {"a__b", "a_b"},
      {"__name__", "__name__"},
      {"__a.b__", "__a_b__"},
      {"3x", "key_3x"},
      {"a:b", "a_b"},
      {"_private", "_private"},
      {"été", "_t_"},
  };
  for (const auto& [key, want] : kCases) {
    EXPECT_EQ(*LabelName(key, kUnderscoreEscapingWithSuffixes), want);
    EXPECT_EQ(*LabelName(key, kNoTranslation), key);
  }
}

TEST(Naming, StrategiesGoByTheirConfiguredNames) {
  EXPECT_EQ(StrategyFromName("NoTranslation"), kNoTranslation);
  EXPECT_EQ(StrategyFromName("NoUTF8EscapingWithSuffixes"), kNoUtf8EscapingWithSuffixes);
  EXPECT_EQ(StrategyFromName("no_translation"), std::nullopt);
}

}  // namespace
}  // namespace narthex::otlp
