#include "embed/database.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace narthex {
namespace {

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest() { std::filesystem::remove_all(directory_); }
  ~DatabaseTest() override { std::filesystem::remove_all(directory_); }

  Database Open() {
    Outcome<Database> database = Database::Open(directory_);
    EXPECT_TRUE(database) << database.error().message;
    return *std::move(database);
  }
  std::string Ask(const Database& database, std::string_view query, int64_t at) {
    const Outcome<Answer> answer = database.Query(query, at);
    return answer ? answer->ToString() : answer.error().message;
  }

  const std::string directory_ = testing::TempDir() + "database_" +
                                 testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(DatabaseTest, AnswersWhatWasAppendedAlsoWhenItIsOpenedAgain) {
  {
    Database database = Open();
    for (int64_t t = 0; t <= 60'000; t += 15'000) {
      ASSERT_TRUE(database.Append({{"__name__", "requests"}, {"path", "/"}}, t,
                                  static_cast<double>(t) / 1000));
    }
    EXPECT_EQ(Ask(database, "requests", 60'000), "requests{path=\"/\"} 60 @60\n");
  }
  Database again = Open();
  EXPECT_EQ(Ask(again, "max_over_time(requests[1m])", 60'000), "{path=\"/\"} 60 @60\n");
  const Outcome<Answer> range = again.Query("requests", 0, 30'000, 15'000);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->type, Answer::Type::kMatrix);
  EXPECT_EQ(range->ToString(), "requests{path=\"/\"} 0 @0 15 @15 30 @30\n");
}

TEST_F(DatabaseTest, ABatchIsSeenAsAWholeOrNotAtAll) {
  Database database = Open();
  {
    Database::Batch batch = database.NewBatch();
    ASSERT_TRUE(batch.Add({{"__name__", "a"}}, 1000, 1));
    ASSERT_TRUE(batch.Add({{"__name__", "b"}}, 1000, 2));
    EXPECT_EQ(Ask(database, "a or b", 1000), "");
    ASSERT_TRUE(batch.Commit());
  }
  EXPECT_EQ(Ask(database, "sum(a + on() b)", 1000), "{} 3 @1\n");
  {
    Database::Batch dropped = database.NewBatch();
    ASSERT_TRUE(dropped.Add({{"__name__", "a"}}, 2000, 5));
  }
  EXPECT_EQ(Ask(database, "a", 2000), "a 1 @2\n");
}

TEST_F(DatabaseTest, SaysWhatIsWrongAndOfWhichKind) {
  Database database = Open();
  const LabelList labels = {{"__name__", "m"}};
  ASSERT_TRUE(database.Append(labels, 1000, 1));
  EXPECT_EQ(database.Append(labels, 1000, 2).error().code, ErrorCode::kRefused);
  EXPECT_EQ(database.Append(labels, 500, 2).error().code, ErrorCode::kRefused);
  EXPECT_EQ(database.Append({}, 1000, 1).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(database.Append({{"a", "1"}, {"a", "2"}}, 1, 1).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(database.Query("sum(", 0).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(database.Query("m", 0, 10, 0).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(Database::Open(directory_).error().code, ErrorCode::kInUse);
}

TEST_F(DatabaseTest, ASnapshotIsADatabaseOfItsOwn) {
  Database database = Open();
  ASSERT_TRUE(database.Append({{"__name__", "m"}}, 1000, 7));
  const Outcome<std::string> name = database.Snapshot();
  ASSERT_TRUE(name) << name.error().message;
  Outcome<Database> copy = Database::Open(directory_ + "/snapshots/" + *name);
  ASSERT_TRUE(copy) << copy.error().message;
  EXPECT_EQ(Ask(*copy, "m", 1000), "m 7 @1\n");
}

}  // namespace
}  // namespace narthex
