#include "exporters/loadbalancing/load_balancing_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/testing/dns_server.h"
#include "pipeline/testing/contract.h"

namespace narthex::exporters {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// Which points the exporter of each endpoint was given, as "service/metric/series".
std::map<std::string, std::vector<std::string>> given;
std::set<std::string> stopped;
std::set<std::string> refusing;
std::set<std::string> without_client;  // Given batches of nobody.

// Stands in for the OTLP exporter.
class Recorder final : public pipeline::Exporter {
 public:
  static std::unique_ptr<pipeline::Exporter> Create(const pipeline::CreateContext& context) {
    config::MapReader reader(context.config, context.diagnostics);
    std::string endpoint;
    reader.Read("endpoint", endpoint, "Of the server");
    bool flag = false;
    reader.Read("flag", flag, "Any");
    reader.Finish();
    return std::make_unique<Recorder>(endpoint);
  }
  explicit Recorder(std::string endpoint) : endpoint_(std::move(endpoint)) {}
  base::Status Start() override { return {}; }
  void Stop() override { stopped.insert(endpoint_); }
  base::Status Consume(otlp::Batch batch) override {
    if (batch.client == nullptr) without_client.insert(endpoint_);
    if (refusing.contains(endpoint_)) {
      if (batch.throttle != nullptr) batch.throttle->Ask(std::chrono::seconds(9));
      return base::Fail(base::Code::kUnavailable, "not now");
    }
    const otlp::Tree tree = otlp::Tree::From(batch);
    for (const auto& resource : tree.resources) {
      const otlp::Any* const service = otlp::Find(resource.attributes, "service.name");
      for (const auto& scope : resource.scopes) {
        for (const auto& metric : scope.metrics) {
          for (const auto& point : metric.points) {
            given[endpoint_].push_back((service == nullptr ? "-" : otlp::Text(*service)) + "/" +
                                       metric.name + "/" +
                                       otlp::Text(*otlp::Find(point.attributes, "series")));
          }
        }
      }
    }
    return {};
  }

 private:
  const std::string endpoint_;
};
constexpr pipeline::ExporterFactory kRecorder = {"recorder", "", &Recorder::Create};

std::unique_ptr<pipeline::Exporter> CreateWithRecorder(const pipeline::CreateContext& context) {
  return LoadBalancingExporter::Create(context, kRecorder);
}

otlp::Batch Services(const std::vector<std::string>& services) {
  otlp::Tree tree;
  for (const std::string& service : services) {
    otlp::TreeResource& resource = tree.resources.emplace_back();
    if (!service.empty()) otlp::Put(resource.attributes, "service.name", service);
    otlp::TreeScope& scope = resource.scopes.emplace_back();
    for (const char* const name : {"a", "b"}) {
      otlp::TreeMetric metric{.name = name, .kind = otlp::MetricKind::kGauge};
      for (const char* const series : {"1", "2", "3", "4"}) {
        otlp::TreePoint point;
        otlp::Put(point.attributes, "series", series);
        point.SetNumber(int64_t{1});
        metric.points.push_back(std::move(point));
      }
      scope.metrics.push_back(std::move(metric));
    }
  }
  return tree.ToBatch();
}

class LoadBalancingTest : public testing::Test {
 protected:
  void SetUp() override {
    given.clear();
    stopped.clear();
    refusing.clear();
    without_client.clear();
  }
  void Start(const std::string& keys) {
    exporter_ = host_.Make(&CreateWithRecorder,
                           "{resolver: {static: {hostnames: [b, 'a:1', c, b]}}, " + keys + "}");
    ASSERT_EQ(host_.errors(), "");
    ASSERT_TRUE(exporter_->Start());
  }
  // The endpoints that had points for which `part` of the text is `value`.
  std::set<std::string> Having(const std::string& text) {
    std::set<std::string> endpoints;
    for (const auto& [endpoint, points] : given) {
      for (const std::string& point : points) {
        if (point.find(text) != std::string::npos) endpoints.insert(endpoint);
      }
    }
    return endpoints;
  }
  size_t Total() {
    size_t total = 0;
    for (const auto& [endpoint, points] : given) total += points.size();
    return total;
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&CreateWithRecorder, yaml);
    return host_.errors();
  }

  pipeline::TestHost host_;
  std::unique_ptr<pipeline::Exporter> exporter_;
};

const std::vector<std::string> kMany = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"};

TEST_F(LoadBalancingTest, AServiceStaysTogether) {
  Start("routing_key: service");
  ASSERT_TRUE(exporter_->Consume(Services(kMany)));
  ASSERT_TRUE(exporter_->Consume(Services(kMany)));
  EXPECT_EQ(Total(), 160u);
  EXPECT_EQ(given.size(), 3u) << "each has some";
  for (const auto& [endpoint, points] : given) EXPECT_THAT(endpoint, HasSubstr(":"));
  for (const std::string& service : kMany) EXPECT_EQ(Having(service + "/").size(), 1u);
  EXPECT_EQ(host_.Count("otelcol_loadbalancer_num_backends"), 3);
}

