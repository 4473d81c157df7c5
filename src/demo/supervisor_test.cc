#include "demo/supervisor.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/testing/manual_clock.h"

namespace narthex::demo {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// Children that are real processes, but not of ours.
class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest() {
    base::FileSystem& files = base::PosixFileSystem();
    settings_.data_directory = testing::TempDir() + "supervisor_test_" +
                               testing::UnitTest::GetInstance()->current_test_info()->name();
    settings_.config_directory = settings_.data_directory;
    settings_.ports = {
        .api = 0, .otlp_grpc = 0, .otlp_http = 0, .exporter = 0, .telemetry = 0, .server = 0};
    settings_.run = "run";
    EXPECT_TRUE(base::RemoveAll(files, settings_.data_directory).has_value());
    EXPECT_TRUE(files.CreateDirectories(settings_.data_directory).has_value());
    for (const char* file : {"otel-collector-config.yaml", "prometheus.yml"}) {
      const std::string path = base::JoinPath(settings_.config_directory, file);
      EXPECT_TRUE(base::WriteFileAtomically(files, path, "").has_value());
    }
  }
  ~SupervisorTest() override {
    EXPECT_TRUE(base::RemoveAll(base::PosixFileSystem(), settings_.data_directory).has_value());
  }

  std::string Script(const std::string& line) {
    const std::string path = base::JoinPath(settings_.data_directory, "program");
    EXPECT_TRUE(
        base::WriteFileAtomically(base::PosixFileSystem(), path, "#!/bin/sh\n" + line + "\n")
            .has_value());
    EXPECT_EQ(chmod(path.c_str(), 0755), 0);
    return path;
  }
  Supervisor Make() { return Supervisor(settings_, {base::PosixFileSystem(), clock_}, client_); }

  Settings settings_;
  base::ManualClock clock_;
  net::HttpClient client_;
};

TEST_F(SupervisorTest, ReportsAChildThatKeepsDying) {
  settings_.program = "/bin/false";
  Supervisor supervisor = Make();
  ASSERT_TRUE(supervisor.Start().has_value());
  std::vector<std::string> details;
  while (supervisor.Health().has_value()) {
    supervisor.Tick();
    details.push_back(supervisor.view().hops[2].detail);
    clock_.AdvanceMs(100);
  }
  EXPECT_THAT(details, Contains("exit code 1, again in 1 s"));
  EXPECT_THAT(details, Contains("exit code 1, again in 2 s"));
  EXPECT_THAT(supervisor.Health().error().message, HasSubstr("does not start (exit code 1)"));
  const Report report = supervisor.Stop([](const std::string&) {});
  EXPECT_FALSE(report.adds_up());
  EXPECT_THAT(report.notes, Contains(HasSubstr("collector was started 3 times")));
}

TEST_F(SupervisorTest, WaitsForChildrenThatTakeLong) {
  settings_.program = Script("exec sleep 1000");  // Runs, and never answers.
  Supervisor supervisor = Make();
  ASSERT_TRUE(supervisor.Start().has_value());
  for (int i = 0; i < 20; ++i) {
    supervisor.Tick();
    clock_.AdvanceMs(1000);
  }
  EXPECT_TRUE(supervisor.Health().has_value());
  EXPECT_EQ(supervisor.view().hops[3].state, "starting");
  EXPECT_FALSE(supervisor.IsFinished());
}

TEST_F(SupervisorTest, MissingConfigurationIsNamed) {
  settings_.config_directory = "nowhere";
  Supervisor supervisor = Make();
  EXPECT_THAT(supervisor.Start().error().message, HasSubstr("nowhere/otel-collector-config.yaml"));
}

}  // namespace
}  // namespace narthex::demo
