#include "exporters/file/file_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/memory_file_system.h"
#include "compress/compress.h"
#include "otlp/json.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::exporters {
namespace {

using pipeline::GaugeBatch;
using pipeline::GaugeRequest;
using testing::ElementsAre;
using testing::HasSubstr;

class FileExporterTest : public testing::Test {
 protected:
  void Make(std::string_view yaml) {
    exporter_ = host_.Make(&FileExporter::Create, yaml);
    EXPECT_EQ(host_.errors(), "");
    ASSERT_TRUE(exporter_->Start().has_value());
  }
  std::vector<std::string> Files(const std::string& directory) {
    std::vector<std::string> names;
    const auto entries = *files_.List(directory);
    for (const base::DirectoryEntry& entry : entries) names.push_back(entry.name);
    return names;
  }

  base::MemoryFileSystem files_;
  pipeline::TestHost host_{files_};
  std::unique_ptr<pipeline::Exporter> exporter_;
};

TEST(FileExporter, KeepsTheContract) {
  pipeline::ExpectExporterContract(&FileExporter::Create,
                                   "path: " + testing::TempDir() + "narthex_file_exporter");
}

TEST_F(FileExporterTest, LinesOfJson) {
  Make("{path: d/out.json, create_directory: true}");
  ASSERT_TRUE(exporter_->Consume(GaugeBatch(1)).has_value());
  ASSERT_TRUE(exporter_->Consume(GaugeBatch(2)).has_value());
  exporter_->Stop();
  EXPECT_EQ(files_.Content("d/out.json"), otlp::EncodeMetricsJson(GaugeBatch(1)) + "\n" +
                                              otlp::EncodeMetricsJson(GaugeBatch(2)) + "\n");
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(FileExporterTest, ProtobufBehindItsLength) {
  Make("{path: out, format: proto}");
  ASSERT_TRUE(exporter_->Consume(GaugeBatch(1)).has_value());
  const std::string request = GaugeRequest(1);
  EXPECT_EQ(files_.Content("out"),
            std::string({0, 0, 0, static_cast<char>(request.size())}) + request);
}

TEST_F(FileExporterTest, CompressedMessagesHaveALengthToo) {
  Make("{path: out, compression: zstd}");
  ASSERT_TRUE(exporter_->Consume(GaugeBatch(1)).has_value());
  EXPECT_EQ(*compress::ZstdDecode(files_.Content("out").substr(4), 1 << 20),
            otlp::EncodeMetricsJson(GaugeBatch(1)));
}

TEST_F(FileExporterTest, BeginsAnewOrAppends) {
  files_.SetContent("out", "old\n");
  Make("{path: out, append: true}");
  ASSERT_TRUE(exporter_->Consume(GaugeBatch(1)).has_value());
  EXPECT_TRUE(files_.Content("out").starts_with("old\n{"));
  Make("{path: out}");
  EXPECT_EQ(files_.Content("out"), "");
}

TEST_F(FileExporterTest, RotatesAndKeepsSoMany) {
  Make("{path: d/out.json, create_directory: true, rotation: {max_megabytes: 1, max_backups: 2}}");
  const std::string line = otlp::EncodeMetricsJson(GaugeBatch(4'000)) + "\n";
  const size_t per_file = (1 << 20) / line.size();
  for (size_t i = 0; i < per_file * 4 + 1; ++i) {
    ASSERT_TRUE(exporter_->Consume(GaugeBatch(4'000)).has_value());
    host_.clock().AdvanceMs(1'000);
  }
  const std::vector<std::string> files = Files("d");
  ASSERT_EQ(files.size(), 3u);
  EXPECT_THAT(files[0], testing::MatchesRegex("out-2023-11-14T22-.*\\.json"));
  EXPECT_EQ(files[2], "out.json");
  EXPECT_EQ(files_.Content("d/out.json"), line);
}

TEST_F(FileExporterTest, HalfAMessageIsCutOff) {
  Make("{path: out}");
  ASSERT_TRUE(exporter_->Consume(GaugeBatch(1)).has_value());
  const std::string good = files_.Content("out");
  files_.ResetCalls();
  files_.SetPlan(base::MemoryFileSystem::FailCall(0, base::MemoryFileSystem::Fate::kHalfDone));
  EXPECT_FALSE(exporter_->Consume(GaugeBatch(2)).has_value());
  EXPECT_EQ(files_.Content("out"), good);
  ASSERT_TRUE(exporter_->Consume(GaugeBatch(1)).has_value());
  EXPECT_EQ(host_.Count("narthex_points_lost", "write_failed"), 2);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(FileExporterTest, MistakesInItsConfiguration) {
  const auto errors = [&](std::string_view yaml) {
    (void)host_.Make(&FileExporter::Create, yaml);
    return host_.errors();
  };
  EXPECT_THAT(errors("{}"), HasSubstr("path: must be non-empty"));
  EXPECT_THAT(errors("{path: a, format: xml}"), HasSubstr("test.yaml:1:19: format: must be json"));
  EXPECT_THAT(errors("{path: a, append: true, rotation: {}}"), HasSubstr("append and rotation"));
  EXPECT_THAT(errors("{path: a, group_by: {enabled: true}}"), HasSubstr("is not supported"));
  EXPECT_THAT(errors("{path: a, rotatoin: {}}"), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::exporters