TEST_F(LoadBalancingTest, OtherKeysKeepOtherThingsTogether) {
  for (const char* const keys :
       {"routing_key: resource", "routing_key: metric", "routing_key: streamID",
        "{routing_key: attributes, routing_attributes: [series]}"}) {
    SetUp();
    std::string text = keys;
    if (text.starts_with('{')) text = text.substr(1, text.size() - 2);
    Start(text);
    ASSERT_TRUE(exporter_->Consume(Services(kMany)));
    ASSERT_TRUE(exporter_->Consume(Services(kMany)));
    EXPECT_EQ(Total(), 160u) << keys;
    const bool by_resource = text.ends_with("resource");
    if (by_resource) {
      EXPECT_EQ(Having("s3/").size(), 1u);
    } else if (text.ends_with("metric")) {
      EXPECT_EQ(Having("/a/").size(), 1u);
    } else if (text.ends_with("streamID")) {
      for (const std::string& service : kMany) {
        EXPECT_EQ(Having(service + "/a/1").size(), 1u);
      }
      EXPECT_GT(Having("s3/").size(), 1u);
    } else {
      EXPECT_EQ(Having("/2").size(), 1u);
    }
  }
}

TEST_F(LoadBalancingTest, WithoutAServiceNameNothingGoes) {
  Start("routing_key: service");
  EXPECT_TRUE(exporter_->Consume(Services({"", "s1"})));
  EXPECT_EQ(Total(), 8u);
  EXPECT_EQ(host_.Count("narthex_points_lost", "no_service_name"), 8);
  EXPECT_EQ(exporter_->Consume(Services({""})).error().code, base::Code::kInvalidArgument);
}

TEST_F(LoadBalancingTest, EveryPartIsOfTheSameClientAndSender) {
  Start("routing_key: service");
  refusing = {"a:1"};
  otlp::Batch batch = Services(kMany);
  batch.client = std::make_shared<const otlp::ClientInfo>();
  const auto throttle = batch.throttle = std::make_shared<otlp::Throttle>();
  EXPECT_FALSE(exporter_->Consume(std::move(batch)));
  EXPECT_THAT(without_client, IsEmpty());
  EXPECT_EQ(throttle->delay(), std::chrono::seconds(9));
}

TEST_F(LoadBalancingTest, ARefusalIsPassedOnAndTheOthersHaveTheirs) {
  Start("routing_key: service");
  refusing = {"a:1"};
  EXPECT_EQ(exporter_->Consume(Services(kMany)).error().code, base::Code::kUnavailable);
  EXPECT_EQ(given.size(), 2u);
}

TEST_F(LoadBalancingTest, MistakesHaveAPlace) {
  EXPECT_THAT(Errors("{}"), HasSubstr("no resolver is configured"));
  EXPECT_THAT(Errors("resolver: {static: {hostnames: [a]}, dns: {hostname: b}}"),
              HasSubstr("exactly one of static and dns"));
  EXPECT_THAT(Errors("resolver: {static: {}}"), HasSubstr("no hostnames are set"));
  EXPECT_THAT(Errors("resolver: {k8s: {service: a}}"), HasSubstr("k8s: is not supported"));
  EXPECT_THAT(Errors("{resolver: {static: {hostnames: [a]}}, routing_key: traceID}"),
              HasSubstr("unsupported routing_key: \"traceID\""));
  EXPECT_THAT(Errors("{resolver: {static: {hostnames: [a]}}, routing_key: attributes}"),
              HasSubstr("needs some"));
  EXPECT_THAT(Errors("resolver: {static: {hostnames: [a]}}\nprotocol: {otlp: {flagg: true}}"),
              StartsWith("test.yaml:2:"));
}

// Waits for what a thread of the exporter brings about.
bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST_F(LoadBalancingTest, ANameIsFollowed) {
  net::DnsServer dns;
  dns.Set("lb.test", net::DnsType::kA, {{"10.0.0.2"}, {"10.0.0.1"}});
  dns.Set("lb.test", net::DnsType::kAaaa, {{"fd00::1"}});
  LoadBalancingExporter::Config config;
  config.dns = {.hostname = "lb.test",
                .port = "99",
                .interval = std::chrono::milliseconds(10),
                .timeout = std::chrono::milliseconds(500)};
  config.dns_servers = dns.address();
  const pipeline::ComponentId id{"loadbalancing", ""};
  const config::Node nothing;
  config::Diagnostics diagnostics("test.yaml");
  const pipeline::CreateContext context{id, nothing, diagnostics, host_.host()};
  LoadBalancingExporter exporter(config, context, kRecorder);
  EXPECT_EQ(exporter.Consume(Services({"s1"})).error().code, base::Code::kUnavailable);
  ASSERT_TRUE(exporter.Start());
  ASSERT_TRUE(Eventually([&] { return exporter.endpoints().size() == 3; }));
  EXPECT_THAT(exporter.endpoints(), ElementsAre("10.0.0.1:99", "10.0.0.2:99", "[fd00::1]:99"));
  // While the servers fail, everything stays; then it changes, and who is gone is stopped.
  dns.FailWith(2);
  const uint64_t asked = dns.questions();
  ASSERT_TRUE(Eventually([&] { return dns.questions() > asked + 4; }));
  EXPECT_EQ(exporter.endpoints().size(), 3u);
  dns.Set("lb.test", net::DnsType::kA, {{"10.0.0.2"}});
  dns.Set("lb.test", net::DnsType::kAaaa, {});
  dns.FailWith(0);
  ASSERT_TRUE(Eventually([&] { return exporter.endpoints().size() == 1; }));
  exporter.Stop();
  EXPECT_EQ(stopped.size(), 3u) << "one when it went, the others now";
}

}  // namespace
}  // namespace narthex::exporters
