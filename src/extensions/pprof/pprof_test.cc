#include "extensions/pprof/pprof.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "compress/compress.h"
#include "net/http_client.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/test_host.h"

namespace narthex::extensions {
namespace {

using testing::HasSubstr;

class PprofTest : public testing::Test {
 protected:
  PprofTest() {
    extension_ = host_.Make(&Pprof::Create, "endpoint: '127.0.0.1:0'");
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(extension_->Start().has_value());
  }
  net::HttpClientRequest Ask(const std::string& path) {
    const uint16_t port = dynamic_cast<Pprof&>(*extension_).port();
    net::HttpClientRequest request;
    request.url = fmt::format("http://127.0.0.1:{}{}", port, path);
    request.accept_gzip = false;
    return request;
  }
  net::HttpClientResponse Get(const std::string& path) {
    return client_.FetchAndWait(Ask(path)).value();
  }

  pipeline::TestHost host_;
  net::HttpClient client_;
  std::unique_ptr<pipeline::Extension> extension_;
};

TEST_F(PprofTest, ProfilesShowWhoWorks) {
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    for (volatile uint64_t i = 0; !stop;) i = i + 1;
  });
  const auto response = Get("/debug/pprof/profile?seconds=1");
  stop = true;
  busy.join();
  ASSERT_EQ(response.status, 200) << response.body;
  const std::string profile = compress::GzipDecode(response.body, 64 << 20).value();
  EXPECT_THAT(profile, HasSubstr("nanoseconds"));
  EXPECT_THAT(profile, HasSubstr("narthex_extensions_pprof_test"));  // The program's file.
}

TEST_F(PprofTest, OneProfileAtATime) {
  std::atomic<int> refused{0};
  const auto insist = [&] {
    for (int status = 503; status == 503;) {
      status = Get("/debug/pprof/profile?seconds=1").status;
      if (status == 503) ++refused;
    }
  };
  std::thread other(insist);
  insist();
  other.join();
  EXPECT_GE(refused, 1);
}

TEST_F(PprofTest, OtherPages) {
  EXPECT_THAT(Get("/debug/pprof/cmdline").body, HasSubstr("narthex_extensions_pprof_test"));
  EXPECT_THAT(Get("/debug/pprof/").body, HasSubstr("/debug/pprof/profile"));
  EXPECT_EQ(Get("/debug/pprof/heap").status, 404);
  EXPECT_EQ(Get("/debug/pprof/profile?seconds=x").status, 400);
}

TEST_F(PprofTest, StopEndsAProfile) {
  net::HttpClientRequest request = Ask("/debug/pprof/profile?seconds=600");
  request.timeout = std::chrono::seconds(60);
  std::thread asking([&] {
    for (auto response = client_.FetchAndWait(request);
         response.has_value() && response->status == 503;) {
      response = client_.FetchAndWait(request);
    }
  });
  while (Get("/debug/pprof/profile?seconds=1").status == 200) {
  }
  extension_->Stop();
  asking.join();
}

TEST(Pprof, KeepsTheContract) {
  pipeline::ExpectStartStopContract(&Pprof::Create, "endpoint: '127.0.0.1:0'");
}

}  // namespace
}  // namespace narthex::extensions
