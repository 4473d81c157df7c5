#include "base/log.h"

#include <gtest/gtest.h>

#include "base/time_format.h"

namespace narthex::base {
namespace {

std::string Logged(LogFormat format) {
  testing::internal::CaptureStderr();
  Logger logger(LogLevel::kInfo, format);
  logger.Debug("x", "not shown");
  logger.Warn("wal", "damaged record", {{"offset", 42}, {"cause", "bad \"crc\"\n"}});
  return testing::internal::GetCapturedStderr();
}

TEST(Log, WritesLogfmtInAFixedOrder) {
  const std::string line = Logged(LogFormat::kLogfmt);
  EXPECT_TRUE(line.starts_with("ts=")) << line;
  EXPECT_TRUE(
      line.ends_with("level=warn component=wal msg=\"damaged record\" offset=42 "
                     "cause=\"bad \\\"crc\\\"\\n\"\n"))
      << line;
}

TEST(Log, WritesJson) {
  const std::string line = Logged(LogFormat::kJson);
  EXPECT_TRUE(
      line.ends_with("\"level\":\"warn\",\"component\":\"wal\",\"msg\":\"damaged record\","
                     "\"offset\":\"42\",\"cause\":\"bad \\\"crc\\\"\\n\"}\n"))
      << line;
}

TEST(Log, FormatsTime) {
  EXPECT_EQ(FormatRfc3339(1'700'000'000'123), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(FormatRfc3339(-1), "1969-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace narthex::base
