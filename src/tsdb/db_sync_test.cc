#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/db.h"

namespace narthex::tsdb {
namespace {

using base::MemoryFileSystem;
using model::Labels;
using model::Timestamp;
using storage::Appended;

// The log is synced every second, beside whoever appends.
class SyncTest : public testing::Test {
 protected:
  std::unique_ptr<Db> Open() {
    Db::Options options{.directory = "/data"};
    options.fsync = FsyncPolicy::kInterval;
    options.head_image = false;
    return *Db::Open({disk_, clock_}, base::NullLogger(), options);
  }

  static base::Status Put(Db& db, Timestamp t) {
    const auto appender = db.OpenAppender();
    EXPECT_EQ(appender->Append(*appender->Resolve(*Labels::From({{"__name__", "m"}})), t, 1),
              Appended::kYes);
    return appender->Commit();
  }

  static size_t Samples(Db& db) {
    const auto querier = *db.OpenQuerier({});
    const auto set = *querier->Select({});
    model::SampleColumns samples;
    if (set->size() == 1) {
      EXPECT_TRUE(set->Read(0, {}, samples).has_value());
    }
    return samples.size();
  }

  MemoryFileSystem disk_;
  base::ManualClock clock_{1'000'000};
};

bool InLog(std::string_view path) { return path.starts_with("/data/wal/"); }

TEST_F(SyncTest, StopsNobodyWhoAppends) {
  std::promise<void> began, end;
  std::atomic<bool> armed{true};
  const auto db = Open();  // Its thread ends before these do.
  disk_.SetBeforeSync([&](const std::string& path) {
    if (!InLog(path) || !armed.exchange(false)) return;
    began.set_value();
    end.get_future().wait();
  });
  ASSERT_TRUE(Put(*db, 1).has_value());
  began.get_future().wait();
  std::future<base::Status> second = std::async([&] { return Put(*db, 2); });
  const bool done = second.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  end.set_value();
  EXPECT_TRUE(done);
  EXPECT_TRUE(second.get().has_value());
}

TEST_F(SyncTest, GoesOnInANewSegmentAfterOneThatFailed) {
  std::promise<void> failed;
  {
    const auto db = Open();
    const uint32_t segment = db->statistics().wal_segment;
    disk_.SetPlan([&, armed = true](const MemoryFileSystem::Call& call) mutable {
      if (!armed || call.operation != "sync" || !InLog(call.path)) {
        return MemoryFileSystem::Fate::kSucceed;
      }
      armed = false;
      failed.set_value();
      return MemoryFileSystem::Fate::kFail;
    });
    ASSERT_TRUE(Put(*db, 1).has_value());
    failed.get_future().wait();
    // The failure is known a moment later; until then the segment takes what comes.
    Timestamp t = 2;
    while (db->statistics().wal_segment == segment && t < 2'000) {
      ASSERT_TRUE(Put(*db, t++).has_value());
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_GT(db->statistics().wal_segment, segment);
    EXPECT_EQ(Samples(*db), static_cast<size_t>(t - 1));
  }
  EXPECT_GE(Samples(*Open()), 2u);
}

TEST_F(SyncTest, MakesWhatWasAcknowledgedDurableByItself) {
  std::promise<void> second_round;
  std::atomic<int> rounds{0};
  {
    const auto db = Open();
    disk_.SetBeforeSync([&](const std::string& path) {
      if (InLog(path) && ++rounds == 2) second_round.set_value();
    });
    ASSERT_TRUE(Put(*db, 1).has_value());
    while (rounds == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(Put(*db, 2).has_value());
    // The second sync began, so the first has ended.
    second_round.get_future().wait();
    disk_.SetBeforeSync(nullptr);
    disk_.SetPlan([](const MemoryFileSystem::Call&) { return MemoryFileSystem::Fate::kFail; });
  }
  disk_.LosePower();
  disk_.SetPlan(nullptr);
  EXPECT_GE(Samples(*Open()), 1u);
}

}  // namespace
}  // namespace narthex::tsdb
