#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "otlp/json.h"
#include "otlp/tree.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::pipeline {

// A processor that is sent one metric at a time. kCreate: its factory function.
template <auto kCreate>
class OneMetricTest : public testing::Test {
 protected:
  void Make(std::string_view yaml) {
    processor_ = host_.Make(kCreate, yaml, next_);
    EXPECT_EQ(host_.errors(), "");
  }
  // `metric`: in OTLP's JSON. Returns what came of it; nullopt when nothing did.
  std::optional<otlp::TreeMetric> Send(std::string_view metric) {
    const std::string request =
        fmt::format(R"({{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{}]}}]}}]}})", metric);
    EXPECT_TRUE(processor_->Consume(*otlp::DecodeMetricsJson(request)).has_value());
    EXPECT_EQ(host_.Imbalance(), 0);
    if (next_.sizes().empty()) return std::nullopt;
    return otlp::Tree::From(next_.Take()).resources[0].scopes[0].metrics[0];
  }

  TestHost host_;
  FakeConsumer next_;
  std::unique_ptr<Processor> processor_;
};

}  // namespace narthex::pipeline
