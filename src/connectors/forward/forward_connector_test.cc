#include "connectors/forward/forward_connector.h"

#include <gtest/gtest.h>

#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::connectors {
namespace {

TEST(ForwardConnector, KeepsTheContract) {
  pipeline::ExpectConnectorContract(&ForwardConnector::Create, "");
}

TEST(ForwardConnector, TakesOnlyWhatLeadsSomewhere) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const pipeline::ConnectorOutputs nothing,
      metrics{.pipelines = {}, .metrics = &next, .passages = {}};
  EXPECT_EQ(host.Make(&ForwardConnector::Create, "", nothing)->consumer(), nullptr);
  const auto connector = host.Make(&ForwardConnector::Create, "", metrics);
  EXPECT_EQ(connector->passage(pipeline::Signal::kTraces), nullptr);
  ASSERT_TRUE(connector->consumer()->Consume(pipeline::GaugeBatch(3)).has_value());
  EXPECT_EQ(next.point_count(), 3u);
  (void)host.Make(&ForwardConnector::Create, "to: x", metrics);
  EXPECT_NE(host.errors(), "");
}

}  // namespace
}  // namespace narthex::connectors
