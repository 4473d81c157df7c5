#include "receivers/statsd/statsd_receiver.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/testing/raw_socket.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::receivers {
namespace {

using testing::HasSubstr;

class StatsdReceiverTest : public testing::Test {
 protected:
  StatsdReceiver& Start(std::string_view keys) {
    receiver_ = host_.Make(&StatsdReceiver::Create,
                           fmt::format("{{endpoint: '127.0.0.1:0', {}}}", keys), next_);
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(receiver_->Start().has_value());
    return dynamic_cast<StatsdReceiver&>(*receiver_);
  }
  static void SendDatagram(uint16_t port, std::string_view text) {
    const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(sendto(descriptor, text.data(), text.size(), 0,
                     reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              static_cast<ssize_t>(text.size()));
    close(descriptor);
  }
  // A thread takes what has come: waits until it has.
  void AwaitLines(int64_t count) {
    for (int i = 0; i < 100'000 && host_.Count("narthex_statsd_lines") < count; ++i) {
      std::this_thread::yield();
    }
    EXPECT_EQ(host_.Count("narthex_statsd_lines"), count);
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
  std::unique_ptr<pipeline::Receiver> receiver_;
};

TEST_F(StatsdReceiverTest, DatagramsBecomeMetricsAtTheEndOfTheInterval) {
  StatsdReceiver& receiver = Start("aggregation_interval: 1ms");
  SendDatagram(receiver.port(), "hits:1|c\nnonsense\nhits:2|c\n");
  AwaitLines(3);
  host_.clock().AdvanceMs(1);
  ASSERT_TRUE(next_.WaitForPoints(1));
  receiver.Stop();
  const otlp::Batch batch = next_.Take();
  EXPECT_EQ(batch.metrics[0].name, "hits");
  EXPECT_EQ(batch.numbers[0].Int(), 3);
  EXPECT_EQ(host_.Count("narthex_statsd_bad_lines"), 1);
  EXPECT_EQ(host_.Count("otelcol_receiver_accepted_metric_points", "udp"), 1);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(StatsdReceiverTest, LinesOverTcpAndTheRestAtTheEnd) {
  StatsdReceiver& receiver = Start("transport: tcp, aggregation_interval: 1h");
  {
    net::RawSocket socket(receiver.port());
    socket.Send("a:1|g\nb:2|g\nc:3|g");
  }
  AwaitLines(3);
  receiver.Stop();
  EXPECT_EQ(next_.point_count(), 3u);
}

TEST_F(StatsdReceiverTest, WhatIsRefusedIsCounted) {
  StatsdReceiver& receiver = Start("aggregation_interval: 1h");
  next_.FailWith(base::Error{base::Code::kUnavailable, "full"});
  SendDatagram(receiver.port(), "a:1|c");
  AwaitLines(1);
  receiver.Stop();
  EXPECT_EQ(host_.Count("otelcol_receiver_refused_metric_points"), 1);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(StatsdReceiverTest, ReadsItsConfiguration) {
  const auto errors = [&](std::string_view yaml) {
    (void)host_.Make(&StatsdReceiver::Create, yaml, next_);
    return host_.errors();
  };
  EXPECT_EQ(errors(R"(endpoint: 0.0.0.0:8125
transport: udp
aggregation_interval: 70s
enable_metric_type: true
enable_simple_tags: true
is_monotonic_counter: true
timer_histogram_mapping:
  - {statsd_type: histogram, observer_type: gauge}
  - {statsd_type: timing, observer_type: histogram, histogram: {max_size: 100, explicit_buckets: [{matcher_pattern: x, buckets: [1, 2.5]}]}}
  - {statsd_type: distribution, observer_type: summary, summary: {percentiles: [0, 99.9]}})"),
            "");
  EXPECT_THAT(errors("transport: unixgram"), HasSubstr("only udp and tcp are supported"));
  EXPECT_THAT(errors("aggregation_interval: 0s"), HasSubstr("must be a positive duration"));
  EXPECT_THAT(errors("timer_histogram_mapping: [{statsd_type: counter, observer_type: gauge}]"),
              HasSubstr("statsd_type: must be"));
  EXPECT_THAT(errors("timer_histogram_mapping: [{statsd_type: timer, observer_type: x}]"),
              HasSubstr("observer_type: must be"));
  EXPECT_THAT(errors("timer_histogram_mapping: [{statsd_type: timer, observer_type: summary, "
                     "summary: {percentiles: [101]}}]"),
              HasSubstr("test.yaml:1:96: percentiles"));
  EXPECT_THAT(errors("timer_histogram_mapping: [{statsd_type: timer, observer_type: histogram, "
                     "histogram: {explicit_buckets: [{matcher_pattern: a, buckets: [2, 1]}]}}]"),
              HasSubstr("buckets: must rise"));
}

TEST(StatsdReceiver, KeepsTheContract) {
  pipeline::FakeConsumer next;
  pipeline::ExpectStartStopContract(&StatsdReceiver::Create, "endpoint: '127.0.0.1:0'", next);
}

}  // namespace
}  // namespace narthex::receivers
