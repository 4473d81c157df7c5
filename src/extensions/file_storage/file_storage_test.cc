#include "extensions/file_storage/file_storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/memory_file_system.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/test_host.h"

namespace narthex::extensions {
namespace {

using testing::HasSubstr;

class FileStorageTest : public testing::Test {
 protected:
  std::unique_ptr<pipeline::Extension> Make(std::string_view yaml) {
    auto extension = host_.Make(&FileStorage::Create, yaml);
    EXPECT_EQ(host_.errors(), "");
    return extension;
  }
  base::MemoryFileSystem files_;
  pipeline::TestHost host_{files_};
};

TEST(FileStorage, KeepsTheContract) {
  pipeline::ExpectStartStopContract(
      &FileStorage::Create,
      "{create_directory: true, directory: " + testing::TempDir() + "narthex_file_storage}");
}

TEST_F(FileStorageTest, QueuesOfDifferentClientsAreApart) {
  const auto extension = Make("{directory: d, create_directory: true}");
  auto& storage = dynamic_cast<pipeline::StorageExtension&>(*extension);
  EXPECT_FALSE(storage.OpenQueue("a").has_value());
  ASSERT_TRUE(extension->Start().has_value());
  ASSERT_TRUE((*storage.OpenQueue("exporter_otlp/a"))->Append("x", 1).has_value());
  EXPECT_EQ((*storage.OpenQueue("exporter_otlp/a"))->pending().size(), 1u);
  EXPECT_EQ((*storage.OpenQueue("exporter_otlp"))->pending().size(), 0u);
}

TEST_F(FileStorageTest, TheDirectoryMustBeThereAndNobodyElses) {
  EXPECT_THAT(Make("directory: d")->Start().error().message, HasSubstr("must exist"));
  const auto first = Make("{directory: d, create_directory: true}");
  ASSERT_TRUE(first->Start().has_value());
  EXPECT_FALSE(Make("directory: d")->Start().has_value());
  first->Stop();
  EXPECT_TRUE(Make("directory: d")->Start().has_value());
}

TEST_F(FileStorageTest, MistakesInItsConfiguration) {
  (void)host_.Make(&FileStorage::Create, "directory: ''");
  EXPECT_THAT(host_.errors(), HasSubstr("test.yaml:1:12: directory: must not be empty"));
  (void)host_.Make(&FileStorage::Create, "directry: a");
  EXPECT_THAT(host_.errors(), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::extensions
