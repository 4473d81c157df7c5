#include "exporters/nop/nop_exporter.h"

#include <gtest/gtest.h>

#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::exporters {
namespace {

TEST(NopExporter, TakesEverythingAndCountsIt) {
  pipeline::TestHost host;
  const auto exporter = host.Make(&NopExporter::Create, "");
  ASSERT_TRUE(exporter->Start().has_value());
  EXPECT_TRUE(exporter->Consume(pipeline::GaugeBatch(3)).has_value());
  exporter->Stop();
  EXPECT_EQ(host.Count("otelcol_exporter_sent_metric_points"), 3);
  EXPECT_EQ(host.Imbalance(), 0);
}

TEST(NopExporter, HasNoKeys) {
  pipeline::TestHost host;
  (void)host.Make(&NopExporter::Create, "x: 1");
  EXPECT_NE(host.errors(), "");
}

TEST(NopExporter, KeepsTheContract) { pipeline::ExpectExporterContract(&NopExporter::Create, ""); }

}  // namespace
}  // namespace narthex::exporters
