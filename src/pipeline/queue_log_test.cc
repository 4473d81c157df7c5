#include "pipeline/queue_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/testing/memory_file_system.h"

namespace narthex::pipeline {
namespace {

using base::MemoryFileSystem;
using testing::ElementsAre;
using testing::IsEmpty;

class QueueLogTest : public testing::Test {
 protected:
  std::unique_ptr<QueueLog> Open(QueueLog::Options options = {}) {
    options.directory = "d";
    auto log = QueueLog::Open(files_, options, base::NullLogger());
    EXPECT_TRUE(log.has_value()) << log.error().message;
    return *std::move(log);
  }
  static std::vector<std::string> Contents(const QueueLog& log) {
    std::vector<std::string> out;
    for (const QueueLog::Entry& entry : log.pending()) out.push_back(*log.Read(entry.id));
    return out;
  }
  size_t FileCount() { return files_.List("d")->size(); }

  MemoryFileSystem files_;
};

TEST_F(QueueLogTest, WhatIsNotDoneComesAgain) {
  auto log = Open();
  ASSERT_TRUE(log->Append("one", 1).has_value());
  const uint64_t two = *log->Append("two", 2);
  ASSERT_TRUE(log->Append("three", 3).has_value());
  log->Done(two);
  EXPECT_EQ(log->Read(two).error().code, base::Code::kNotFound);
  log = Open();
  EXPECT_THAT(Contents(*log), ElementsAre("one", "three"));
  EXPECT_EQ(log->pending()[1].points, 3u);
  EXPECT_GT(*log->Append("four", 4), log->pending()[1].id);
}

TEST_F(QueueLogTest, SegmentsGoWhenNothingIsLeftInThem) {
  auto log = Open({.segment_bytes = 100});
  std::vector<uint64_t> ids;
  for (int i = 0; i < 40; ++i) ids.push_back(*log->Append(std::string(50, 'x'), 1));
  const size_t before = FileCount();
  EXPECT_GT(before, 10u);
  for (size_t i = 1; i < ids.size(); ++i) log->Done(ids[i]);
  // The first entry holds back what comes after it: it alone knows that the others are done.
  EXPECT_GE(FileCount(), before);
  EXPECT_EQ(Open({.segment_bytes = 100})->pending().size(), 1u);
  log->Done(ids[0]);
  EXPECT_LE(FileCount(), 3u);
  EXPECT_LT(log->byte_size(), 500u);
  EXPECT_THAT(Open()->pending(), IsEmpty());
}

TEST_F(QueueLogTest, KeepsToItsLimit) {
  auto log = Open({.bytes_max = 1000});
  base::Result<uint64_t> id = 0;
  int taken = 0;
  while ((id = log->Append(std::string(100, 'x'), 1)).has_value()) ++taken;
  EXPECT_EQ(id.error().code, base::Code::kResourceExhausted);
  EXPECT_EQ(taken, 8);
  EXPECT_LE(log->byte_size(), 1000u);
}

TEST_F(QueueLogTest, SyncedEntriesOutliveAPowerCut) {
  auto log = Open({.fsync = true});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log->Append(std::to_string(i), 1).has_value());
  log.reset();
  files_.LosePower();
  EXPECT_THAT(Contents(*Open()), ElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(QueueLogTest, DamageCostsTheRecordsThatItHits) {
  const std::string path = "d/0000000000000001.queue";
  auto log = Open();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(log->Append(std::string(20, static_cast<char>('a' + i)), 1).has_value());
  }
  const std::string content = files_.Content(path);
  files_.Corrupt(path, content.find(std::string(20, 'c')), '!');
  log = Open();
  EXPECT_EQ(log->pending().size(), 4u);
  // A torn end.
  log.reset();
  files_.SetContent(path, content.substr(0, content.size() - 1));
  EXPECT_EQ(Open()->pending().size(), 4u);
}

TEST_F(QueueLogTest, DamageThatComesLaterIsNoticed) {
  auto log = Open();
  const uint64_t id = *log->Append("something", 1);
  const std::string path = "d/0000000000000001.queue";
  files_.Corrupt(path, files_.Content(path).find("something"), '!');
  EXPECT_EQ(log->Read(id).error().code, base::Code::kDataLoss);
}

// Whatever call to the disk fails, what was acknowledged is there after a restart, and nothing
// else.
TEST_F(QueueLogTest, EveryFailureOfTheDisk) {
  for (const MemoryFileSystem::Fate fate :
       {MemoryFileSystem::Fate::kFail, MemoryFileSystem::Fate::kHalfDone}) {
    for (int n = 0;; ++n) {
      MemoryFileSystem files;
      std::vector<std::string> acknowledged;
      bool fired = false;
      {
        auto log = QueueLog::Open(files, {.directory = "d", .fsync = true, .segment_bytes = 60},
                                  base::NullLogger());
        ASSERT_TRUE(log.has_value());
        files.ResetCalls();
        files.SetPlan(MemoryFileSystem::FailCall(n, fate));
        for (int i = 0; i < 6; ++i) {
          std::string text = "entry number " + std::to_string(i);
          if ((*log)->Append(text, 1).has_value()) acknowledged.push_back(std::move(text));
        }
        fired = files.fired();
      }
      files.SetPlan(nullptr);
      files.LosePower();
      const auto log = QueueLog::Open(files, {.directory = "d"}, base::NullLogger());
      ASSERT_TRUE(log.has_value()) << n;
      EXPECT_EQ(Contents(**log), acknowledged) << "call " << n;
      if (!fired) break;
    }
  }
}

// Against a map, over random work and restarts.
TEST_F(QueueLogTest, LikeAMap) {
  const uint64_t seed = base::RandomSeed();
  SCOPED_TRACE(seed);
  base::Random random(seed);
  std::map<uint64_t, std::string> twin;
  auto log = Open({.segment_bytes = 500});
  for (int step = 0; step < 3'000; ++step) {
    const uint64_t what = random.Below(100);
    if (what < 50) {
      std::string text(random.Below(100), static_cast<char>('a' + random.Below(26)));
      twin[*log->Append(text, 1)] = text;
    } else if (what < 98 && !twin.empty()) {
      auto it = twin.begin();
      std::advance(it, static_cast<long>(random.Below(std::min<size_t>(twin.size(), 5))));
      log->Done(it->first);
      twin.erase(it);
    } else if (what == 99) {
      log.reset();
      log = Open({.segment_bytes = 500});
    }
  }
  std::vector<std::string> want;
  for (const auto& [id, text] : twin) want.push_back(text);
  EXPECT_EQ(Contents(*log), want);
}

}  // namespace
}  // namespace narthex::pipeline
