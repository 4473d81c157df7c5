#include "attributes/metric_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/edit.h"

namespace narthex::attributes {
namespace {

using testing::HasSubstr;

struct Gate {
  explicit Gate(std::string_view yaml)
      : node(*config::ParseYaml(yaml, "test.yaml")),
        reader(node, diagnostics),
        gate(MetricGate::Read(reader, diagnostics)) {}
  bool Passes(std::string_view name, std::string_view service = "shop") const {
    otlp::AttributeEditor editor("");
    editor.Set("service.name", otlp::EncodeValue(service));
    otlp::Metric metric;
    metric.name = name;
    return gate.Passes(metric, editor.Encode(1));
  }
  std::string errors() const {
    return diagnostics.ok() ? "" : diagnostics.ToStatus().error().message;
  }
  config::Node node;
  config::Diagnostics diagnostics{"test.yaml"};
  config::MapReader reader;
  MetricGate gate;
};

TEST(MetricGate, OpenWithoutBlocks) {
  const Gate gate("");
  EXPECT_TRUE(gate.gate.is_open());
  EXPECT_TRUE(gate.Passes("anything"));
}

TEST(MetricGate, Strict) {
  const Gate gate(
      "include: {match_type: strict, metric_names: [a, b]}\n"
      "exclude: {match_type: strict, metric_names: [b]}");
  EXPECT_TRUE(gate.Passes("a"));
  EXPECT_FALSE(gate.Passes("b"));
  EXPECT_FALSE(gate.Passes("aa"));
}

TEST(MetricGate, RegexpsMatchAnywhere) {
  const Gate gate("include: {match_type: regexp, metric_names: ['^http\\.', total]}");
  EXPECT_TRUE(gate.Passes("http.duration"));
  EXPECT_TRUE(gate.Passes("x_total_y"));
  EXPECT_FALSE(gate.Passes("my.http.duration"));
}

TEST(MetricGate, ResourcesHaveToMatchToo) {
  const Gate gate(
      "exclude: {match_type: strict, metric_names: [a], resources: [{key: service.name, value: "
      "shop}]}");
  EXPECT_FALSE(gate.Passes("a", "shop"));
  EXPECT_TRUE(gate.Passes("a", "bank"));
}

TEST(MetricGate, Mistakes) {
  EXPECT_THAT(Gate("include: {metric_names: [a]}").errors(), HasSubstr("strict or regexp"));
  EXPECT_THAT(Gate("include: {match_type: expr, metric_names: [a]}").errors(), HasSubstr("expr"));
  EXPECT_THAT(Gate("include: {match_type: regexp, metric_names: ['(']}").errors(),
              HasSubstr("metric_names: missing"));
  EXPECT_THAT(Gate("include: {match_type: strict}").errors(), HasSubstr("at least one"));
}

}  // namespace
}  // namespace narthex::attributes
