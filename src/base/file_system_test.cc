#include "base/file_system.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "base/testing/memory_file_system.h"

namespace narthex::base {
namespace {

// The same claims hold for a real disk and for the one in memory.
class FileSystemTest : public testing::TestWithParam<bool> {
 protected:
  FileSystemTest() {
    if (real()) {
      root_ = testing::TempDir() + "narthex_files_" + std::to_string(::getpid());
    } else {
      memory_ = std::make_unique<MemoryFileSystem>();
      root_ = "/files";
    }
    EXPECT_TRUE(files().CreateDirectories(root_).has_value());
  }
  ~FileSystemTest() override { EXPECT_TRUE(RemoveAll(files(), root_).has_value()); }

  static bool real() { return GetParam(); }
  FileSystem& files() { return real() ? PosixFileSystem() : *memory_; }
  std::string Path(std::string_view name) const { return JoinPath(root_, name); }

  std::unique_ptr<MemoryFileSystem> memory_;
  std::string root_;
};

TEST_P(FileSystemTest, AppendsReadsAndTruncates) {
  const auto file = *files().Open(Path("a"), FileSystem::Mode::kCreateNew);
  ASSERT_TRUE(file->Append("hello").has_value());
  ASSERT_TRUE(file->Append(" world").has_value());
  ASSERT_TRUE(file->Sync().has_value());
  EXPECT_EQ(file->ReadAt(6, 100), "world");
  ASSERT_TRUE(file->Truncate(4).has_value());
  ASSERT_TRUE(file->Append("!").has_value());
  EXPECT_EQ(*ReadFile(files(), Path("a")), "hell!");
  EXPECT_EQ((*files().Map(Path("a")))->bytes(), "hell!");
  EXPECT_EQ(files().Open(Path("a"), FileSystem::Mode::kCreateNew).error().code,
            Code::kAlreadyExists);
  EXPECT_EQ(files().Open(Path("b"), FileSystem::Mode::kRead).error().code, Code::kNotFound);
}

TEST_P(FileSystemTest, AMappingOutlivesTheEndOfItsFile) {
  if (!real()) return;  // A copy there.
  const std::string content(100'000, 'x');
  ASSERT_TRUE(WriteFileAtomically(files(), Path("m"), content).has_value());
  // More than one table of guards; mappings of one file are cut off together.
  std::vector<std::unique_ptr<MappedFile>> mappings;
  for (int i = 0; i < 100; ++i) mappings.push_back(*files().Map(Path("m")));
  EXPECT_EQ(mappings[0]->bytes(), content);
  const auto file = *files().Open(Path("m"), FileSystem::Mode::kAppend);
  ASSERT_TRUE(file->Truncate(5000).has_value());
  for (const auto& mapping : mappings) {
    EXPECT_EQ(mapping->bytes().substr(0, 5000), content.substr(0, 5000));
    EXPECT_TRUE(mapping->intact());
    EXPECT_EQ(mapping->bytes().substr(5000), std::string(95'000, '\0'));
    EXPECT_FALSE(mapping->intact());
  }
  mappings.clear();
  const auto again = *files().Map(Path("m"));
  EXPECT_EQ(again->bytes().size(), 5000u);
  EXPECT_TRUE(again->intact());
}

TEST_P(FileSystemTest, WritesAtomicallyAndLists) {
  ASSERT_TRUE(files().CreateDirectories(Path("x/y")).has_value());
  ASSERT_TRUE(WriteFileAtomically(files(), Path("x/f"), "one").has_value());
  ASSERT_TRUE(WriteFileAtomically(files(), Path("x/f"), "two").has_value());
  const auto entries = *files().List(Path("x"));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "f");
  EXPECT_EQ(entries[0].size, 3u);
  EXPECT_TRUE(entries[1].is_directory);
  EXPECT_FALSE(files().Remove(Path("x")).has_value());
  ASSERT_TRUE(RemoveAll(files(), Path("x")).has_value());
  EXPECT_EQ(files().Exists(Path("x")), false);
}

TEST_P(FileSystemTest, LinksShareTheirBytes) {
  ASSERT_TRUE(WriteFileAtomically(files(), Path("f"), "bytes").has_value());
  ASSERT_TRUE(files().Link(Path("f"), Path("g")).has_value());
  EXPECT_EQ(files().Link(Path("f"), Path("g")).error().code, Code::kAlreadyExists);
  ASSERT_TRUE(files().Remove(Path("f")).has_value());
  EXPECT_EQ(*ReadFile(files(), Path("g")), "bytes");
}

TEST_P(FileSystemTest, LocksOnce) {
  {
    const auto lock = files().Lock(Path("lock"));
    ASSERT_TRUE(lock.has_value());
    const auto second = files().Lock(Path("lock"));
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().message.find("is locked by process"), std::string::npos);
  }
  EXPECT_TRUE(files().Lock(Path("lock")).has_value());
}

INSTANTIATE_TEST_SUITE_P(Disks, FileSystemTest, testing::Values(true, false),
                         [](const auto& disk) { return disk.param ? "Real" : "Memory"; });

TEST(MemoryFileSystem, LosesWhatWasNotSynced) {
  MemoryFileSystem disk;
  const auto file = *disk.Open("/f", FileSystem::Mode::kAppend);
  ASSERT_TRUE(file->Append("safe").has_value());
  ASSERT_TRUE(file->Sync().has_value());
  ASSERT_TRUE(file->Append("lost").has_value());
  disk.LosePower();
  EXPECT_EQ(disk.Content("/f"), "safe");
}

TEST(MemoryFileSystem, FailsTheCallOfThePlan) {
  MemoryFileSystem disk;
  disk.SetPlan(MemoryFileSystem::FailCall(1, MemoryFileSystem::Fate::kHalfDone));
  const auto file = *disk.Open("/f", FileSystem::Mode::kAppend);
  EXPECT_EQ(file->Append("1234").error().code, Code::kResourceExhausted);
  EXPECT_TRUE(disk.fired());
  EXPECT_EQ(disk.Content("/f"), "12");
  EXPECT_TRUE(file->Append("56").has_value());
}

}  // namespace
}  // namespace narthex::base
