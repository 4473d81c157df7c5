#include "extensions/zpages/zpages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/http_client.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/test_host.h"

namespace narthex::extensions {
namespace {

using testing::HasSubstr;
using testing::Not;

class ZPagesTest : public testing::Test {
 protected:
  ZPagesTest() {
    host_.host().self_page = [] {
      return std::string(
          "# TYPE narthex_points_in counter\n"
          "narthex_points_in{component=\"receiver/otlp\"} 12\n"
          "narthex_points_lost{component=\"receiver/otlp\",reason=\"a\"} 3\n"
          "narthex_points_lost{component=\"receiver/otlp\",reason=\"b\"} 4\n");
    };
    extension_ = host_.Make(&ZPages::Create, "endpoint: '127.0.0.1:0'");
    EXPECT_EQ(host_.errors(), "");
    pipeline::Outline outline;
    outline.pipelines.push_back({"metrics/<b>", {"otlp"}, {"batch"}, {"debug"}});
    outline.extensions = {"zpages", "health_check/x"};
    extension_->Describe(outline);
    EXPECT_TRUE(extension_->Start().has_value());
  }
  net::HttpClientResponse Get(const std::string& path) {
    const uint16_t port = dynamic_cast<ZPages&>(*extension_).port();
    return client_.FetchAndWait({.url = fmt::format("http://127.0.0.1:{}{}", port, path)}).value();
  }

  pipeline::TestHost host_;
  net::HttpClient client_;
  std::unique_ptr<pipeline::Extension> extension_;
};

TEST_F(ZPagesTest, PipelinesWithWhatGoesThrough) {
  const auto response = Get("/debug/pipelinez");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr("metrics/&lt;b&gt;"));
  EXPECT_THAT(response.body, Not(HasSubstr("<b>")));
  EXPECT_THAT(response.body, HasSubstr("<td>otlp</td><td class=\"n\">12</td><td class=\"n\">0</td>"
                                       "<td class=\"n\">0</td><td class=\"n\">7</td>"));
  EXPECT_THAT(response.body, HasSubstr("<td>processor</td><td>batch</td>"));
}

TEST_F(ZPagesTest, ServiceAndExtensions) {
  host_.clock().AdvanceMs(65'000);
  EXPECT_THAT(Get("/debug/servicez").body, HasSubstr("1m5s"));
  EXPECT_THAT(Get("/debug/extensionz").body, HasSubstr("<li>health_check/x</li>"));
  EXPECT_EQ(Get("/debug/tracez").status, 404);
}

TEST(ZPages, MayBeBehindAnAbstractSocket) {
  pipeline::TestHost host;
  const std::string name = fmt::format("@narthex-zpages-{}", getpid());
  const auto extension = host.Make(&ZPages::Create, fmt::format("endpoint: 'unix:{}'", name));
  ASSERT_EQ(host.errors(), "");
  ASSERT_TRUE(extension->Start().has_value());
  net::HttpClient client;
  const auto response =
      client.FetchAndWait({.url = "http://localhost/debug/servicez", .unix_socket = name});
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->status, 200);
}

TEST(ZPages, KeepsTheContract) {
  pipeline::ExpectStartStopContract(&ZPages::Create, "endpoint: '127.0.0.1:0'");
}

}  // namespace
}  // namespace narthex::extensions
